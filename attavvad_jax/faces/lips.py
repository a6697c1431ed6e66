"""Draws a face's lips from landmarks: movement without skin, light, beard, and position and rotation of the head.

Axes: P landmarks of a face, H, W drawing.
"""

import functools
import threading

import cv2
import numpy as np

from attavvad_jax.blocks import NUM_LIP_MEASURES
from attavvad_jax.media.errors import MediaError

# Side of the face mesh's square input.
FACE_PX = 192
NUM_LANDMARKS = 468

# Landmarks of the face mesh, by their numbers in its canonical face: outer corners of the eyes, from left to right in
# the frame; root and base of the nose, which do not move in speech; the lips' outer and inner edges, in order.
EYES = (33, 263)
NOSE_ROOT, NOSE_BASE = 168, 2
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)

# In distances of the eyes' outer corners: width of the drawing without margin, and distance of its center below the
# base of the nose. A mouth at rest is about 0.55 wide.
_WIDTH = 0.7
_BELOW_NOSE = 0.24

LIPS, OPENING = 128, 255
_SUPERSAMPLING = 4

# The measures of the lips' shape, in distances of the eyes' outer corners, with the smallest and largest value that a
# row can hold. Distances are means over pairs of landmarks; positions are those of one landmark from the base of the
# nose, to the right (0) or down (1).
_DISTANCES = (
  # Openings of the lips' inner edges, from the middle to the corners.
  (((13, 14),), 0.0, 0.5),
  (((82, 87), (312, 317)), 0.0, 0.5),
  (((81, 178), (311, 402)), 0.0, 0.42),
  (((80, 88), (310, 318)), 0.0, 0.32),
  (((191, 95), (415, 324)), 0.0, 0.22),
  # Widths of the opening and of the mouth, and height of the mouth.
  (((78, 308),), 0.25, 0.8),
  (((61, 291),), 0.35, 0.9),
  (((0, 17),), 0.05, 0.7),
)
_POSITIONS = (
  # Upper lip, its inner edge, the lower lip's inner edge, lower lip, both corners, chin.
  (0, 1, 0.05, 0.28),
  (13, 1, 0.08, 0.4),
  (14, 1, 0.1, 0.75),
  (17, 1, 0.18, 0.9),
  (61, 1, 0.1, 0.5),
  (291, 1, 0.1, 0.5),
  (152, 1, 0.45, 1.1),
  # Lower lip, sideways.
  (14, 0, -0.12, 0.12),
)


class FaceMesh:
  """mediapipe's face mesh as a function, run by OpenCV; may be called from several threads.

  Raises:
    MediaError: the model cannot be fetched, or OpenCV cannot use it.
  """

  def __init__(self):
    from attavvad_jax.faces import model_files

    path = model_files.resolve(model_files.LANDMARKS)
    try:
      self._net = cv2.dnn.readNetFromTFLite(str(path))
    except cv2.error as error:
      raise MediaError(f"{path}: OpenCV {cv2.__version__} cannot use this model ({error.err})") from error
    self._lock = threading.Lock()

  def __call__(self, face: np.ndarray) -> np.ndarray:
    """Returns the landmarks of a gray face image, uint8 [192,192]: x, y, depth in its pixels, float32 [P,3]."""
    blob = cv2.dnn.blobFromImage(cv2.merge([face] * 3), 1 / 255)
    with self._lock:
      self._net.setInput(blob)
      return self._net.forward().reshape(NUM_LANDMARKS, 3).copy()


@functools.cache
def face_mesh() -> FaceMesh:
  """Returns the face mesh, loaded once per process."""
  return FaceMesh()


def draw_lips(landmarks: np.ndarray, height_px: int, width_px: int, margin: float) -> np.ndarray:
  """Draws gray lips with a white opening on black: seen from the front, upright, in a fixed size.

  A white line surrounds the drawing, so that it always has black and white, and scaling an image by its extremes
  changes nothing.

  Args:
    landmarks: landmarks of `FaceMesh`, [P,3].
    height_px: height of the drawing.
    width_px: width of the drawing.
    margin: extra width on each side, as a fraction of the width without margin.

  Returns:
    uint8 [H,W].
  """
  scale = _SUPERSAMPLING * width_px / (_WIDTH * (1 + 2 * margin))
  middle = _SUPERSAMPLING * np.array([width_px / 2, height_px / 2])
  points = (facing(landmarks) - (0.0, _BELOW_NOSE)) * scale + middle
  canvas = np.zeros((_SUPERSAMPLING * height_px, _SUPERSAMPLING * width_px), np.uint8)
  for edge, value in ((OUTER_LIPS, LIPS), (INNER_LIPS, OPENING)):
    cv2.fillPoly(canvas, [np.rint(points[list(edge)]).astype(np.int32)], value)
  drawing = cv2.resize(canvas, (width_px, height_px), interpolation=cv2.INTER_AREA)
  return cv2.rectangle(drawing, (0, 0), (width_px - 1, height_px - 1), 255)


def measure_lips(landmarks: np.ndarray) -> np.ndarray:
  """Measures the shape of the lips, seen from the front and upright: openings, widths, and positions below the nose.

  The row begins with 0 and ends with 255, so that scaling an image by its extremes changes nothing.

  Args:
    landmarks: landmarks of `FaceMesh`, [P,3].

  Returns:
    uint8 [1,`NUM_LIP_MEASURES`].
  """
  points = facing(landmarks)
  values = [np.mean([np.linalg.norm(points[a] - points[b]) for a, b in pairs]) for pairs, *_ in _DISTANCES]
  values += [points[landmark, axis] for landmark, axis, *_ in _POSITIONS]
  low, high = np.array([limits[-2:] for limits in (*_DISTANCES, *_POSITIONS)], np.float64).T
  levels = np.clip(np.rint(255 * (np.array(values) - low) / (high - low)), 0, 255)
  row = np.concatenate([[0], levels, [255]]).astype(np.uint8)[None]
  assert row.shape == (1, NUM_LIP_MEASURES)
  return row


def facing(landmarks: np.ndarray) -> np.ndarray:
  """Projects landmarks to the front view of an upright head: right and down from the base of the nose. [P,3] -> [P,2].

  The unit is the distance of the eyes' outer corners.
  """
  left, right, root, base = (landmarks[index].astype(np.float64) for index in (*EYES, NOSE_ROOT, NOSE_BASE))
  distance = max(float(np.linalg.norm(right - left)), 1e-6)
  across = (right - left) / distance
  down = base - root
  down -= (down @ across) * across
  down /= max(float(np.linalg.norm(down)), 1e-6)
  return (landmarks - base) @ np.stack([across, down], axis=1) / distance
