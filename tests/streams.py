"""A detector without training, and streams of drawn sound and pictures."""

import functools

from flax import linen as nn
import jax.numpy as jnp
import numpy as np

from attavvad_jax.blocks import Crop, DataSpec
from attavvad_jax.inference.detector import Detector
from attavvad_jax.media import Frame, TimedFrame, VideoWriter
from attavvad_jax.models import Outputs
from attavvad_jax.timeline import Clock, Smoothing

BOX = (0.25, 0.25, 0.5, 0.5)
RATE = 25


class Levels(nn.Module):
  """Logits of loudness and contrast: quick to compile, and different in every block."""

  @nn.compact
  def __call__(self, log_mel, images, image_mask, *, train):
    gain = self.param("gain", lambda key: jnp.asarray(8.0))
    loud = gain * (log_mel.mean((1, 2)) - 0.2)
    contrast = gain * 3 * (images.std((1, 2, 3)) - 0.25)
    logits = jnp.stack([-loud, loud + contrast, loud - contrast, 0.3 * contrast], axis=1)
    return Outputs(
      audio_logits=logits,
      visual_logit=contrast,
      audio_visual_logits=logits,
      audio_embeddings=None,
      visual_embedding=None,
      attention=None,
      fused_embeddings=None,
    )


class LevelDetector(Detector):
  """As if its checkpoint had been read."""

  model = Levels()
  variables = None
  digest = "0" * 64  # as of a checkpoint

  def __init__(self, checkpoint=None, smoothing=None):
    self.name = str(checkpoint)
    self.variables = {"params": {"gain": jnp.asarray(8.0)}}
    self.spec = DataSpec(Clock(), Crop(16, 16))
    self.smoothing = smoothing or Smoothing()

  @property
  def predict(self):
    return _compiled()


@functools.cache
def _compiled():
  """Once for all, as all are the same."""
  return Detector.predict.func(LevelDetector())


def drawn_sound(duration_s, seed=0):
  """Noise whose level changes from time to time, int16."""
  rng = np.random.default_rng(seed)
  count = round(duration_s * 16_000)
  levels = np.repeat(10 ** rng.uniform(-3.5, -0.5, count // 9000 + 1), 9000)[:count]
  return np.int16(32767 * np.clip(levels * rng.normal(0, 1, count), -1, 1))


def drawn_images(duration_s, seed=0):
  """Pictures uint8 [32,48,3] whose contrast changes, at 25 a second."""
  rng = np.random.default_rng(seed)
  ramp = np.linspace(-1, 1, 48)[None, :, None] ** 3 * np.ones((32, 1, 3))
  count = round(duration_s * RATE)
  bends = np.repeat(rng.uniform(0.2, 4.0, count // 15 + 1), 15)[:count]
  return [np.uint8(127 + 100 * np.sign(ramp) * np.abs(ramp) ** bend) for bend in bends]


def write_drawn(path, duration_s):
  """The same as a video file."""
  with VideoWriter(path, 48, 32, RATE, 16_000) as writer:
    for image in drawn_images(duration_s):
      writer.write_frame(image)
    writer.write_samples(drawn_sound(duration_s))
  return path


def drawn_frames(duration_s, seed=0):
  return [TimedFrame(i / RATE, Frame.from_rgb(rgb)) for i, rgb in enumerate(drawn_images(duration_s, seed))]
