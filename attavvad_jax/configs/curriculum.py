"""ATT-AVVAD with a curriculum: the loss weights train audio first, then video, then both.

  attavvad train --config=curriculum --config.data=data/mine --workdir=runs/curriculum

Results: none yet; only tests run it, reduced in size.
"""

from typing import TYPE_CHECKING

import ml_collections

from attavvad_jax.configs import att_avvad_small

if TYPE_CHECKING:
  from attavvad_jax.loss_weights import LossWeights


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad_small.get_config()
  config.loss_weights = "attavvad_jax.configs.curriculum:audio_then_visual_then_joint"
  return config


def audio_then_visual_then_joint() -> "LossWeights":
  """Returns weights of the audio terms alone for 500 steps, the visual term alone for 500, then all nine."""
  from attavvad_jax.loss_weights import join, per_group  # not at the top: configs load before jax

  audio = per_group(visual=0.0, audio_visual=0.0)
  visual = per_group(audio=0.0, audio_visual=0.0)
  return join([audio, visual, per_group()], [500, 1000])
