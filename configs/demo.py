"""What `make demo` trains: the small configuration, for minutes on a CPU.

The values stand in attavvad_jax/configs/demo.py; `attavvad config demo` prints them.
"""

from attavvad_jax.configs.demo import get_config

__all__ = ["get_config"]
