"""The training of `make demo`: the small configuration, for minutes on a CPU.

The values are in attavvad_jax/configs/demo.py; `attavvad config demo` prints them.
"""

from attavvad_jax.configs.demo import get_config

__all__ = ["get_config"]
