"""ATT-AVVAD with face images of 112 x 112: the default for CPUs.

  attavvad prepare --config=att_avvad_small --input=VIDEOS --output=data/mine
  attavvad train --config=att_avvad_small --config.data=data/mine --workdir=runs/small

Where run, how long, score: see `make demo` in the README, which trains a shorter version of it.
"""

import ml_collections

from attavvad_jax.configs import att_avvad


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad.get_config()
  config.crop.height_px = 112
  config.crop.width_px = 112
  config.batch_size = 32
  # Of all augmentation only mirroring cost nothing in runs of four epochs on 8 minutes of simulation (one or two seeds,
  # filters and images halved); longer runs and other data were not tried.
  config.augmentation.flip_probability = 0.5
  return config
