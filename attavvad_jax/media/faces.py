"""Finds faces, follows the performer's from image to image, and cuts it out.

Boxes are x, y, width, height as fractions of the displayed picture. Axes: K faces of one picture, H, W picture or crop.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
import contextlib
import dataclasses
import math
import os
import tempfile
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import cv2
import numpy as np

from attavvad_jax.media.decode import Picture
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.lips import FACE_PX, draw_lips, face_mesh

# RGB uint8 [H,W,3] -> float [K,5]: box and score of each face.
Detect = Callable[[np.ndarray], np.ndarray]

# How far the choice of the performer looks ahead, and how fast old sightings are forgotten.
LOOKAHEAD_S = 10.0
_MEMORY_S = 30.0
# Boxes are interpolated over gaps up to the first; a face that comes back to its place within the second is the same.
_MAX_GAP_S = 1.0
_RESUME_S = 5.0
# Another face takes over only if it scores this much more: two singers side by side must not take turns.
_TAKEOVER = 1.5

_MIN_IOU = 0.2
# For a head that moved further than its box: distance in face sizes, and ratio of the sizes.
_MAX_JUMP = 1.0
_MAX_GROWTH = 1.6

# Where parts lie in the detector's box, which reaches from the forehead to the chin: x, y, width, height as fractions.
_PLACES = {"face": (0.0, 0.0, 1.0, 1.0), "mouth": (0.2, 0.52, 0.6, 0.5)}
# Lips are not cut out, but drawn from landmarks.
PARTS = (*_PLACES, "lips")

# Correlation of two pictures' thumbnails below which there was a cut.
_CUT_CORRELATION = 0.5
# Pictures that may wait for the detector; each is as large as the picture.
_MAX_UNDER_WAY = 4
_THUMBNAIL = (32, 32)

SYSTEM_LIBRARIES = "libgl1 libegl1 libgles2 libglib2.0-0"


@dataclasses.dataclass(frozen=True)
class Crop:
  """How a face box becomes an image.

  Attributes:
    height_px: height of the image (H).
    width_px: width of the image (W).
    margin: what is added on each side of the box, as a fraction of the box; the image's aspect ratio adds more.
    part: of the face that the image shows: one of `PARTS`.
  """

  height_px: int = 112
  width_px: int = 112
  margin: float = 0.2
  part: str = "face"

  def __post_init__(self):
    if self.height_px < 1 or self.width_px < 1:
      raise ValueError(f"crop: size is {self.height_px}x{self.width_px}; expected at least 1x1 pixels")
    if not 0 <= self.margin < 10:
      raise ValueError(f"crop: margin is {self.margin}; expected a fraction of the face box, 0 or more")
    if self.part not in PARTS:
      raise ValueError(f"crop: part is {self.part!r}; expected one of {', '.join(PARTS)}")


# The face mesh was made for boxes that are half as large again.
_MESH_CROP = Crop(FACE_PX, FACE_PX, margin=0.25)


class FaceDetector:
  """mediapipe's face detector as a function; use it in a `with` statement.

  A picture without a face is looked at again in overlapping square tiles, which finds faces down to 30 px.

  Args:
    model_path: the model file; where None, `face_model.resolve` finds it.
    threshold: score below which a face is not one.

  Raises:
    MediaError: the model cannot be fetched, or mediapipe misses libraries of the system.
  """

  def __init__(self, model_path: str | os.PathLike[str] | None = None, threshold: float = 0.6):
    self._model_path = model_path
    self._threshold = threshold
    self._detector: Any = None

  def __enter__(self) -> Self:
    from attavvad_jax.media import face_model

    path = face_model.resolve(face_model.DETECTOR, self._model_path)
    with _silent_stderr() as printed:
      try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceDetectorOptions(
          base_options=BaseOptions(model_asset_path=str(path)), min_detection_confidence=self._threshold
        )
        self._image, self._format = mediapipe.Image, mediapipe.ImageFormat.SRGB
        self._detector = vision.FaceDetector.create_from_options(options)
        # One line of theirs is printed once a process, when their memory happens to lie badly: it is brought out here.
        for side in (64, 192, 480, 720) * 5:
          self._detect_whole(np.zeros((side, side, 3), np.uint8))
          printed.seek(0)
          if b"not aligned" in printed.read():
            break
      except (ImportError, OSError) as error:
        raise MediaError(
          f"mediapipe cannot start ({error}); on Debian and its kin: apt-get install {SYSTEM_LIBRARIES}"
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
    """Faces in a picture, uint8 RGB [H,W,3] -> float64 [K,5]: x, y, width, height, score."""
    faces = self._detect_whole(rgb)
    if len(faces):
      return faces
    height, width = rgb.shape[:2]
    found = []
    for x, y, side in _tiles(width, height):
      faces = self._detect_whole(np.ascontiguousarray(rgb[y : y + side, x : x + side]))
      scale = np.array([side / width, side / height, side / width, side / height, 1.0])
      found.append(faces * scale + np.array([x / width, y / height, 0.0, 0.0, 0.0]))
    return _without_duplicates(np.concatenate(found))

  def _detect_whole(self, rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    found = self._detector.detect(self._image(image_format=self._format, data=rgb)).detections
    rows = [
      (box.origin_x / width, box.origin_y / height, box.width / width, box.height / height, face.categories[0].score)
      for face in found
      for box in [face.bounding_box]
    ]
    return np.array(rows, np.float64).reshape(-1, 5)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[IO[bytes]]:
  """Keeps what libraries print below Python's level off the screen: it goes to the file that is yielded."""
  saved = os.dup(2)
  try:
    with tempfile.TemporaryFile() as printed:
      os.dup2(printed.fileno(), 2)
      yield printed
  finally:
    os.dup2(saved, 2)
    os.close(saved)


def _tiles(width: int, height: int) -> list[tuple[int, int, int]]:
  """x, y, side of squares that overlap: three or more along a wide or tall picture, four in one that is nearly square.

  Every square of a fifth of the picture's shorter side, wherever it is, lies whole in one of them.
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
  """Where so many tiles begin, evenly spaced from one end to the other."""
  return [part * (extent - side) // max(1, count - 1) for part in range(count)]


def _without_duplicates(faces: np.ndarray) -> np.ndarray:
  """Of boxes that overlap, the one with the best score. [K,5] -> [K',5]."""
  kept: list[np.ndarray] = []
  for face in faces[np.argsort(-faces[:, 4], kind="stable")]:
    if all(_iou(face, other) < 0.3 for other in kept):
      kept.append(face)
  return np.array(kept).reshape(-1, 5)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
  """Overlap of two boxes divided by their union."""
  width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
  height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
  if width <= 0 or height <= 0:
    return 0.0
  return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


class SeenFace(NamedTuple):
  """A face in one picture: its number, unique in the recording; the number of its shot's first image; its box [4]."""

  number: int
  shot: int
  box: np.ndarray


class TrackedImage(NamedTuple):
  """One picture in grey, uint8 [H,W], or None where there is none; the performer's face box [4], or None.

  All its faces, the performer's among them, where they were asked for.
  """

  grey: np.ndarray | None
  box: np.ndarray | None
  faces: tuple[SeenFace, ...] = ()


class Follower:
  """Follows the performer's face through evenly spaced pictures that come in one by one.

  Each `detect_every`-th picture, and the first after a cut, goes to the detector. Faces that stay near their place
  form a track; a track ends at a cut. A track's score is the sum over its sightings of size times nearness to the
  centre, old sightings counting less. The performer of an image is the track with the highest score among those that
  span it, where sightings up to `lookahead_s` later count too: a face that is seen for a moment scores little, one
  that stays scores much from its first image on. The performer changes only when their track ends or another scores
  half as much again. Between two sightings at most a second apart the box is interpolated; elsewhere an image belongs
  to the nearest picture that was looked at in the same shot. If no face was there, the image has none.

  What is held: the grey pictures of `lookahead_s`, and the tracks that reach into them. To be closed after use; then
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
    self._tracker = _Tracker(images_per_second)
    self._ahead = round(lookahead_s * images_per_second)
    self._lag = max(0, min(_MAX_UNDER_WAY, self._ahead // detect_every - 2) * detect_every)
    self._next_in = self._next_out = self._next_detection = 0
    self._previous: np.ndarray | None = None

  def push(self, picture: Picture | None) -> list[TrackedImage]:
    """Takes the next picture, or None where there is none, which ends a shot; gives the images that are ready."""
    index = self._next_in
    self._next_in += 1
    grey = thumbnail = None
    if picture is not None:
      grey = picture.grey
      thumbnail = make_thumbnail(grey)
      cut = self._previous is None or is_cut(self._previous, thumbnail)
      if cut or index >= self._next_detection:
        self._under_way.append((index, self._worker.submit(self._detect, picture.rgb), cut))
        self._next_detection = index + self._detect_every
    self._take_faces(index - self._lag)
    self._previous = thumbnail
    self._waiting.append(grey)
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
    grey, index = self._waiting.popleft(), self._next_out
    self._next_out += 1
    if grey is None:
      return TrackedImage(None, None)
    faces = self._tracker.faces(index) if self._all_faces else ()
    return TrackedImage(grey, self._tracker.box(index), faces)


def make_thumbnail(grey: np.ndarray) -> np.ndarray:
  """A picture small enough to compare, uint8 [H,W] -> [h,w]. Every fourth pixel is enough for that."""
  return cv2.resize(np.ascontiguousarray(grey[::4, ::4]), _THUMBNAIL, interpolation=cv2.INTER_AREA)


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
  """Whether two thumbnails, uint8 [h,w], show different scenes: their correlation is low. A change of light is none."""
  a, b = (image - image.mean() for image in (before.astype(np.float64), after.astype(np.float64)))
  flat = (a.std() < 1, b.std() < 1)
  if any(flat):
    return not all(flat)
  return bool((a * b).mean() / (a.std() * b.std()) < _CUT_CORRELATION)


class _Track:
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
    """Score of all sightings as remembered at image `now`."""
    return self._score * math.exp((self.last - now) / memory) if self.indices else 0.0

  def box(self, index: int, nearest: int, max_gap: float) -> np.ndarray | None:
    """Box at an image whose nearest picture with detection is `nearest`; None where the face was not seen."""
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
    """Mean of a sighting, twice, and its neighbours in time: a box that trembles makes lips tremble."""
    if not 0 < k < len(self.indices) - 1:
      return self.boxes[k]
    if max(np.diff(self.indices[k - 1 : k + 2])) > max_gap:
      return self.boxes[k]
    before, box, after = self.boxes[k - 1 : k + 2]
    # Of corners or of centre and size alike: the mean is linear.
    return (before + 2 * box + after) / 4

  def forget_before(self, index: int) -> None:
    """Drops sightings that no later image needs: all but the last two before `index`."""
    unneeded = max(0, bisect_left(self.indices, index) - 2)
    del self.indices[:unneeded], self.boxes[:unneeded]


def prominence(box: np.ndarray) -> float:
  """Size of a face times its nearness to the centre of the picture."""
  from_centre = math.hypot(box[0] + box[2] / 2 - 0.5, box[1] + box[3] / 2 - 0.5)
  return math.sqrt(box[2] * box[3]) * math.exp(-((from_centre / 0.5) ** 2))


class _Tracker:
  """Joins detections to tracks and chooses the performer; images must be asked for in ascending order."""

  def __init__(self, images_per_second: float):
    self._memory = _MEMORY_S * images_per_second
    # At least one image, or nothing could ever be interpolated.
    self._max_gap = max(_MAX_GAP_S * images_per_second, 1.0)
    self._resume = max(_RESUME_S * images_per_second, 1.0)
    self._tracks: list[_Track] = []
    self._num_tracks = 0  # those that are forgotten included
    self._looked: list[int] = []  # images that the detector saw
    self._shots: list[int] = []  # first image of each shot
    self._performer: _Track = _Track(-1, -1)

  def add(self, index: int, faces: np.ndarray, cut: bool) -> None:
    """Takes the faces [K,5] of image `index`; `cut` tells that a shot begins with it."""
    if cut:
      self._shots.append(index)
    self._looked.append(index)
    shot = self._shots[-1]
    tracks = [t for t in self._tracks if t.shot == shot and index - t.last <= self._resume]
    for face, track in _associate(faces, tracks, index, self._max_gap):
      if track is None:
        track = _Track(shot, self._num_tracks)
        self._tracks.append(track)
        self._num_tracks += 1
      track.see(index, face[:4], self._memory)

  def box(self, index: int) -> np.ndarray | None:
    """The performer's box at an image, or None."""
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
    """All faces of an image; to be asked for before its performer is."""
    shot, nearest = self._nearest(index)
    boxes = ((t.number, t.box(index, nearest, self._max_gap)) for t in self._spanning(index, shot, nearest))
    return tuple(SeenFace(number, shot, box) for number, box in boxes if box is not None)

  def _spanning(self, index: int, shot: int, nearest: int) -> list[_Track]:
    """The tracks that an image may belong to."""
    return [t for t in self._tracks if t.shot == shot and (t.first <= index <= t.last or nearest in (t.first, t.last))]

  def _nearest(self, index: int) -> tuple[int, int]:
    """First image of the shot that holds an image, and the picture nearest to it that was looked at in that shot."""
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
  faces: np.ndarray, tracks: list[_Track], index: int, max_gap: float
) -> list[tuple[np.ndarray, _Track | None]]:
  """Pairs each face with the track that it continues, or None: first by overlap, then by nearness and size."""
  pairs: dict[int, _Track] = {}

  def take(scored: list[tuple[float, int, _Track]]) -> None:
    for _, k, track in sorted(scored, key=lambda s: -s[0]):
      if k not in pairs and track not in pairs.values():
        pairs[k] = track

  overlaps = [(_iou(face, track.boxes[-1]), k, track) for k, face in enumerate(faces) for track in tracks]
  take([pair for pair in overlaps if pair[0] >= _MIN_IOU])
  recent = [track for track in tracks if index - track.last <= max_gap]
  jumps = [(-_jump(face, track.boxes[-1]), k, track) for k, face in enumerate(faces) for track in recent]
  take([pair for pair in jumps if -pair[0] <= _MAX_JUMP])
  return [(face, pairs.get(k)) for k, face in enumerate(faces)]


def _jump(a: np.ndarray, b: np.ndarray) -> float:
  """Distance of two boxes' centres in box sizes; infinite where the sizes do not fit one head."""
  growth = math.sqrt(a[2] * a[3] / (b[2] * b[3]))
  if not 1 / _MAX_GROWTH <= growth <= _MAX_GROWTH:
    return math.inf
  dx, dy = a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2
  return math.hypot(2 * dx / (a[2] + b[2]), 2 * dy / (a[3] + b[3]))


def crop_face(grey: np.ndarray, box: np.ndarray, crop: Crop) -> np.ndarray:
  """Cuts a face, or a part of it, out of a grey picture; or draws its lips (`lips.draw_lips`).

  The box of the part grows by the margin on each side and then, about its centre, to the image's aspect ratio. What
  lies outside the picture repeats its edge.

  Args:
    grey: uint8 [h,w].
    box: of the face, [4]: x, y, width, height as fractions of the picture.
    crop: size, margin and part.

  Returns:
    uint8 [H,W].

  Raises:
    MediaError: the lips are to be drawn and the model that finds them cannot be had.
  """
  if crop.part == "lips":
    return draw_lips(face_mesh()(crop_face(grey, box, _MESH_CROP)), crop.height_px, crop.width_px, crop.margin)
  height, width = grey.shape
  part_x, part_y, part_width, part_height = _PLACES[crop.part]
  box = np.array([*(box[:2] + box[2:] * (part_x, part_y)), *(box[2:] * (part_width, part_height))])
  box_width, box_height = box[2] * width * (1 + 2 * crop.margin), box[3] * height * (1 + 2 * crop.margin)
  aspect = crop.width_px / crop.height_px
  cut_height = max(box_height, box_width / aspect)
  rows = _span((box[1] + box[3] / 2) * height, cut_height)
  columns = _span((box[0] + box[2] / 2) * width, cut_height * aspect)
  face = grey.take(rows, axis=0, mode="clip").take(columns, axis=1, mode="clip")
  return cv2.resize(face, (crop.width_px, crop.height_px), interpolation=cv2.INTER_AREA)


def _span(centre: float, length: float) -> np.ndarray:
  """Indices of the pixels of a span; at least one."""
  count = max(1, round(length))
  return np.arange(count) + round(centre - count / 2)
