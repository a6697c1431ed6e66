"""The shipped small configuration, reduced to a size that tests can train."""

from prepared import SPEC

from attavvad_jax.configs import att_avvad_small

# One convolutional layer per branch, since compilation takes most of the time of a test.
SHALLOW = dict(
  audio_kernel_sizes=((3, 7),),
  visual_kernel_sizes=((5, 13),),
  visual_strided_kernel_sizes=((5, 5),),
  visual_strides=((3, 3),),
)


def tiny_config(data, **changes):
  """Returns `att_avvad_small` with few filters and one layer per branch, for the data set of `prepared.py`."""
  config = att_avvad_small.get_config()
  config.data = str(data)
  config.crop.height_px = SPEC.crop.height_px
  config.crop.width_px = SPEC.crop.width_px
  config.crop.margin = SPEC.crop.margin
  config.model.update(dict(filters=4, embedding_dim=8, gru_units=4, **SHALLOW))
  config.update(dict(batch_size=16, num_epochs=2, checkpoint_every_steps=5, log_every_steps=2))
  config.update(changes)
  return config
