"""Base-A with face images of 112 x 112, which it ignores: both stages of training, on clean voices and on mixtures.

The values are in attavvad_jax/configs/base_a.py; `attavvad config base_a` prints them.
"""

from attavvad_jax.configs.base_a import get_config

__all__ = ["get_config"]
