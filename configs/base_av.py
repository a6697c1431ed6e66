"""Base-AV with face images of 112 x 112.

The values are in attavvad_jax/configs/base_av.py; `attavvad config base_av` prints them.
"""

from attavvad_jax.configs.base_av import get_config

__all__ = ["get_config"]
