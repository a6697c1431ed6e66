"""Crops a face, or a part of it, from a frame.

Axes: H, W crop; h, w frame.
"""

import cv2
import numpy as np

from attavvad_jax.blocks import LIP_SHAPE, Crop
from attavvad_jax.faces.lips import FACE_PX, draw_lips, face_mesh, measure_lips
from attavvad_jax.faces.part import FramePart

# Places of parts in the detector's box, which spans forehead to chin: x, y, width, height as fractions of the box.
_PLACES = {"face": (0.0, 0.0, 1.0, 1.0), "mouth": (0.2, 0.52, 0.6, 0.5)}
# The face mesh expects boxes that are 1.5 times as large.
_MESH_CROP = Crop(FACE_PX, FACE_PX, margin=0.25)


def crop_face(gray: np.ndarray | FramePart, box: np.ndarray, crop: Crop) -> np.ndarray:
  """Crops a face, or a part of it, from a gray frame; or draws or measures its lips, as `lips` does.

  The box of the part grows by the margin on each side and then, about its center, to the crop's aspect ratio. Outside
  the frame, its edge is repeated.

  Args:
    gray: gray frame, uint8 [h,w], or the part of it that holds the face.
    box: box of the face, [4]: x, y, width, height as fractions of the frame.
    crop: size, margin and part.

  Returns:
    uint8 [H,W].

  Raises:
    MediaError: the part is the lips, and the model that finds them is not available.
  """
  if crop.part in ("lips", LIP_SHAPE):
    landmarks = face_mesh()(crop_face(gray, box, _MESH_CROP))
    if crop.part == LIP_SHAPE:
      return measure_lips(landmarks)
    return draw_lips(landmarks, crop.height_px, crop.width_px, crop.margin)
  part = gray if isinstance(gray, FramePart) else FramePart.whole(gray)
  height, width = part.height, part.width
  part_x, part_y, part_width, part_height = _PLACES[crop.part]
  box = np.array([*(box[:2] + box[2:] * (part_x, part_y)), *(box[2:] * (part_width, part_height))])
  box_width, box_height = box[2] * width * (1 + 2 * crop.margin), box[3] * height * (1 + 2 * crop.margin)
  aspect = crop.width_px / crop.height_px
  cut_height = max(box_height, box_width / aspect)
  rows = _span((box[1] + box[3] / 2) * height, cut_height)
  columns = _span((box[0] + box[2] / 2) * width, cut_height * aspect)
  return cv2.resize(part.take(rows, columns), (crop.width_px, crop.height_px), interpolation=cv2.INTER_AREA)


def _span(center: float, length: float) -> np.ndarray:
  """Returns the indices of the pixels of a span; at least one."""
  count = max(1, round(length))
  return np.arange(count) + round(center - count / 2)
