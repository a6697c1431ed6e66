"""Tracks faces through the pictures of a recording, and gives the performer's in each of them.

Boxes are x, y, width, height as fractions of the displayed picture. Axes: K faces of one picture, H, W picture.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from attavvad_jax.faces.cuts import is_cut, make_thumbnail
from attavvad_jax.faces.detector import Detect
from attavvad_jax.faces.tracks import SeenFace, Tracks
from attavvad_jax.media.frame import Frame

# How far the choice of the performer looks ahead.
LOOKAHEAD_S = 10.0
# Pictures that may wait for the detector; each is as large as the picture.
_MAX_UNDER_WAY = 4


class TrackedImage(NamedTuple):
  """One picture in gray, uint8 [H,W], or None where there is none; the performer's face box [4], or None.

  All its faces, the performer's among them, where they were asked for.
  """

  gray: np.ndarray | None
  box: np.ndarray | None
  faces: tuple[SeenFace, ...] = ()


class FaceTracker:
  """Follows the performer's face through evenly spaced pictures that come in one by one.

  Each `detect_every`-th picture, and the first after a cut, goes to the detector. Faces that stay near their place
  form a track; a track ends at a cut. A track's score is the sum over its sightings of size times nearness to the
  center, old sightings counting less. The performer of an image is the track with the highest score among those that
  span it, where sightings up to `lookahead_s` later count too: a face that is seen for a moment scores little, one
  that stays scores much from its first image on. The performer changes only when their track ends or another scores
  half as much again. Between two sightings at most a second apart the box is interpolated; elsewhere an image belongs
  to the nearest picture that was looked at in the same shot. If no face was there, the image has none.

  What is held: the gray pictures of `lookahead_s`, and the tracks that reach into them. To be closed after use; then
  the detector is at rest.

  Args:
    detect: faces of one picture, as `FaceDetector`.
    images_per_second: rate of the pictures.
    detect_every: pictures from one detection to the next, at least 1.
    lookahead_s: seconds by which the output lags behind the input. With 0, a box is that of the last picture that was
      looked at.
    all_faces: whether the images come with all their faces. A face is a track: one that comes back after a cut, or
      after five seconds, is another.
  """

  def __init__(
    self,
    detect: Detect,
    images_per_second: float,
    detect_every: int,
    lookahead_s: float = LOOKAHEAD_S,
    all_faces: bool = False,
  ):
    self._detect = detect
    self._detect_every = detect_every
    self._all_faces = all_faces
    self._waiting: deque[np.ndarray | None] = deque()
    # Detections under way, in a thread of their own while this one decodes. The image, not the detector's speed, says
    # when one is waited for, so that the result does not depend on the machine.
    self._under_way: deque[tuple[int, Future[np.ndarray], bool]] = deque()
    self._worker = ThreadPoolExecutor(1)
    self._tracker = Tracks(images_per_second)
    self._ahead = round(lookahead_s * images_per_second)
    self._lag = max(0, min(_MAX_UNDER_WAY, self._ahead // detect_every - 2) * detect_every)
    self._next_in = self._next_out = self._next_detection = 0
    self._previous: np.ndarray | None = None

  def push(self, picture: Frame | None) -> list[TrackedImage]:
    """Takes the next picture, or None where there is none, which ends a shot; gives the images that are ready."""
    index = self._next_in
    self._next_in += 1
    gray = thumbnail = None
    if picture is not None:
      gray = picture.gray
      thumbnail = make_thumbnail(gray)
      cut = self._previous is None or is_cut(self._previous, thumbnail)
      if cut or index >= self._next_detection:
        self._under_way.append((index, self._worker.submit(self._detect, picture.rgb), cut))
        self._next_detection = index + self._detect_every
    self._take_faces(index - self._lag)
    self._previous = thumbnail
    self._waiting.append(gray)
    return [self._next()] if len(self._waiting) > self._ahead else []

  def finish(self) -> list[TrackedImage]:
    """The images that still wait; no more pictures come."""
    self._take_faces(self._next_in)
    return [self._next() for _ in range(len(self._waiting))]

  def close(self) -> None:
    self._worker.shutdown()

  def _take_faces(self, last: int) -> None:
    """Takes the faces of all images up to `last`."""
    while self._under_way and self._under_way[0][0] <= last:
      image, faces, cut = self._under_way.popleft()
      self._tracker.add(image, np.asarray(faces.result()), cut)

  def _next(self) -> TrackedImage:
    gray, index = self._waiting.popleft(), self._next_out
    self._next_out += 1
    if gray is None:
      return TrackedImage(None, None)
    faces = self._tracker.faces(index) if self._all_faces else ()
    return TrackedImage(gray, self._tracker.box(index), faces)
