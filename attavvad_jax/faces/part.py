"""Parts of gray frames, so that waiting frames take little memory.

Axes: h, w frame; r, c rows and columns of a part.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

# Border kept on each side of a face, as a fraction of its box: crops are larger than boxes, and boxes still move.
_BORDER = 1.0


class FramePart(NamedTuple):
  """A rectangle of a gray frame in its place.

  Attributes:
    pixels: uint8 [r,c].
    top: its first row in the frame.
    left: its first column in the frame.
    height: height of the whole frame (h).
    width: width of the whole frame (w).
  """

  pixels: np.ndarray
  top: int
  left: int
  height: int
  width: int

  @classmethod
  def whole(cls, gray: np.ndarray) -> "FramePart":
    """Returns a frame, uint8 [h,w], as a part of itself."""
    return cls(gray, 0, 0, *gray.shape)

  def take(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Returns the pixels of some rows and columns of the frame, beyond its edges those of the edge.

    Rows and columns outside the part, but inside the frame, count as the part's edge.
    """
    rows, columns = rows.clip(0, self.height - 1) - self.top, columns.clip(0, self.width - 1) - self.left
    return self.pixels.take(rows, axis=0, mode="clip").take(columns, axis=1, mode="clip")

  def around(self, boxes: Iterable[np.ndarray]) -> "FramePart":
    """Returns a copy of the smallest part that holds some boxes with their borders; of one pixel without any box.

    The boxes are x, y, width, height as fractions of the frame. The result is this part if it is not much smaller.
    """
    corners = [(*(box[:2] - _BORDER * box[2:]), *(box[:2] + (1 + _BORDER) * box[2:])) for box in boxes]
    if not corners:
      return self._replace(pixels=self.pixels[:1, :1].copy())
    left, top = np.floor(np.min(corners, axis=0)[:2] * (self.width, self.height)).astype(int)
    right, bottom = np.ceil(np.max(corners, axis=0)[2:] * (self.width, self.height)).astype(int)
    rows, columns = self.pixels.shape
    left, right = np.clip((left - self.left, right - self.left), (0, 1), (columns - 1, columns)).tolist()
    top, bottom = np.clip((top - self.top, bottom - self.top), (0, 1), (rows - 1, rows)).tolist()
    if (bottom - top) * (right - left) > 0.75 * self.pixels.size:
      return self
    return self._replace(pixels=self.pixels[top:bottom, left:right].copy(), top=self.top + top, left=self.left + left)
