r"""Base-A with face images of 112 x 112, which it does not look at: the second of two stages, on mixtures.

Source task, on data in which voices are clean (such as the simulation's preset "unaccompanied"), then target task:

  attavvad train --config=base_a --config.data=data/unaccompanied --workdir=runs/base_a_source
  attavvad train --config=base_a --config.data=data/mine --workdir=runs/base_a \
    --config.transfer.checkpoint=runs/base_a_source

Add --config.transfer.freeze="('block_0',)" to hold the first convolution as the source task left it.

Where run: not run yet at length. Score: not measured.
"""

import ml_collections

from attavvad_jax.configs import att_avvad_small


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad_small.get_config()
  config.model.name = "base_a"
  return config
