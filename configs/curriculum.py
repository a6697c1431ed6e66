"""ATT-AVVAD that learns to hear, then to see, then to do both: weights of the loss that follow the step.

The values stand in attavvad_jax/configs/curriculum.py; `attavvad config curriculum` prints them.
"""

from attavvad_jax.configs.curriculum import audio_then_visual_then_joint, get_config

__all__ = ["audio_then_visual_then_joint", "get_config"]
