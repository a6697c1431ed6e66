"""ATT-AVVAD in the paper's configuration: face images of 450 x 300, 15 x 64 log-mel, 3 blocks a second.

  attavvad prepare --config=att_avvad --input=VIDEOS --output=data/mine
  attavvad train --config=att_avvad --config.data=data/mine --workdir=runs/att_avvad

Where run: not run yet on the paper's data, which is private. Score: not measured.
"""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.seed = 1024
  # Folder of the prepared data set.
  config.data = config_dict.placeholder(str)
  config.clock = dict(sample_rate_hz=16_000, block_rate_hz=3.0, images_per_block=3, window_ms=44.0, images_before=0)
  # Size of the image, how much of the box's height and width is added around it, and of what: "face" or "mouth".
  config.crop = dict(height_px=450, width_px=300, margin=0.3, part="face")
  # A name of attavvad_jax.models.MODELS, and fields of that model; None leaves a field as the model has it.
  config.model = dict(
    name="att_avvad",
    dropout_rate=0.2,
    dtype="float32",
    filters=config_dict.placeholder(int),
    motion=config_dict.placeholder(bool),
    fusion=config_dict.placeholder(str),
  )
  config.batch_size = 64
  config.num_epochs = 100
  config.learning_rate = 1e-3
  # Epochs in which the learning rate falls to 0 along a half cosine wave; 0 keeps it, as in the paper.
  config.learning_rate_decay_epochs = 0.0
  # Eq. 2's lambda_1..4, lambda_5 and lambda_6..9 as Table 1 writes them, audio/visual/audio-visual; or "uncertainty",
  # "dynamic_average", "grad_norm", or "package.module:function" that gives a function of attavvad_jax.loss_weights.
  config.loss_weights = "1/1/1"
  # Whose voice the audio branch learns to tell: that of the "performer" (Section 2.1) or of "any_voice", where the data
  # set has labels of both.
  config.audio_targets = "performer"
  # A run, or a checkpoint, of which all parameters that fit are loaded at the start; and paths of parameters that
  # training leaves alone, such as "audio/block_0".
  config.transfer = dict(checkpoint=config_dict.placeholder(str), freeze=())
  # Fields of attavvad_jax.features.augmentation.Augmentation; 0 is off. The paper has none.
  config.augmentation = dict(
    gain_db=0.0,
    dub_probability=0.0,
    mix_probability=0.0,
    mix_min_snr_db=0.0,
    mix_max_snr_db=20.0,
    tilt_db=0.0,
    mask_frames=0,
    mask_bands=0,
    brightness_fraction=0.0,
    contrast_fraction=0.0,
    shift_fraction=0.0,
    turn_degrees=0.0,
    zoom_fraction=0.0,
    erase_fraction=0.0,
    flip_probability=0.0,
    drop_images_probability=0.0,
    drop_sound_probability=0.0,
  )
  # Where memory is short: the batch is taken in so many equal parts, one after another (batch statistics are of one
  # part); and only what leaves blocks of convolutions is kept for the backward pass. Each costs up to a third of time.
  config.num_microbatches = 1
  config.remat = False
  # Validation and a checkpoint come together: after so many epochs (of short epochs as many as have 20 steps, but five
  # times a run at least), or after so many steps where that is set.
  config.checkpoint_every_epochs = 0.5
  config.checkpoint_every_steps = config_dict.placeholder(int)
  config.log_every_steps = 20
  # How block scores become a timeline.
  config.smoothing = dict(mean_blocks=3, min_duration_s=0.5)
  return config
