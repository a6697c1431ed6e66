"""Joins the faces of single images to tracks, and chooses the performer's.

Boxes are x, y, width, height as fractions of the displayed frame. Axes: K faces of one image.
"""

from bisect import bisect_left, bisect_right
import math
from typing import NamedTuple

import numpy as np

from attavvad_jax.faces.boxes import iou, jump, prominence

# Time constant with which the weight of old sightings decays.
_MEMORY_S = 30.0
# Boxes are interpolated over gaps up to MAX_GAP_S; a face that returns to its place within _RESUME_S is the same.
MAX_GAP_S = 1.0
_RESUME_S = 5.0
# Factor by which another face must exceed the performer's score: two singers side by side must not take turns.
_TAKEOVER = 1.5
# Smallest overlap of a face with the last sighting of its track.
_MIN_IOU = 0.2
# Largest movement of a head whose boxes do not overlap, in face sizes (`boxes.jump`).
_MAX_JUMP = 1.0


class SeenFace(NamedTuple):
  """A face in one image: its number, unique in the recording; the number of its shot's first image; its box [4]."""

  number: int
  shot: int
  box: np.ndarray


class Track:
  """Sightings of one face within one shot."""

  def __init__(self, shot: int, number: int):
    self.shot = shot
    self.number = number
    self.indices: list[int] = []
    self.boxes: list[np.ndarray] = []
    self.first = -1
    self._score = 0.0

  @property
  def last(self) -> int:
    return self.indices[-1]

  def see(self, index: int, box: np.ndarray, memory: float) -> None:
    self._score = self.score(index, memory) + prominence(box)
    if not self.indices:
      self.first = index
    self.indices.append(index)
    self.boxes.append(box)

  def score(self, now: int, memory: float) -> float:
    """Returns the decayed score of all sightings at image `now`."""
    return self._score * math.exp((self.last - now) / memory) if self.indices else 0.0

  def box(self, index: int, nearest: int, max_gap: float) -> np.ndarray | None:
    """Returns the box at an image whose nearest searched image is `nearest`; None if the face was not seen."""
    after = bisect_left(self.indices, index)
    if after < len(self.indices) and self.indices[after] == index:
      return self._smooth(after, max_gap)
    if 0 < after < len(self.indices) and self.indices[after] - self.indices[after - 1] <= max_gap:
      low, high = self.indices[after - 1 : after + 1]
      part = (index - low) / (high - low)
      return (1 - part) * self._smooth(after - 1, max_gap) + part * self._smooth(after, max_gap)
    for k in (after - 1, after):
      if 0 <= k < len(self.indices) and self.indices[k] == nearest:
        return self._smooth(k, max_gap)
    return None

  def _smooth(self, k: int, max_gap: float) -> np.ndarray:
    """Averages a sighting (weight 2) and its neighbors in time (weight 1): a trembling box makes lips tremble."""
    if not 0 < k < len(self.indices) - 1:
      return self.boxes[k]
    if max(np.diff(self.indices[k - 1 : k + 2])) > max_gap:
      return self.boxes[k]
    before, box, after = self.boxes[k - 1 : k + 2]
    # The mean is linear: it is the same for corners as for center and size.
    return (before + 2 * box + after) / 4

  def forget_before(self, index: int) -> None:
    """Drops sightings that no later image needs: all but the last two before `index`."""
    unneeded = max(0, bisect_left(self.indices, index) - 2)
    del self.indices[:unneeded], self.boxes[:unneeded]


class Tracks:
  """Joins detections to tracks and chooses the performer; images must be requested in ascending order."""

  def __init__(self, images_per_second: float):
    self._memory = _MEMORY_S * images_per_second
    # With less than one image, nothing could be interpolated.
    self._max_gap = max(MAX_GAP_S * images_per_second, 1.0)
    self._resume = max(_RESUME_S * images_per_second, 1.0)
    self._tracks: list[Track] = []
    self._num_tracks = 0  # including dropped ones
    self._looked: list[int] = []  # images that the detector searched
    self._shots: list[int] = []  # first image of each shot
    self._performer: Track = Track(-1, -1)

  def add(self, index: int, faces: np.ndarray, cut: bool) -> None:
    """Adds the faces [K,5] of image `index`; `cut` marks the first image of a shot."""
    if cut:
      self._shots.append(index)
    self._looked.append(index)
    shot = self._shots[-1]
    tracks = [t for t in self._tracks if t.shot == shot and index - t.last <= self._resume]
    for face, track in _associate(faces, tracks, index, self._max_gap):
      if track is None:
        track = Track(shot, self._num_tracks)
        self._tracks.append(track)
        self._num_tracks += 1
      track.see(index, face[:4], self._memory)

  def box(self, index: int) -> np.ndarray | None:
    """Returns the performer's box at an image, or None."""
    shot, nearest = self._nearest(index)
    spanning = self._spanning(index, shot, nearest)
    self._forget(index)
    if not spanning:
      return None
    now = self._looked[-1]
    best = max(spanning, key=lambda t: t.score(now, self._memory))
    incumbent = self._performer
    if incumbent in spanning and best.score(now, self._memory) <= _TAKEOVER * incumbent.score(now, self._memory):
      best = incumbent
    self._performer = best
    return best.box(index, nearest, self._max_gap)

  def faces(self, index: int) -> tuple[SeenFace, ...]:
    """Returns all faces of an image. Call it before `box` of the same image."""
    shot, nearest = self._nearest(index)
    boxes = ((t.number, t.box(index, nearest, self._max_gap)) for t in self._spanning(index, shot, nearest))
    return tuple(SeenFace(number, shot, box) for number, box in boxes if box is not None)

  def _spanning(self, index: int, shot: int, nearest: int) -> list[Track]:
    """Returns the tracks that an image may belong to."""
    return [t for t in self._tracks if t.shot == shot and (t.first <= index <= t.last or nearest in (t.first, t.last))]

  def _nearest(self, index: int) -> tuple[int, int]:
    """Returns the first image of the shot that holds an image, and the nearest searched image of that shot."""
    k = bisect_right(self._shots, index) - 1
    shot = self._shots[k]
    end = self._shots[k + 1] if k + 1 < len(self._shots) else math.inf
    after = bisect_left(self._looked, index)
    near = [i for i in self._looked[max(0, after - 1) : after + 1] if shot <= i < end]
    return shot, min(near, key=lambda i: abs(i - index))

  def _forget(self, index: int) -> None:
    """Drops what later images do not need."""
    oldest = index - self._resume
    self._tracks = [t for t in self._tracks if t.last >= oldest]
    del self._looked[: max(0, bisect_left(self._looked, index) - 2)]
    del self._shots[: max(0, bisect_right(self._shots, index) - 1)]
    for track in self._tracks:
      track.forget_before(index)


def _associate(
  faces: np.ndarray, tracks: list[Track], index: int, max_gap: float
) -> list[tuple[np.ndarray, Track | None]]:
  """Pairs each face with the track that it continues, or None: first by overlap, then by distance and size."""
  pairs: dict[int, Track] = {}

  def take(scored: list[tuple[float, int, Track]]) -> None:
    for _, k, track in sorted(scored, key=lambda s: -s[0]):
      if k not in pairs and track not in pairs.values():
        pairs[k] = track

  overlaps = [(iou(face, track.boxes[-1]), k, track) for k, face in enumerate(faces) for track in tracks]
  take([pair for pair in overlaps if pair[0] >= _MIN_IOU])
  recent = [track for track in tracks if index - track.last <= max_gap]
  jumps = [(-jump(face, track.boxes[-1]), k, track) for k, face in enumerate(faces) for track in recent]
  take([pair for pair in jumps if -pair[0] <= _MAX_JUMP])
  return [(face, pairs.get(k)) for k, face in enumerate(faces)]
