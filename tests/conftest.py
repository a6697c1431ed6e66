"""Settings of every test: CPU, no network, and the same settings of XLA as the commands have."""

import os
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
# Programs compiled by one test are read back by the next, also across workers and runs.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / "xla")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"

import pytest

from attavvad_jax.machine import prepare_xla

prepare_xla()


@pytest.fixture(scope="session")
def prepared_path(tmp_path_factory):
  """Folder of a small prepared data set with three splits."""
  from prepared import prepare

  folder = tmp_path_factory.mktemp("prepared")
  return prepare(folder, {"train": 4, "validation": 2, "test": 2})


@pytest.fixture(scope="module")
def compiled_quickly():
  """Leaves out most of XLA's optimizations: where networks are tiny, compiling them is nearly all that training takes."""
  import jax  # here, since XLA's settings come before it

  before = jax.config.values["jax_disable_most_optimizations"]
  jax.config.update("jax_disable_most_optimizations", True)
  yield
  jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="session")
def prepared(prepared_path):
  from attavvad_jax.datasets.loader import PreparedData

  return PreparedData(prepared_path)
