"""Settings of the machine: the cache folder, and options of XLA that must be set before jax is imported."""

import importlib.metadata
import os
from pathlib import Path

# In these releases of jaxlib, XLA sends CPU convolutions to a library that is slow for few channels; with this flag
# they go to Eigen (`python -m tools.benchmark --suite=model` measures the gain). Unknown flags abort the program, so
# other releases run without it.
_CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"
_CPU_FLAG_RELEASES = ("0.10.",)


def cache_dir() -> Path:
  """Returns the folder of the face model and compiled programs: `attavvad_jax` in XDG_CACHE_HOME or ~/.cache."""
  return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attavvad_jax"


def is_known_jaxlib() -> bool:
  """Returns whether the installed jaxlib has known XLA flags; other releases may have renamed them and would abort."""
  return importlib.metadata.version("jaxlib").startswith(_CPU_FLAG_RELEASES)


def prepare_xla() -> None:
  """Selects the faster CPU convolutions and caches compiled programs; effective only before jax is imported.

  Compiling a network takes many seconds, reading it from the cache a fraction of one.
  """
  flags = os.environ.get("XLA_FLAGS", "")
  if is_known_jaxlib() and _CPU_FLAG.split("=")[0] not in flags:
    os.environ["XLA_FLAGS"] = f"{flags} {_CPU_FLAG}".strip()
  os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_dir() / "xla"))
