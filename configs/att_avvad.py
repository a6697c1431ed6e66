"""ATT-AVVAD in the paper's configuration: face images of 450 x 300, 15 x 64 log-mel, 3 blocks a second.

The values are in attavvad_jax/configs/att_avvad.py; `attavvad config att_avvad` prints them.
"""

from attavvad_jax.configs.att_avvad import get_config

__all__ = ["get_config"]
