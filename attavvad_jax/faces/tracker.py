"""Tracks faces through the images of a recording, and returns the performer's face in each.

Boxes are x, y, width, height as fractions of the displayed frame. Axes: K faces of one frame, H, W frame.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from attavvad_jax.faces.cuts import is_cut, make_thumbnail
from attavvad_jax.faces.detector import Detect
from attavvad_jax.faces.part import FramePart
from attavvad_jax.faces.tracks import MAX_GAP_S, SeenFace, Tracks
from attavvad_jax.media.frame import Frame

# Seconds that the choice of the performer looks ahead.
LOOKAHEAD_S = 10.0
# Frames that may wait for the detector; each is held in full size.
_MAX_UNDER_WAY = 4


class TrackedImage(NamedTuple):
  """An image with its faces.

  Attributes:
    gray: the gray frame, or the part of it around its faces; None without a frame.
    box: box of the performer's face, [4], or None.
    faces: all its faces including the performer's, if requested.
  """

  gray: FramePart | None
  box: np.ndarray | None
  faces: tuple[SeenFace, ...] = ()


class FaceTracker:
  """Follows the performer's face through evenly spaced images that arrive one by one.

  Every `detect_every`-th image, and the first after a cut, goes to the detector. Faces that stay near their place form
  a track; a track ends at a cut. A track's score is the sum over its sightings of size times nearness to the center,
  with less weight for old sightings. The performer of an image is the track with the highest score among those that
  span it. Sightings up to `lookahead_s` later count too, so that a lasting face scores high from its first image on and
  a brief one scores low. The performer changes only when their track ends or another scores 1.5 times as much. Between
  two sightings at most a second apart the box is interpolated; other images take the result of the nearest image of the
  same shot that the detector searched. If it shows no face, the image has none.

  Memory holds the last gray frames, and of older ones up to `lookahead_s` the parts around their faces, once these are
  known; and the tracks that reach into them. `close` stops the detector thread.

  Args:
    detect: detects the faces of one frame, such as `FaceDetector`.
    images_per_second: rate of the images.
    detect_every: number of images from one detection to the next, at least 1.
    lookahead_s: seconds by which the output lags behind the input. With 0, the box is that of the last searched image.
    all_faces: whether images come with all their faces. A face is a track: after a cut, or after five seconds out of
      sight, it counts as another face.
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
    self._waiting: deque[FramePart | None] = deque()
    # Detections run in a thread while this one decodes. The image number, not the detector's speed, determines when to
    # wait for one, so that the result does not depend on the machine.
    self._under_way: deque[tuple[int, Future[np.ndarray], bool]] = deque()
    self._worker = ThreadPoolExecutor(1)
    self._tracker = Tracks(images_per_second)
    self._ahead = round(lookahead_s * images_per_second)
    # A face is known this many images after its own: boxes are interpolated over gaps, and smoothed with the next one.
    self._known_after = round(MAX_GAP_S * images_per_second) + detect_every
    self._next_shrunk = 0
    self._lag = max(0, min(_MAX_UNDER_WAY, self._ahead // detect_every - 2) * detect_every)
    self._next_in = self._next_out = self._next_detection = 0
    self._previous: np.ndarray | None = None

  def push(self, frame: Frame | None) -> list[TrackedImage]:
    """Takes the next frame, or None without one, which ends the shot; returns the images that are ready."""
    index = self._next_in
    self._next_in += 1
    gray = thumbnail = None
    if frame is not None:
      gray = frame.gray
      thumbnail = make_thumbnail(gray)
      cut = self._previous is None or is_cut(self._previous, thumbnail)
      if cut or index >= self._next_detection:
        self._under_way.append((index, self._worker.submit(self._detect, frame.rgb), cut))
        self._next_detection = index + self._detect_every
    self._take_faces(index - self._lag)
    self._previous = thumbnail
    self._waiting.append(None if gray is None else FramePart.whole(gray))
    self._shrink(index - self._lag - self._known_after)
    return [self._next()] if len(self._waiting) > self._ahead else []

  def finish(self) -> list[TrackedImage]:
    """Ends the input and returns the remaining images."""
    self._take_faces(self._next_in)
    return [self._next() for _ in range(len(self._waiting))]

  def close(self) -> None:
    self._worker.shutdown()

  def _take_faces(self, last: int) -> None:
    """Adds the detected faces of all images up to `last` to the tracks."""
    while self._under_way and self._under_way[0][0] <= last:
      image, faces, cut = self._under_way.popleft()
      self._tracker.add(image, np.asarray(faces.result()), cut)

  def _shrink(self, last: int) -> None:
    """Reduces the waiting frames up to the image `last` to the parts around their faces."""
    for index in range(max(self._next_shrunk, self._next_out), last + 1):
      place = index - self._next_out
      part = self._waiting[place]
      if part is not None:
        self._waiting[place] = part.around([face.box for face in self._tracker.faces(index)])
      self._next_shrunk = index + 1

  def _next(self) -> TrackedImage:
    gray, index = self._waiting.popleft(), self._next_out
    self._next_out += 1
    if gray is None:
      return TrackedImage(None, None)
    faces = self._tracker.faces(index) if self._all_faces else ()
    return TrackedImage(gray, self._tracker.box(index), faces)
