"""The training of `make demo`: the small configuration, for minutes on a CPU.

  attavvad demo --workdir=demo

Results: see "Two commands" in the README.
"""

import ml_collections

from attavvad_jax.configs import att_avvad_small


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad_small.get_config()
  config.batch_size = 16
  config.num_epochs = 4
  config.log_every_steps = 10
  return config
