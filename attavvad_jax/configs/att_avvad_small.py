"""ATT-AVVAD with face images of 112 x 112: the default for CPUs.

  attavvad prepare --config=att_avvad_small --input=VIDEOS --output=data/mine
  attavvad train --config=att_avvad_small --config.data=data/mine --workdir=runs/small

Results: see `make demo` in the README, which trains it for fewer epochs.
"""

import ml_collections

from attavvad_jax.configs import att_avvad


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad.get_config()
  config.crop.height_px = 112
  config.crop.width_px = 112
  config.batch_size = 32
  # Only mirroring, because other augmentation lowered the score in short runs on 8 minutes of simulation; longer runs
  # and other data are untested.
  config.augmentation.flip_probability = 0.5
  return config
