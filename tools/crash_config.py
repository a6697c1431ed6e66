"""The smallest network, which `python -m tools.crash_test` trains."""

import ml_collections

from attavvad_jax.configs import att_avvad_small


def get_config() -> ml_collections.ConfigDict:
  config = att_avvad_small.get_config()
  config.crop.update(dict(height_px=32, width_px=32))
  config.model.update(
    dict(
      filters=4,
      embedding_dim=8,
      gru_units=4,
      audio_kernel_sizes=((3, 7),),
      visual_kernel_sizes=((5, 13),),
      visual_strided_kernel_sizes=((5, 5),),
      visual_strides=((3, 3),),
    )
  )
  # Adaptive weights have a state, which a crash must not lose.
  config.loss_weights = "dynamic_average"
  config.batch_size = 16
  config.num_epochs = 4
  # Checkpoints this frequent take half of the time, so that signals often arrive while one is written.
  config.checkpoint_every_steps = 4
  config.log_every_steps = 2
  return config
