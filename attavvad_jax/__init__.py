"""Audio-visual voice activity detection in musical videos: who speaks, sings, is silent, or is not the source."""

# No `from __future__ import annotations`: it would hide the subpackage of that name.
import importlib
from typing import TYPE_CHECKING, Any

from attavvad_jax import moved

if TYPE_CHECKING:
  from collections.abc import Mapping
  from pathlib import Path
  from types import ModuleType

  from attavvad_jax.inference.detector import Detector

__version__ = "0.1.0"

moved.install()


def load_detector(checkpoint: "str | Path" = "shipped", smoothing: "Mapping[str, Any] | None" = None) -> "Detector":
  """Returns a callable detector: `load_detector()("clip.mp4")` returns the performer's `Timeline`.

  Call it before importing jax if convolutions on the CPU are to be fast.

  Args:
    checkpoint: a run or checkpoint that training wrote, or "shipped" for the weights that come with the package.
    smoothing: fields of `Smoothing` that replace those of the checkpoint, such as {"min_duration_s": 1.0}.

  Raises:
    ValueError: the checkpoint does not exist or is damaged, or a field of the smoothing is unknown or out of range.
  """
  # Imported late, so that importing the package stays fast.
  from attavvad_jax.machine import prepare_xla

  prepare_xla()
  from attavvad_jax.inference.detector import Detector

  return Detector(checkpoint, smoothing)


def __getattr__(name: str) -> "ModuleType":
  """Imports a module of the package on first access: `attavvad_jax.annotations.read(…)`."""
  module = f"{__name__}.{name}"
  try:
    if not name.startswith("_"):
      return importlib.import_module(module)
  except ModuleNotFoundError as error:
    if error.name != module:
      raise
  raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
