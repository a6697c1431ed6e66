"""The training of the shipped weights: lips measured 24 times a second, and a second of audio before each block.

Three runs, with the seeds 1, 2 and 3, are joined:

  python -m tools.get_sounds --output=sounds
  attavvad prepare --config=detector --dataset=simulated --preset=recorded --sounds=sounds --train-minutes=120 \
      --validation-minutes=15 --test-minutes=20 --output=data --workers=2
  attavvad train --config=detector --config.data=data --config.seed=1 --workdir=runs/1
  python -m tools.join --checkpoint=runs/1/checkpoints/last,runs/2/checkpoints/last,runs/3/checkpoints/last \
      --output=runs/joined

To fine-tune the shipped weights on your own labeled videos, keep the label map and the clock. Omit the last option if
the labels include those of any voice:

  attavvad prepare --config=detector --input=my_videos --output=my_data
  attavvad train --config=detector --config.data=my_data --workdir=runs/mine \
      --config.model.members=3 --config.transfer.checkpoint=shipped --config.learning_rate=1e-4 \
      --config.num_epochs=5 --config.audio_targets=performer

Results on real clips are in the model card and in docs/decisions/16-lip-movement.md.
"""

import ml_collections

from attavvad_jax.blocks import LIP_SHAPE, NUM_LIP_MEASURES
from attavvad_jax.configs import att_avvad


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad.get_config()
  # Syllables move the lips at 2 to 8 Hz: 24 measures a second, of the block and the 1.2 s before it.
  config.crop = dict(height_px=1, width_px=NUM_LIP_MEASURES, margin=0.0, part=LIP_SHAPE)
  config.clock.images_per_block = 8
  config.clock.images_before = 28
  config.model.visual = "lips"
  # Speech and singing differ over a second of audio; strides over time keep its cost.
  config.clock.frames_before = 45
  config.model.audio_strides = ((2, 2), (2, 2), (1, 2), (1, 2))
  config.model.filters = 16
  # The audio branch cannot identify the speaker, so it learns any voice; fusion finds the performer's.
  config.audio_targets = "any_voice"
  # Scores of single blocks are noisy: the HMM weighs them against the durations of events.
  config.smoothing = dict(mean_blocks=1, min_duration_s=0.0, decoder="hmm", evidence=0.7, lag_s=3.0)
  config.batch_size = 32
  config.num_epochs = 6
  config.learning_rate_decay_epochs = 6.0
  config.checkpoint_every_epochs = 1.0
  # Audio swaps add blocks in which another person's voice accompanies a silent performer, which are rare otherwise.
  # Tilt and masks hide differences between synthetic and real voices. Faces have other proportions than simulated ones.
  config.augmentation.update(
    gain_db=15.0,
    swap_audio_probability=0.5,
    tilt_db=24.0,
    mask_frames=12,
    mask_bands=12,
    mix_probability=0.3,
    movement_fraction=0.5,
    offset_fraction=0.03,
    noise_fraction=0.02,
    slow_video_probability=0.2,
  )
  return config
