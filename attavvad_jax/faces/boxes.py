"""Measures face boxes: overlap, distance, and prominence in the frame.

A box is x, y, width, height as fractions of the displayed frame.
"""

import math

import numpy as np

# Largest size ratio of two boxes of one head.
_MAX_GROWTH = 1.6
# Boxes with at least this overlap show the same face.
SAME_FACE_IOU = 0.5


def iou(a: np.ndarray, b: np.ndarray) -> float:
  """Returns the overlap of two boxes divided by their union."""
  width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
  height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
  if width <= 0 or height <= 0:
    return 0.0
  return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def prominence(box: np.ndarray) -> float:
  """Returns the size of a face times its nearness to the center of the frame."""
  from_center = math.hypot(box[0] + box[2] / 2 - 0.5, box[1] + box[3] / 2 - 0.5)
  return math.sqrt(box[2] * box[3]) * math.exp(-((from_center / 0.5) ** 2))


def jump(a: np.ndarray, b: np.ndarray) -> float:
  """Returns the distance of two boxes' centers in box sizes; infinite if the sizes do not fit one head."""
  growth = math.sqrt(a[2] * a[3] / (b[2] * b[3]))
  if not 1 / _MAX_GROWTH <= growth <= _MAX_GROWTH:
    return math.inf
  dx, dy = a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2
  return math.hypot(2 * dx / (a[2] + b[2]), 2 * dy / (a[3] + b[3]))
