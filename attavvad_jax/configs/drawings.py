"""Drawings of the lips in place of measures: the input of the weights that shipped before `detector` had measures.

  attavvad prepare --config=drawings --dataset=simulated --preset=varied --train-minutes=120 \
      --validation-minutes=15 --test-minutes=30 --output=data --workers=2
  attavvad train --config=drawings --config.data=data --workdir=runs/drawings

docs/decisions/16-lip-movement.md compares both on real clips.
"""

import ml_collections

from attavvad_jax.configs import detector


def get_config() -> ml_collections.ConfigDict:
  config = detector.get_config()
  config.crop = dict(height_px=32, width_px=48, margin=0.1, part="lips")
  # One second of images, and the differences between them.
  config.clock.images_per_block = 3
  config.clock.images_before = 6
  config.model.visual = None
  config.model.motion = True
  config.clock.frames_before = 0
  config.model.audio_strides = None
  config.num_epochs = 8
  config.learning_rate_decay_epochs = 8.0
  config.augmentation.update(
    mask_frames=4,
    shift_fraction=0.05,
    turn_degrees=8.0,
    zoom_fraction=0.15,
    flip_probability=0.5,
    movement_fraction=0.0,
    offset_fraction=0.0,
    noise_fraction=0.0,
    slow_video_probability=0.0,
  )
  return config
