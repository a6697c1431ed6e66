"""ATT-AVVAD with a curriculum: the loss weights train audio first, then video, then both.

The values are in attavvad_jax/configs/curriculum.py; `attavvad config curriculum` prints them.
"""

from attavvad_jax.configs.curriculum import audio_then_visual_then_joint, get_config

__all__ = ["audio_then_visual_then_joint", "get_config"]
