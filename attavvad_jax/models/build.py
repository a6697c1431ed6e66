"""Builds models from the flat fields of a config.

A model may have branches: fields that are modules, such as `AttAvvad.audio`. A flat field sets the field of that name
in the model and in each branch that has one: `dropout_rate` applies to both branches, `gru_units` to the audio branch.
A branch's name as a prefix restricts it to that branch: `visual_kernel_sizes`. In an `Ensemble`, a field sets that of
all members.
"""

import dataclasses
from typing import Any

from flax import linen as nn

from attavvad_jax import registry
from attavvad_jax.models.ablations import AudioOnly, VisualOnly
from attavvad_jax.models.att_avvad import AttAvvad
from attavvad_jax.models.base_a import BaseA
from attavvad_jax.models.base_av import BaseAV
from attavvad_jax.models.ensemble import Ensemble
from attavvad_jax.models.lips import LipBranch
from attavvad_jax.models.sync import SyncBranch

MODELS: dict[str, type[nn.Module]] = {
  "att_avvad": AttAvvad,
  "audio_only": AudioOnly,
  "visual_only": VisualOnly,
  "base_a": BaseA,
  "base_av": BaseAV,
}

# Fields that may be references: package.module:Name of a module with the signature of `AudioBranch`, `VisualBranch` or
# `SyncBranch`.
BRANCHES = ("audio", "visual", "sync")
# Branches by name, beside the models' own.
BACKBONES: dict[str, dict[str, type[nn.Module]]] = {
  "audio": {},
  "visual": {"lips": LipBranch},
  "sync": {"lips": SyncBranch},
}


def build(name: str, **fields: Any) -> nn.Module:
  """Builds a model by name, with values for some of its fields.

  >>> build("att_avvad", gru_units=32, visual_strides=((3, 3), (3, 3), (2, 2), (1, 1))).audio.gru_units
  32

  Args:
    name: a key of `MODELS`, or package.module:Name of a module with the same call signature.
    **fields: flat fields as above. `audio`, `visual` and `sync` may also be a key of `BACKBONES`, or
      package.module:Name of a module with the call signature of `AudioBranch`, `VisualBranch` or `SyncBranch`.

  Raises:
    ValueError: the model, branch or fusion is unknown, or neither the model nor a branch has one of the fields.
  """
  for branch in BRANCHES:
    if isinstance(fields.get(branch), str):
      fields[branch] = registry.call(fields[branch], BACKBONES[branch], f"model.{branch}", nn.Module)
  # Fields without a default must be passed to the constructor.
  own = {key: value for key, value in fields.items() if key in _own_fields(registry.resolve(name, MODELS, "model"))}
  return with_fields(registry.call(name, MODELS, "model", nn.Module, **own), **fields)


def with_fields(model: nn.Module, **fields: Any) -> nn.Module:
  """Returns a copy of a model with new values of some flat fields, in itself and in its branches.

  Raises:
    ValueError: neither the model nor a branch has one of the fields.
  """
  if unknown := sorted(set(fields) - field_names(model)):
    raise ValueError(
      f"model {type(model).__name__} has no field {', '.join(unknown)}; expected some of "
      f"{', '.join(sorted(field_names(model)))}"
    )
  if isinstance(model, Ensemble):
    return Ensemble(with_fields(model.member, **fields), model.count)
  model = model.clone(**{key: value for key, value in fields.items() if key in _own_fields(model)})
  branches: dict[str, Any] = {}
  for branch, module in _branches(model).items():
    known = _own_fields(module)
    shared = {key: fields[key] for key in known if key in fields}
    alone = {key: fields[f"{branch}_{key}"] for key in known if f"{branch}_{key}" in fields}
    branches[branch] = module.clone(**(shared | alone))
  return model.clone(**branches)


def field_names(model: nn.Module) -> set[str]:
  """Returns the flat fields of a model that `with_fields` can set."""
  if isinstance(model, Ensemble):
    return field_names(model.member)
  names = set(_own_fields(model))
  for branch, module in _branches(model).items():
    names.update(_own_fields(module), (f"{branch}_{field}" for field in _own_fields(module)))
  return names


def _branches(model: nn.Module) -> dict[str, nn.Module]:
  fields = {name: getattr(model, name) for name in _own_fields(model)}
  return {name: value for name, value in fields.items() if isinstance(value, nn.Module)}


def _own_fields(model: Any) -> list[str]:
  """Returns the fields of a module or of its class; for a function that returns a module, none."""
  if not dataclasses.is_dataclass(model):
    return []
  return [field.name for field in dataclasses.fields(model) if field.init and field.name not in ("parent", "name")]
