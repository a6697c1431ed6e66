"""The training of the shipped weights: drawn lips of 32 x 48, simulated performances of the preset `varied`.

  attavvad prepare --config=detector --dataset=simulated --preset=varied --train-minutes=120 \
      --validation-minutes=15 --test-minutes=30 --output=data --workers=2
  attavvad train --config=detector --config.data=data --workdir=runs/detector

To fine-tune the shipped weights on your own labeled videos, keep the label map and the clock. Omit the last option if
the labels include those of any voice:

  attavvad prepare --config=detector --input=my_videos --output=my_data
  attavvad train --config=detector --config.data=my_data --workdir=runs/mine \
      --config.transfer.checkpoint=shipped --config.learning_rate=1e-4 --config.num_epochs=5 \
      --config.audio_targets=performer
"""

import ml_collections

from attavvad_jax.configs import att_avvad


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad.get_config()
  config.crop = dict(height_px=32, width_px=48, margin=0.1, part="lips")
  # One second of mouth images, and the differences between them.
  config.clock.images_before = 6
  config.model.filters = 16
  config.model.motion = True
  # The audio branch cannot identify the speaker, so it learns any voice; fusion finds the performer's.
  config.audio_targets = "any_voice"
  # Scores of single blocks are noisy: the HMM weighs them against the durations of events.
  config.smoothing = dict(mean_blocks=1, min_duration_s=0.0, decoder="hmm", evidence=0.7, lag_s=3.0)
  config.batch_size = 32
  config.num_epochs = 8
  config.learning_rate_decay_epochs = 8.0
  config.checkpoint_every_epochs = 1.0
  # Audio swaps add blocks in which another person's voice accompanies a silent performer, which are rare otherwise.
  # Tilt and masks hide differences between synthetic and real voices.
  config.augmentation.update(
    gain_db=15.0,
    swap_audio_probability=0.5,
    tilt_db=24.0,
    mask_frames=4,
    mask_bands=12,
    mix_probability=0.3,
    shift_fraction=0.05,
    turn_degrees=8.0,
    zoom_fraction=0.15,
    flip_probability=0.5,
  )
  return config
