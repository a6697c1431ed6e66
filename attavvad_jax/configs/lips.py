"""Measures of the lips at 24 images a second and a second of sound before each block, in place of drawings of the lips.

  python -m tools.get_sounds --output=sounds
  attavvad prepare --config=lips --dataset=simulated --preset=recorded --sounds=sounds --train-minutes=120 \
      --validation-minutes=15 --test-minutes=15 --output=data --workers=2
  attavvad train --config=lips --config.data=data --workdir=runs/lips

Results on real clips are in docs/decisions/16-lip-movement.md.
"""

import ml_collections

from attavvad_jax.blocks import LIP_SHAPE, NUM_LIP_MEASURES
from attavvad_jax.configs import detector


def get_config() -> ml_collections.ConfigDict:
  config = detector.get_config()
  # Syllables move the lips at 2 to 8 Hz: 24 measures a second, of the block and the 1.2 s before it.
  config.crop = dict(height_px=1, width_px=NUM_LIP_MEASURES, margin=0.0, part=LIP_SHAPE)
  config.clock.images_per_block = 8
  config.clock.images_before = 28
  config.model.visual = "lips"
  config.model.motion = None
  # Speech and singing differ over a second of audio; strides over time keep its cost.
  config.clock.frames_before = 45
  config.model.audio_strides = ((2, 2), (2, 2), (1, 2), (1, 2))
  config.num_epochs = 6
  config.learning_rate_decay_epochs = 6.0
  # Other faces have other proportions. What changes pictures has no meaning for measures.
  config.augmentation.update(
    mask_frames=12,
    shift_fraction=0.0,
    turn_degrees=0.0,
    zoom_fraction=0.0,
    flip_probability=0.0,
    movement_fraction=0.5,
    offset_fraction=0.03,
    noise_fraction=0.02,
    slow_video_probability=0.2,
  )
  return config
