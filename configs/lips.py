"""Measures of the lips at 24 images a second and a second of sound before each block, in place of drawings of the lips.

The values are in attavvad_jax/configs/lips.py; `attavvad config lips` prints them.
"""

from attavvad_jax.configs.lips import get_config

__all__ = ["get_config"]
