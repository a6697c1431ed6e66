"""An untrained detector, and streams of synthetic audio and video."""

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
  """Computes logits from loudness and contrast: quick to compile, and different in every block."""

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
  """A detector with `Levels` in place of a checkpoint."""

  model = Levels()
  variables = None
  digest = "0" * 64  # as long as a checkpoint's

  def __init__(self, checkpoint=None, smoothing=None):
    self.name = str(checkpoint)
    self.variables = {"params": {"gain": jnp.asarray(8.0)}}
    self.spec = DataSpec(Clock(), Crop(16, 16))
    self.smoothing = Smoothing(**(smoothing or {}))

  @property
  def predict(self):
    return _compiled()


@functools.cache
def _compiled():
  """Compiles the model once, as all detectors are the same."""
  return Detector.predict.func(LevelDetector())


def drawn_audio(duration_s, seed=0):
  """Returns noise whose level changes at intervals, int16 [n]."""
  rng = np.random.default_rng(seed)
  count = round(duration_s * 16_000)
  levels = np.repeat(10 ** rng.uniform(-3.5, -0.5, count // 9000 + 1), 9000)[:count]
  return np.int16(32767 * np.clip(levels * rng.normal(0, 1, count), -1, 1))


def drawn_images(duration_s, seed=0):
  """Returns frames uint8 [32,48,3] whose contrast changes, at 25 frames per second."""
  rng = np.random.default_rng(seed)
  ramp = np.linspace(-1, 1, 48)[None, :, None] ** 3 * np.ones((32, 1, 3))
  count = round(duration_s * RATE)
  bends = np.repeat(rng.uniform(0.2, 4.0, count // 15 + 1), 15)[:count]
  return [np.uint8(127 + 100 * np.sign(ramp) * np.abs(ramp) ** bend) for bend in bends]


def write_drawn(path, duration_s):
  """Writes the frames and the audio to a video file."""
  with VideoWriter(path, 48, 32, RATE, 16_000) as writer:
    for image in drawn_images(duration_s):
      writer.write_frame(image)
    writer.write_samples(drawn_audio(duration_s))
  return path


def drawn_frames(duration_s, seed=0):
  return [TimedFrame(i / RATE, Frame.from_rgb(rgb)) for i, rgb in enumerate(drawn_images(duration_s, seed))]
