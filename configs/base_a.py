"""Base-A with face images of 112 x 112, which it does not look at: the second of two stages, on mixtures.

The values stand in attavvad_jax/configs/base_a.py; `attavvad config base_a` prints them.
"""

from attavvad_jax.configs.base_a import get_config

__all__ = ["get_config"]
