"""Base-AV with face images of 112 x 112.

  attavvad train --config=base_av --config.data=data/mine --workdir=runs/base_av

Results: none yet.
"""

import ml_collections

from attavvad_jax.configs import att_avvad_small


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad_small.get_config()
  config.model.name = "base_av"
  return config
