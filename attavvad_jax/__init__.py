"""Audio-visual voice activity detection in musical videos: who speaks, sings, is silent, or is not the source."""

# No `from __future__ import annotations`: it would hide the subpackage of that name.
import importlib
from typing import TYPE_CHECKING

from attavvad_jax import moved

if TYPE_CHECKING:
  from pathlib import Path
  from types import ModuleType

  from attavvad_jax.inference.detector import Detector

__version__ = "0.1.0"

moved.install()


def load_detector(checkpoint: "str | Path" = "shipped") -> "Detector":
  """A detector to call: `load_detector()("clip.mp4")` is the performer's `Timeline`.

  To be called before jax is imported, where convolutions on the CPU are to be fast.

  Args:
    checkpoint: what training wrote, or "shipped": the weights that come with the package.

  Raises:
    ValueError: there is no such checkpoint, or it is damaged.
  """
  # Late, so that the package alone is imported in no time.
  from attavvad_jax.machine import prepare_xla

  prepare_xla()
  from attavvad_jax.inference.detector import Detector

  return Detector(checkpoint)


def __getattr__(name: str) -> "ModuleType":
  """The package's modules, imported where they are first asked for: `attavvad_jax.annotations.read(…)`."""
  module = f"{__name__}.{name}"
  try:
    if not name.startswith("_"):
      return importlib.import_module(module)
  except ModuleNotFoundError as error:
    if error.name != module:
      raise
  raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
