"""The weights that ship with the package: mouths of 48 x 64 on simulated performances of the preset `varied`.

  python -m launch.prepare --config=configs/detector.py --dataset=simulated --preset=varied --train_minutes=120 \
      --validation_minutes=15 --test_minutes=30 --output=data --workers=2
  python -m launch.train --config=configs/detector.py --config.data=data --workdir=runs/detector

On labelled videos of one's own, from where they are (the label map and the clock stay as they are; without the last
option, where there are labels of any voice):

  python -m launch.prepare --config=configs/detector.py --input=my_videos --output=my_data
  python -m launch.train --config=configs/detector.py --config.data=my_data --workdir=runs/mine \
      --config.transfer.checkpoint=shipped --config.learning_rate=1e-4 --config.num_epochs=5 \
      --config.audio_targets=performer
"""

import ml_collections

from configs import att_avvad


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad.get_config()
  config.crop = dict(height_px=48, width_px=64, margin=0.1, part="mouth")
  config.model.filters = 16
  # Fusion has to tell whose voice it is; the audio branch, which cannot, learns what a voice sounds like.
  config.audio_targets = "any_voice"
  config.num_epochs = 10
  config.learning_rate_decay_epochs = 10.0
  config.checkpoint_every_steps = 300
  # Beside those that were rendered, real mouths lie further from the middle of the box; they are smaller, tilted and
  # paler, and something else in the picture is brighter and darker than they are.
  # Synthetic voices sound like none that are real: what is common to both is left where sound is tilted and masked.
  config.augmentation.update(
    gain_db=15.0,
    tilt_db=24.0,
    mask_frames=4,
    mask_bands=12,
    mix_probability=0.3,
    brightness_fraction=0.3,
    contrast_fraction=0.6,
    shift_fraction=0.15,
    turn_degrees=20.0,
    zoom_fraction=0.35,
    erase_fraction=0.5,
    flip_probability=0.5,
  )
  return config
