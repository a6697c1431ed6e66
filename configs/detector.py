"""The training of the shipped weights: drawn lips of 32 x 48, simulated performances of the preset `varied`.

The values are in attavvad_jax/configs/detector.py; `attavvad config detector` prints them.
"""

from attavvad_jax.configs.detector import get_config

__all__ = ["get_config"]
