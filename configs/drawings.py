"""Drawings of the lips in place of measures: the input of the weights that shipped before `detector` had measures.

The values are in attavvad_jax/configs/drawings.py; `attavvad config drawings` prints them.
"""

from attavvad_jax.configs.drawings import get_config

__all__ = ["get_config"]
