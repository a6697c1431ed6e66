"""The training of the shipped weights: lips measured 24 times a second, and a second of audio before each block.

The values are in attavvad_jax/configs/detector.py; `attavvad config detector` prints them.
"""

from attavvad_jax.configs.detector import get_config

__all__ = ["get_config"]
