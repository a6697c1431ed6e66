"""Settings of all tests: CPU, no network, and quick compilation, since the programs of tests run only briefly."""

import os
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
# Tests share compiled programs, also across workers and runs.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / "xla")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
# Most of the time of a test would go into optimizations; `optimized.py` is for tests that need them.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

from jaxtyping import install_import_hook
import pytest

from attavvad_jax import machine

# Arguments and results of these modules must have the types and shapes that their annotations name.
install_import_hook([f"attavvad_jax.{name}" for name in ("features", "losses", "models")], "shape_checks.check")

machine.prepare_xla()
if machine.is_known_jaxlib():  # other releases may abort on an unknown flag
  os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"


@pytest.fixture(scope="session")
def prepared_path(tmp_path_factory):
  """Returns the folder of a small prepared data set with three splits."""
  from prepared import prepare

  folder = tmp_path_factory.mktemp("prepared")
  return prepare(folder, {"train": 4, "validation": 2, "test": 2})


@pytest.fixture(scope="session")
def prepared(prepared_path):
  from attavvad_jax.datasets.loader import PreparedData

  return PreparedData(prepared_path)


@pytest.fixture(scope="session")
def workdir(tmp_path_factory, prepared_path):
  """Returns the workdir of a run of a few steps."""
  from tiny import tiny_config

  from attavvad_jax.training import loop

  folder = tmp_path_factory.mktemp("run")
  loop.train(tiny_config(prepared_path, num_epochs=1, checkpoint_every_steps=6, log_every_steps=6), folder)
  return folder


@pytest.fixture(scope="session")
def video(tmp_path_factory):
  """Returns a video of 12.2 s without a face: 37 blocks, the last one partly empty, in more than one batch."""
  import numpy as np

  from attavvad_jax.media import VideoWriter

  path = tmp_path_factory.mktemp("video") / "Un Año.mp4"
  rng = np.random.default_rng(0)
  with VideoWriter(path, 96, 64, 25, 16_000) as writer:
    for _ in range(305):
      writer.write_frame(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
    writer.write_samples(np.float32(rng.normal(0, 0.1, int(12.2 * 16_000))))
  return path
