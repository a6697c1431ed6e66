"""Finds cuts: pictures that show another scene than the one before."""

import cv2
import numpy as np

# Correlation of two pictures' thumbnails below which there was a cut.
_CUT_CORRELATION = 0.5
_THUMBNAIL = (32, 32)


def make_thumbnail(gray: np.ndarray) -> np.ndarray:
  """A picture small enough to compare, uint8 [H,W] -> [h,w]. Every fourth pixel is enough for that."""
  return cv2.resize(np.ascontiguousarray(gray[::4, ::4]), _THUMBNAIL, interpolation=cv2.INTER_AREA)


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
  """Whether two thumbnails, uint8 [h,w], show different scenes: their correlation is low. A change of light is none."""
  a, b = (image - image.mean() for image in (before.astype(np.float64), after.astype(np.float64)))
  flat = (a.std() < 1, b.std() < 1)
  if any(flat):
    return not all(flat)
  return bool((a * b).mean() / (a.std() * b.std()) < _CUT_CORRELATION)
