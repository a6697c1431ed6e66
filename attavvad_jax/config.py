"""Builds the objects that a config of plain values describes; its keys are the fields of `settings.Config`."""

from collections.abc import Callable, Mapping
import dataclasses
import math
from typing import Any, TypeVar

from flax import linen as nn

from attavvad_jax.blocks import Crop, DataSpec
from attavvad_jax.loss_weights import LossWeights, from_name
from attavvad_jax.loss_weights.base import Schedule
from attavvad_jax.loss_weights.schedules import constant
from attavvad_jax.models import Ensemble, build
from attavvad_jax.registry import call, is_own, resolve
from attavvad_jax.settings import Augmentation, Config, Model, Optimizer, Transfer, to_dict
from attavvad_jax.timeline import Clock, Smoothing

KEYS = tuple(field.name for field in dataclasses.fields(Config))

# Where epochs are short, the fewest steps between validations; and the fewest validations of a run.
_FEWEST_STEPS, _FEWEST_CHECKPOINTS = 20, 5

# Whose events the audio branch learns: the performer's (Section 2.1), or those of any voice.
PERFORMER, ANY_VOICE = "performer", "any_voice"

# Old keys of stored configs and their names today, by group.
_RENAMED = {
  "augmentation": {
    "dub_probability": "swap_audio_probability",
    "drop_sound_probability": "drop_audio_probability",
  },
}

T = TypeVar("T")


def fill(config: Mapping[str, Any]) -> dict[str, Any]:
  """Fills each key that a stored config lacks, at every level, with today's default, and renames old keys.

  The keys of a group such as `smoothing` get the defaults of the group's own class.
  """
  default = Config()
  filled = {**to_dict(default), **config}
  groups: dict[str, Any] = {key: type(value) for key, value in vars(default).items() if dataclasses.is_dataclass(value)}
  for key, group in groups.items():
    if isinstance(config.get(key), Mapping):
      renamed = _RENAMED.get(key, {})
      filled[key] = {**to_dict(group()), **{renamed.get(name, name): value for name, value in config[key].items()}}
  return filled


def check_keys(config: Mapping[str, Any]) -> None:
  """Checks that every key of a config is known.

  Raises:
    ValueError: some keys are unknown; the message lists them.
  """
  if unknown := sorted(set(config) - set(KEYS)):
    raise ValueError(f"config: unknown key {', '.join(unknown)}; expected {', '.join(KEYS)}")


def data_spec(config: Mapping[str, Any]) -> DataSpec:
  """Builds the data spec of the config's clock and crop."""
  return DataSpec(_fill(Clock, config["clock"], "clock"), _fill(Crop, config["crop"], "crop"))


def smoothing(config: Mapping[str, Any]) -> Smoothing:
  """Builds the rule by which scores become a timeline."""
  return _fill(Smoothing, config["smoothing"], "smoothing")


def model(config: Mapping[str, Any]) -> nn.Module:
  """Builds the network that `config.model` names; fields that are None keep the network's own defaults.

  Raises:
    ValueError: the network or one of its fields is unknown, or a sync branch gets audio and images of different times.
  """
  fields = {name: value for name, value in config["model"].items() if value is not None}
  name, members = fields.pop("name"), fields.pop("members", 1)
  if isinstance(members, bool) or not isinstance(members, int) or members < 1:
    raise ValueError(f"config.model.members is {members!r}; expected an integer of 1 or more")
  clock = Clock(**config["clock"])
  if (
    fields.get("sync") and clock.frames_before * clock.images_per_block != clock.images_before * clock.frames_per_block
  ):
    raise ValueError(
      f"config.model.sync compares audio and images of the same time, but {clock.frames_before} audio frames "
      f"(frames_before) are {clock.frames_before / clock.frames_per_block:g} blocks, and {clock.images_before} images "
      f"(images_before) are {clock.images_before / clock.images_per_block:g}; give both the same"
    )
  if is_own(name):
    # Defaults made for the package's networks: a user's network may lack these fields.
    own, defaults = getattr(resolve(name, {}, "model"), "__dataclass_fields__", {}), vars(Model())
    fields = {key: value for key, value in fields.items() if key in own or value != defaults.get(key)}
  network = build(name, **fields)
  return network if members == 1 else Ensemble(network, members)


def num_steps(config: Mapping[str, Any], num_blocks: int, epochs: float) -> int:
  """Returns the fewest steps that take each of the blocks at least `epochs` times.

  The last batch may reach into the next epoch.
  """
  # Rounded first, so that a floating-point error above a whole number does not add a step.
  batch_size: int = config["batch_size"]
  return math.ceil(round(epochs * num_blocks / batch_size, 6))


def checkpoint_interval(config: Mapping[str, Any], num_blocks: int) -> int:
  """Returns the number of steps from one validation and checkpoint to the next.

  It is `config.checkpoint_every_steps` if that is set. Otherwise it follows from `config.checkpoint_every_epochs`: at
  least 20 steps where epochs are short, but few enough that the run has at least five validations.

  Raises:
    ValueError: one of the two values is not above 0.
  """
  steps: int | None = config["checkpoint_every_steps"]
  epochs: float = config["checkpoint_every_epochs"]
  batch_size: int = config["batch_size"]
  for name, value in (("steps", steps), ("epochs", epochs)):
    if value is not None and not value > 0:
      raise ValueError(f"config.checkpoint_every_{name} is {value}; expected more than 0")
  if steps is not None:
    return steps
  wanted = max(round(epochs * num_blocks / batch_size), _FEWEST_STEPS)
  return max(1, min(wanted, num_steps(config, num_blocks, config["num_epochs"]) // _FEWEST_CHECKPOINTS))


def loss_weights(config: Mapping[str, Any]) -> LossWeights:
  """Returns the weight function of the nine loss terms.

  Raises:
    ValueError: `config.loss_weights` names no weight function.
  """
  try:
    return from_name(config["loss_weights"])
  except ValueError as error:
    raise ValueError(f"config.{error}") from error


def sync_weight(config: Mapping[str, Any]) -> Schedule:
  """Returns the weight of the term of a sync branch, as a function of the step.

  Raises:
    ValueError: `config.sync_weight` is neither a number of 0 or more nor names a function that returns a schedule.
  """
  value = config["sync_weight"]
  if isinstance(value, str) and is_own(value):
    return call(value, {}, "config.sync_weight", Callable)  # type: ignore[arg-type]
  if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
    raise ValueError(
      f"config.sync_weight is {value!r}; expected a number of 0 or more, or package.module:function of a function that "
      "returns a schedule"
    )
  return constant(float(value))


def augmentation(config: Mapping[str, Any]) -> Augmentation:
  """Builds the augmentation of the training batches."""
  return _fill(Augmentation, config["augmentation"], "augmentation")


def optimizer(config: Mapping[str, Any]) -> Optimizer:
  """Builds the settings of the optimizer."""
  return _fill(Optimizer, config["optimizer"], "optimizer")


def audio_targets(config: Mapping[str, Any]) -> str:
  """Returns whose events the audio branch learns: `PERFORMER` or `ANY_VOICE`.

  Raises:
    ValueError: `config.audio_targets` is neither.
  """
  value: str = config["audio_targets"]
  if value not in (PERFORMER, ANY_VOICE):
    raise ValueError(f"config.audio_targets is {value!r}; expected {PERFORMER} or {ANY_VOICE}")
  return value


def check_batch(config: Mapping[str, Any]) -> None:
  """Validates `batch_size`, `num_microbatches` and `remat`.

  Raises:
    ValueError: one of them has an invalid value.
  """
  batch_size, num_parts = config["batch_size"], config["num_microbatches"]
  if not isinstance(batch_size, int) or batch_size < 1:
    raise ValueError(f"config.batch_size is {batch_size!r}; expected a whole number of 1 or more")
  if not isinstance(num_parts, int) or num_parts < 1 or batch_size % num_parts:
    raise ValueError(
      f"config.num_microbatches is {num_parts!r}; expected a whole number that divides config.batch_size, {batch_size}"
    )
  if not isinstance(config["remat"], bool):
    raise ValueError(f"config.remat is {config['remat']!r}; expected True or False")


def transfer(config: Mapping[str, Any]) -> Transfer:
  """Builds the settings for starting from other parameters.

  Raises:
    ValueError: `config.transfer.freeze` is a string.
  """
  settings = _fill(Transfer, config["transfer"], "transfer")
  if isinstance(settings.freeze, str):
    raise ValueError(f"config.transfer.freeze is {settings.freeze!r}; expected a tuple of paths")
  return settings


def _fill(cls: type[T], values: Mapping[str, Any], where: str) -> T:
  """Builds a group of keys; raises a ValueError that lists unknown ones."""
  names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
  unknown = sorted(set(values) - set(names))
  if unknown:
    raise ValueError(f"config.{where}: unknown key {', '.join(unknown)}; expected {', '.join(names)}")
  return cls(**values)
