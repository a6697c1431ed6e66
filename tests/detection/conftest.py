import numpy as np
import pytest
from tiny import tiny_config

from attavvad_jax.media import VideoWriter
from attavvad_jax.training import loop


@pytest.fixture(scope="session")
def workdir(tmp_path_factory, prepared_path):
  """A run of a few steps."""
  folder = tmp_path_factory.mktemp("run")
  loop.train(tiny_config(prepared_path, num_epochs=1, checkpoint_every_steps=6, log_every_steps=6), folder)
  return folder


@pytest.fixture(scope="session")
def video(tmp_path_factory):
  """Twelve seconds, 37 blocks with the last one partly empty: more than one batch, and no face in it."""
  path = tmp_path_factory.mktemp("video") / "Un Año.mp4"
  rng = np.random.default_rng(0)
  with VideoWriter(path, 96, 64, 25, 16_000) as writer:
    for _ in range(305):
      writer.write_frame(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
    writer.write_samples(np.float32(rng.normal(0, 0.1, int(12.2 * 16_000))))
  return path
