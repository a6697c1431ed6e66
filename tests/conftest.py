"""Settings of every test: CPU, no network, and programs that are compiled quickly, since they run for moments."""

import os
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
# Programs compiled by one test are read back by the next, also across workers and runs.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / "xla")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
# A training step of a tiny network compiles in a sixth of the time; `optimized.py` is for what rests on the rest.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

import pytest

from attavvad_jax import machine

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
