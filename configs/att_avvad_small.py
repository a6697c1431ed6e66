"""ATT-AVVAD with face images of 112 x 112: the default for CPUs.

The values are in attavvad_jax/configs/att_avvad_small.py; `attavvad config att_avvad_small` prints them.
"""

from attavvad_jax.configs.att_avvad_small import get_config

__all__ = ["get_config"]
