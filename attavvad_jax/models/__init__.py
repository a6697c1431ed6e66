"""Models, by name. A model takes (log_mel, images, image_mask, *, train) and returns `Outputs`."""

from typing import Any

from flax import linen as nn

from attavvad_jax.models.ablations import AudioOnly, VisualOnly
from attavvad_jax.models.att_avvad import AttAvvad
from attavvad_jax.models.base_a import BaseA
from attavvad_jax.models.base_av import BaseAV
from attavvad_jax.models.outputs import Outputs

MODELS: dict[str, type[nn.Module]] = {
  "att_avvad": AttAvvad,
  "audio_only": AudioOnly,
  "visual_only": VisualOnly,
  "base_a": BaseA,
  "base_av": BaseAV,
}

__all__ = ["MODELS", "AttAvvad", "AudioOnly", "BaseA", "BaseAV", "Outputs", "VisualOnly", "build"]


def build(name: str, **fields: Any) -> nn.Module:
  """The model of a name, with its dataclass fields.

  Raises:
    ValueError: no such model, or the model has no such field.
  """
  if name not in MODELS:
    raise ValueError(f"unknown model {name!r}; expected one of {', '.join(MODELS)}")
  known = set(MODELS[name].__dataclass_fields__) - {"parent", "name"}
  if unknown := set(fields) - known:
    raise ValueError(
      f"model {name} has no field {', '.join(sorted(unknown))}; expected some of {', '.join(sorted(known))}"
    )
  return MODELS[name](**fields)
