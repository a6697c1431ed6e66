"""ATT-AVVAD in the paper's configuration: face images of 450 x 300, 15 x 64 log-mel, 3 blocks a second.

  attavvad prepare --config=att_avvad --input=VIDEOS --output=data/mine
  attavvad train --config=att_avvad --config.data=data/mine --workdir=runs/att_avvad

Results: none yet on the paper's data, which is private.
"""

import ml_collections

from attavvad_jax.configs import to_config_dict
from attavvad_jax.settings import Config


def get_config() -> ml_collections.ConfigDict:
  # attavvad_jax.settings.Config documents each key, its unit and its default.
  return to_config_dict(Config())
