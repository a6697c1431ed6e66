"""Audio-visual voice activity detection in musical videos: who speaks, sings, is silent, or is not the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from pathlib import Path

  from attavvad_jax.detection.detector import Detector

__version__ = "0.1.0"


def load_detector(checkpoint: str | Path = "shipped") -> Detector:
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
  from attavvad_jax.detection.detector import Detector

  return Detector(checkpoint)
