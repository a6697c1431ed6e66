"""The networks, by name. Each takes (log_mel, images, image_mask, *, train, rows) and returns `Outputs`."""

from attavvad_jax.models.ablations import AudioOnly, VisualOnly
from attavvad_jax.models.att_avvad import AttAvvad, AudioBranch, VisualBranch
from attavvad_jax.models.base_a import BaseA
from attavvad_jax.models.base_av import BaseAV
from attavvad_jax.models.build import BACKBONES, BRANCHES, MODELS, build, field_names, with_fields
from attavvad_jax.models.ensemble import Ensemble
from attavvad_jax.models.outputs import Outputs

__all__ = [
  "BACKBONES",
  "BRANCHES",
  "MODELS",
  "AttAvvad",
  "AudioBranch",
  "AudioOnly",
  "BaseA",
  "BaseAV",
  "Ensemble",
  "Outputs",
  "VisualBranch",
  "VisualOnly",
  "build",
  "field_names",
  "with_fields",
]
