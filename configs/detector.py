"""The training of the shipped weights: measures of the lips at 24 images a second, simulated performances.

The values are in attavvad_jax/configs/detector.py; `attavvad config detector` prints them.
"""

from attavvad_jax.configs.detector import get_config

__all__ = ["get_config"]
