r"""Base-A with face images of 112 x 112, which it ignores: both stages of training, on clean voices and on mixtures.

The first command trains the source task on clean voices (such as the simulation's preset "unaccompanied"), the second
the target task on mixtures:

  attavvad train --config=base_a --config.data=data/unaccompanied --workdir=runs/base_a_source
  attavvad train --config=base_a --config.data=data/mine --workdir=runs/base_a \
    --config.transfer.checkpoint=runs/base_a_source

To freeze the first convolution after the source task, add --config.transfer.freeze="('block_0',)".

Results: none yet.
"""

import ml_collections

from attavvad_jax.configs import att_avvad_small


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad_small.get_config()
  config.model.name = "base_a"
  return config
