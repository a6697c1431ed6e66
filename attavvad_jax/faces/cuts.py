"""Finds cuts: frames that show another scene than the previous frame."""

import cv2
import numpy as np

# Correlation of two frames' thumbnails below which a cut lies between them.
_CUT_CORRELATION = 0.5
_THUMBNAIL = (32, 32)


def make_thumbnail(gray: np.ndarray) -> np.ndarray:
  """Shrinks a frame for comparison, uint8 [H,W] -> [h,w]. It uses every fourth pixel, which is precise enough."""
  return cv2.resize(np.ascontiguousarray(gray[::4, ::4]), _THUMBNAIL, interpolation=cv2.INTER_AREA)


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
  """Whether two thumbnails, uint8 [h,w], show different scenes: their correlation is low. Light may change freely."""
  a, b = (image - image.mean() for image in (before.astype(np.float64), after.astype(np.float64)))
  flat = (a.std() < 1, b.std() < 1)
  if any(flat):
    return not all(flat)
  return bool((a * b).mean() / (a.std() * b.std()) < _CUT_CORRELATION)
