"""Detects the faces in a frame with mediapipe.

Boxes are x, y, width, height as fractions of the displayed frame. Axes: K faces of one frame, H, W frame.
"""

from collections.abc import Callable, Iterator
import contextlib
import math
import os
import tempfile
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from attavvad_jax.faces import model_files
from attavvad_jax.faces.boxes import iou
from attavvad_jax.media import MediaError

# RGB uint8 [H,W,3] -> float [K,5]: box and score of each face.
Detect = Callable[[np.ndarray], np.ndarray]

SYSTEM_LIBRARIES = "libgl1 libegl1 libgles2 libglib2.0-0"


class FaceDetector:
  """mediapipe's face detector as a function; use it in a `with` statement.

  If the whole frame shows no face, overlapping square tiles are searched, which finds faces down to 30 px.

  Args:
    model_path: path of the model file; if None, `model_files.resolve` finds it.
    threshold: smallest score of a face.

  Raises:
    MediaError: the model cannot be fetched, or mediapipe lacks system libraries.
  """

  def __init__(self, model_path: str | os.PathLike[str] | None = None, threshold: float = 0.6):
    self._model_path = model_path
    self._threshold = threshold
    self._detector: Any = None

  def __enter__(self) -> Self:
    path = model_files.resolve(model_files.DETECTOR, self._model_path)
    with _silent_stderr() as printed:
      try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceDetectorOptions(
          base_options=BaseOptions(model_asset_path=str(path)), min_detection_confidence=self._threshold
        )
        self._image, self._format = mediapipe.Image, mediapipe.ImageFormat.SRGB
        self._detector = vision.FaceDetector.create_from_options(options)
        # mediapipe prints one line per process on the first badly aligned image. Provoking it here keeps it hidden.
        for side in (64, 192, 480, 720) * 5:
          self._detect_whole(np.zeros((side, side, 3), np.uint8))
          printed.seek(0)
          if b"not aligned" in printed.read():
            break
      except (ImportError, OSError) as error:
        raise MediaError(
          f"mediapipe cannot start ({error}); on Debian and Ubuntu: apt-get install {SYSTEM_LIBRARIES}"
        ) from error
      except (ValueError, RuntimeError) as error:
        raise MediaError(f"{path}: mediapipe cannot use this face model ({str(error).splitlines()[0]})") from error
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
  ) -> None:
    with _silent_stderr():
      self._detector.close()

  def __call__(self, rgb: np.ndarray) -> np.ndarray:
    """Detects the faces in a frame, uint8 RGB [H,W,3] -> float64 [K,5]: x, y, width, height, score."""
    faces = self._detect_whole(rgb)
    if len(faces):
      return faces
    height, width = rgb.shape[:2]
    tile_faces = []
    for x, y, side in _tiles(width, height):
      faces = self._detect_whole(np.ascontiguousarray(rgb[y : y + side, x : x + side]))
      scale = np.array([side / width, side / height, side / width, side / height, 1.0])
      tile_faces.append(faces * scale + np.array([x / width, y / height, 0.0, 0.0, 0.0]))
    return _without_duplicates(np.concatenate(tile_faces))

  def _detect_whole(self, rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    detections = self._detector.detect(self._image(image_format=self._format, data=rgb)).detections
    rows = [
      (box.origin_x / width, box.origin_y / height, box.width / width, box.height / height, face.categories[0].score)
      for face in detections
      for box in [face.bounding_box]
    ]
    return np.array(rows, np.float64).reshape(-1, 5)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[IO[bytes]]:
  """Redirects what native libraries print on standard error to the yielded file."""
  saved = os.dup(2)
  try:
    with tempfile.TemporaryFile() as printed:
      os.dup2(printed.fileno(), 2)
      yield printed
  finally:
    os.dup2(saved, 2)
    os.close(saved)


def _tiles(width: int, height: int) -> list[tuple[int, int, int]]:
  """Returns x, y, side of overlapping squares: three or more along a wide or tall frame, four in a nearly square one.

  Every square of a fifth of the frame's shorter side, anywhere in the frame, lies completely in one of them.
  """
  short, long = min(width, height), max(width, height)
  overlap = math.ceil(short / 5)
  if long < 1.3 * short:
    side = max(math.ceil(0.6 * short), math.ceil((long + overlap) / 2))
    columns, rows = (_places(extent, side, 2) for extent in (width, height))
  else:
    side = short
    count = max(3, math.ceil((long - overlap) / max(1, side - overlap)))
    columns, rows = (_places(extent, side, count if extent == long else 1) for extent in (width, height))
  return [(x, y, side) for y in rows for x in columns]


def _places(extent: int, side: int, count: int) -> list[int]:
  """Returns the starts of `count` tiles, evenly spaced from one end to the other."""
  return [part * (extent - side) // max(1, count - 1) for part in range(count)]


def _without_duplicates(faces: np.ndarray) -> np.ndarray:
  """Keeps the box with the best score among overlapping ones. [K,5] -> [K',5]."""
  kept: list[np.ndarray] = []
  for face in faces[np.argsort(-faces[:, 4], kind="stable")]:
    if all(iou(face, other) < 0.3 for other in kept):
      kept.append(face)
  return np.array(kept).reshape(-1, 5)
