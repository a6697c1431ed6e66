"""The weights that ship with the package: drawn lips of 32 x 48 on simulated performances of the preset `varied`.

The values stand in attavvad_jax/configs/detector.py; `attavvad config detector` prints them.
"""

from attavvad_jax.configs.detector import get_config

__all__ = ["get_config"]
