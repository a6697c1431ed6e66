"""Settings of the machine: where things are kept between runs, and what must be said to XLA before jax is imported."""

import importlib.metadata
import os
from pathlib import Path

# In these releases of jaxlib, XLA sends CPU convolutions to a library that is slow for few channels; with this flag
# they go to Eigen (`python -m tools.benchmark --suite=model` measures the gain). Unknown flags abort the program, so
# other releases are left alone.
_CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"
_CPU_FLAG_RELEASES = ("0.10.",)


def cache_dir() -> Path:
  """Where the face model and compiled programs are kept: `attavvad_jax` in XDG_CACHE_HOME or ~/.cache."""
  return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attavvad_jax"


def is_known_jaxlib() -> bool:
  """Whether flags of XLA can be given to the installed jaxlib: another release may have renamed them, and aborts."""
  return importlib.metadata.version("jaxlib").startswith(_CPU_FLAG_RELEASES)


def prepare_xla() -> None:
  """Chooses the faster convolutions for CPUs and keeps compiled programs, if jax is not imported yet.

  Compiling the networks takes 5 to 20 s on two cores; reading them back, a fraction of a second.
  """
  flags = os.environ.get("XLA_FLAGS", "")
  if is_known_jaxlib() and _CPU_FLAG.split("=")[0] not in flags:
    os.environ["XLA_FLAGS"] = f"{flags} {_CPU_FLAG}".strip()
  os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_dir() / "xla"))
