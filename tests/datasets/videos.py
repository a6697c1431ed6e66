"""Small video files for the builders."""

import numpy as np

from attavvad_jax.media import VideoWriter

SECONDS = 1.0


def write_video(path, seconds=SECONDS):
  """Writes a gray video with noise and without a person."""
  rng = np.random.default_rng(0)
  with VideoWriter(path, 64, 48, 6, 16000) as writer:
    writer.write_samples(np.float32(rng.normal(0, 0.1, round(16000 * seconds))))
    for _ in range(round(6 * seconds)):
      writer.write_frame(np.full((48, 64, 3), 90, np.uint8))
