"""Settings of every test: CPU, no network, and programs that are compiled quickly, since they run for moments."""

import os
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
# Programs compiled by one test are read back by the next, also across workers and runs.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / "xla")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
# A training step of a tiny network compiles in a sixth of the time; `optimized.py` is for what rests on the rest.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

from jaxtyping import install_import_hook
import pytest

from attavvad_jax import machine

# Arguments and results of these modules must have the types and shapes that their annotations name.
install_import_hook([f"attavvad_jax.{name}" for name in ("features", "losses", "models")], "shape_checks.check")

machine.prepare_xla()
if machine.is_known_jaxlib():  # others may not know the flag, and would abort
  os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"


@pytest.fixture(scope="session")
def prepared_path(tmp_path_factory):
  """Folder of a small prepared data set with three splits."""
  from prepared import prepare

  folder = tmp_path_factory.mktemp("prepared")
  return prepare(folder, {"train": 4, "validation": 2, "test": 2})


@pytest.fixture(scope="session")
def prepared(prepared_path):
  from attavvad_jax.datasets.loader import PreparedData

  return PreparedData(prepared_path)


@pytest.fixture(scope="session")
def workdir(tmp_path_factory, prepared_path):
  """A run of a few steps."""
  from tiny import tiny_config

  from attavvad_jax.training import loop

  folder = tmp_path_factory.mktemp("run")
  loop.train(tiny_config(prepared_path, num_epochs=1, checkpoint_every_steps=6, log_every_steps=6), folder)
  return folder


@pytest.fixture(scope="session")
def video(tmp_path_factory):
  """Twelve seconds, 37 blocks with the last one partly empty: more than one batch, and no face in it."""
  import numpy as np

  from attavvad_jax.media import VideoWriter

  path = tmp_path_factory.mktemp("video") / "Un Año.mp4"
  rng = np.random.default_rng(0)
  with VideoWriter(path, 96, 64, 25, 16_000) as writer:
    for _ in range(305):
      writer.write_frame(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
    writer.write_samples(np.float32(rng.normal(0, 0.1, int(12.2 * 16_000))))
  return path
