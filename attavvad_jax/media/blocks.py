"""A recording as blocks: what training, detection of files and detection of streams share.

Axes: S samples of a block, N images of a block, M of the time before it and its own, H, W image.
"""

from collections import deque
from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import math
import os
from typing import Any, Self

import numpy as np

from attavvad_jax.clock import Clock
from attavvad_jax.media.camera import with_camera
from attavvad_jax.media.decode import MediaInfo, Picture, Screen, TimedPicture, probe, read_sound, read_timed_pictures
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.faces import LOOKAHEAD_S, Crop, Detect, FaceDetector, Follower, TrackedImage, crop_face
from attavvad_jax.media.mixing import Passage
from attavvad_jax.media.tracks import DEFAULT_TRACKS, Tracks

# With fewer pictures a second than this, lips cannot be followed: a mouth that speaks looks like one that does not.
MIN_PICTURES_PER_SECOND = 4.5

# x, y, width, height as fractions of the displayed picture.
Box = tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class FaceImages:
  """One face in one block.

  Attributes:
    number: of the face, unique in the recording.
    shot: number of the first image of the shot that the face belongs to.
    images, image_mask, boxes: as `Block` has them of the performer.
  """

  number: int
  shot: int
  images: np.ndarray
  image_mask: np.ndarray
  boxes: np.ndarray


@dataclasses.dataclass(frozen=True)
class Block:
  """One block of one recording.

  Attributes:
    index: number of the block, from 0.
    waveform: int16 [S], zeros after the sound has ended.
    images: uint8 [M,H,W] grey face crops, zeros where masked: `clock.images_before` of the time before, then the N of
      the block.
    image_mask: bool [M], false where there is no picture or no face, and where pictures come too seldom to follow lips.
    boxes: float32 [N,4], of the block's own images: face box x, y, width, height as fractions of the displayed picture,
      NaN where there is no picture or no face.
    faces: everybody who is seen in the block, where they were asked for.
  """

  index: int
  waveform: np.ndarray
  images: np.ndarray
  image_mask: np.ndarray
  boxes: np.ndarray
  faces: tuple[FaceImages, ...] = ()


@dataclasses.dataclass
class Report:
  """What was read; complete when the last block has been.

  Attributes:
    duration_s: length of the sound, which is that of the recording.
    num_blocks: blocks that cover it.
    num_images: images of these blocks.
    images_without_picture: images at times for which the file has no picture.
    images_without_face: images that have a picture, and no face of the performer in it.
    images_too_seldom: images where pictures come less often than `MIN_PICTURES_PER_SECOND`.
    slowest_rate: pictures a second where they come most seldom; infinite where they come often enough.
    pictures_left_out: pictures that were repeated, or came after a later one.
    warnings: one line each for what is missing or damaged.
    passages: where the channels of the sound cancel, and which of them was used there.
    media: what is in the file, and which of it was used; None of what did not come from a file.
  """

  duration_s: float = 0.0
  num_blocks: int = 0
  num_images: int = 0
  images_without_picture: int = 0
  images_without_face: int = 0
  images_too_seldom: int = 0
  slowest_rate: float = math.inf
  pictures_left_out: int = 0
  warnings: list[str] = dataclasses.field(default_factory=list)
  passages: list[Passage] = dataclasses.field(default_factory=list)
  media: MediaInfo | None = dataclasses.field(default=None, compare=False)

  @property
  def has_pictures(self) -> bool:
    """Whether there was anything to be seen."""
    return not self.num_images or self.images_without_picture < self.num_images

  @property
  def tracks(self) -> Tracks:
    """Those that were used."""
    return DEFAULT_TRACKS if self.media is None else self.media.tracks

  @property
  def choices(self) -> list[str]:
    """A line for sound and pictures each, where the file has several: what is used, and what is not."""
    return [] if self.media is None else self.media.choices()


def read_blocks(
  path: str | os.PathLike[str],
  clock: Clock,
  crop: Crop,
  *,
  tracks: Tracks = DEFAULT_TRACKS,
  box: Box | None = None,
  report: Report | None = None,
  detect: Detect | None = None,
  lookahead_s: float = LOOKAHEAD_S,
  all_faces: bool = False,
) -> Iterator[Block]:
  """Reads a recording block by block, in one pass and in memory that does not grow with its length.

  The sound decides how long the recording is: pictures beyond its end are left out, missing ones are masked.

  Args:
    path: any file with sound that FFmpeg reads. Without pictures every image is masked, and the report says so.
    clock: cuts sound and pictures into blocks.
    crop: size of the face images.
    tracks: which of the file's sound and pictures are used. With a box, of several pictures of equal rank the first.
    box: x, y, width, height of the performer's face as fractions of the displayed picture. It stays where it is for the
      whole recording, and no face is looked for.
    report: is filled while blocks are read.
    detect: finds the faces of a picture; where None, a `FaceDetector` lives as long as the iterator. Give an open one
      to read many files.
    lookahead_s: how far the choice of the performer looks ahead.
    all_faces: whether the blocks come with the images of all faces, as `Follower` tells them apart.

  Returns:
    An iterator over all `clock.num_blocks(duration)` blocks in order.

  Raises:
    OSError: the file is missing, a folder or not readable.
    MediaError: it cannot be decoded, has no sound or no such track, or the face detector cannot start.
    ValueError: the box is not inside the picture.
  """
  _check_box(box)
  report = Report() if report is None else report
  info = probe(path, tracks)
  if not info.has_sound:
    raise MediaError(f"{path}: no sound in this file; expected a video with sound")
  return _blocks(path, info, tracks, clock, crop, box, report, detect, lookahead_s, all_faces)


def _blocks(
  path: str | os.PathLike[str],
  info: MediaInfo,
  tracks: Tracks,
  clock: Clock,
  crop: Crop,
  box: Box | None,
  report: Report,
  detect: Detect | None,
  lookahead_s: float,
  all_faces: bool,
) -> Iterator[Block]:
  with contextlib.ExitStack() as stack:
    if detect is None and box is None and info.has_pictures:
      detect = stack.enter_context(FaceDetector())
    if detect is not None and box is None:
      info = with_camera(path, tracks, detect) if info.rival_pictures else info
    report.media = info
    # Closed before the detector is, even if the caller stops half-way: detections may be under way.
    assembler = stack.enter_context(
      BlockAssembler(
        clock,
        crop,
        detect,
        box=box,
        has_pictures=info.has_pictures,
        lookahead_s=lookahead_s,
        report=report,
        all_faces=all_faces,
      )
    )
    pictures = read_timed_pictures(path, info, report.warnings)
    sound = read_sound(path, clock.sample_rate_hz, info=info, warnings=report.warnings, passages=report.passages)
    for samples in sound:
      assembler.push_samples(samples)
      while assembler.waits_for_picture():
        picture = next(pictures, None)
        if picture is None:
          assembler.end_pictures()
        else:
          assembler.push_picture(picture)
        yield from assembler.take()
      yield from assembler.take()
    yield from assembler.finish()


class BlockAssembler:
  """Puts sound and pictures together to blocks while they come in; use it in a `with` statement.

  The sound decides how long the recording is: pictures beyond its end are left out, missing ones are masked. A block is
  ready once its last sample and, `lookahead_s` after its last image, a later picture are in. What is held does not grow
  with the length of the recording, as long as sound and pictures come in at the same pace; `patience_s` sees to that.

  Args:
    clock: cuts sound and pictures into blocks.
    crop: size of the face images.
    detect: finds the faces of a picture; not needed with a box or without pictures.
    box: the performer's face, if it is known.
    has_pictures: whether any are to be expected.
    lookahead_s: how far the choice of the performer looks ahead.
    patience_s: how much longer sound may be than pictures, and pictures than sound, before the shorter of them is taken
      for missing: an image is then what was last on screen, and sound is silence. What comes in too late for its place
      is left out. Without end where all of it is there.
    report: is filled in; its warnings say what is missing.
    all_faces: whether the blocks come with the images of all faces.

  Raises:
    ValueError: the box is not inside the picture.
  """

  def __init__(
    self,
    clock: Clock,
    crop: Crop,
    detect: Detect | None,
    *,
    box: Box | None = None,
    has_pictures: bool = True,
    lookahead_s: float = LOOKAHEAD_S,
    patience_s: float = math.inf,
    report: Report | None = None,
    all_faces: bool = False,
  ):
    _check_box(box)
    self.report = Report() if report is None else report
    self._clock, self._crop, self._patience_s = clock, crop, patience_s
    self._has_pictures = has_pictures
    self._follower: Follower | _FixedBox
    if box is not None or not has_pictures:
      self._follower = _FixedBox(box)
    else:
      assert detect is not None
      self._follower = Follower(
        detect, clock.block_rate_hz * clock.images_per_block, clock.images_per_block, lookahead_s, all_faces
      )
    self._sound = _Sound(clock)
    self._screen = Screen()
    self._waveforms: deque[np.ndarray] = deque()
    self._images: deque[TrackedImage] = deque()
    self._seldom: deque[bool] = deque()  # whether lips could not be followed, of each image that is on its way
    self._images_before = ImagesBefore(clock)
    self._next_image = 0  # number of the next image to be taken from the screen
    self._next_block = 0
    self._late_pictures = self._late_sound = False
    if not has_pictures:
      self._screen.end()
      self.report.warnings.append("no pictures: every image is masked")

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *exception: object) -> None:
    if isinstance(self._follower, Follower):
      self._follower.close()

  @property
  def sound_s(self) -> float:
    """Seconds of sound that are in, silence that stands in for missing sound included."""
    return self._sound.length / self._clock.sample_rate_hz

  def push_samples(self, samples: np.ndarray) -> None:
    """Takes the next samples, int16 [n]."""
    late = self._sound.length - self._sound.received
    if self._late_sound and len(samples) > late:
      self._late_sound = False
      self.report.warnings.append(f"sound again from {self.sound_s:.2f} s")
    self._waveforms += self._sound.push(samples)

  def push_picture(self, picture: TimedPicture) -> None:
    """Takes the next picture; one that is not later than the one before is left out."""
    if not self._screen.push(picture):
      self.report.pictures_left_out += 1
    missing_s = picture.time_s - self._patience_s - self.sound_s
    if missing_s > 0:
      if not self._late_sound:
        self._late_sound = True
        self.report.warnings.append(f"no sound from {self.sound_s:.2f} s: taken as silence until it comes")
      self._waveforms += self._sound.fill(round(missing_s * self._clock.sample_rate_hz))

  def end_pictures(self) -> None:
    """Says that no more pictures come."""
    self._screen.end()

  def waits_for_picture(self) -> bool:
    """Whether a picture is the next that a block, whose sound has begun, needs."""
    return self._image_is_due() and not self._screen.knows(self._image_s())

  def take(self) -> list[Block]:
    """The blocks that have become ready."""
    while self._image_is_due():
      time_s = self._image_s()
      late = not self._screen.knows(time_s)
      if late and self.sound_s <= time_s + self._patience_s:
        break
      if late != self._late_pictures:
        self._late_pictures = late
        what = f"no picture from {time_s:.2f} s" if late else f"pictures again from {time_s:.2f} s"
        self.report.warnings.append(what)
      self._show(self._screen.at(time_s))
    return self._ready()

  def finish(self) -> list[Block]:
    """The rest of the blocks; sound and pictures are at their end."""
    self._screen.end()
    self._waveforms += self._sound.finish()
    while self._image_is_due():
      self._show(self._screen.at(self._image_s()))
    self._images += self._follower.finish()
    blocks = self._ready()
    self.report.duration_s = self.sound_s
    self.report.num_blocks = self._next_block
    _summarise(self.report, self._has_pictures)
    return blocks

  def _image_is_due(self) -> bool:
    """Whether the sound has reached the block of the next image."""
    return self._next_image // self._clock.images_per_block < self._clock.num_blocks(self.sound_s)

  def _image_s(self) -> float:
    block, image = divmod(self._next_image, self._clock.images_per_block)
    return float(self._clock.image_times_s(block)[image])

  def _show(self, picture: Picture | None) -> None:
    self._images += self._follower.push(picture)
    self._next_image += 1
    spacing_s = self._screen.spacing_s or 0.0
    seldom = picture is not None and spacing_s * MIN_PICTURES_PER_SECOND > 1
    if seldom:
      self.report.slowest_rate = min(self.report.slowest_rate, 1 / spacing_s)
    self._seldom.append(seldom)

  def _ready(self) -> list[Block]:
    blocks = []
    count = self._clock.images_per_block
    while self._waveforms and len(self._images) >= count:
      group = [self._images.popleft() for _ in range(count)]
      seldom = np.array([self._seldom.popleft() for _ in range(count)])
      self.report.images_too_seldom += int(seldom.sum())
      block = _without(seldom, _block(self._next_block, self._waveforms.popleft(), group, self._crop, self.report))
      blocks.append(self._images_before.put(block))
      self._next_block += 1
    return blocks


# Images uint8 [M,H,W] and their mask bool [M].
_Images = tuple[np.ndarray, np.ndarray]
# Of the performer, under None, and of other faces, by number.
_Last = dict[int | None, _Images]


class ImagesBefore:
  """Puts the last images of the time before in front of those of each block, as many as the clock asks for.

  Before a performer's images are the performer's, whoever that was, and before another face's its own. A face that was
  not seen in the block before has none.
  """

  def __init__(self, clock: Clock):
    self._count = clock.images_before
    self._last: _Last = {}

  def put(self, block: Block) -> Block:
    """The next block of the recording, with the images before its own."""
    if not self._count:
      return block
    before, self._last = self._last, {}
    images, mask = self._join(before, None, block.images, block.image_mask)
    faces = []
    for face in block.faces:
      face_images, face_mask = self._join(before, face.number, face.images, face.image_mask)
      faces.append(dataclasses.replace(face, images=face_images, image_mask=face_mask))
    return dataclasses.replace(block, images=images, image_mask=mask, faces=tuple(faces))

  def _join(self, before: _Last, number: int | None, images: np.ndarray, mask: np.ndarray) -> _Images:
    """A face's images before and its own, and their mask; the last of them are kept for the next block."""
    nothing = np.zeros((self._count, *images.shape[1:]), np.uint8), np.zeros(self._count, bool)
    images_before, mask_before = before.get(number, nothing)
    images, mask = np.concatenate([images_before, images]), np.concatenate([mask_before, mask])
    self._last[number] = images[-self._count :], mask[-self._count :]
    return images, mask


class _Sound:
  """Cuts sound into blocks' waveforms, int16 [S] each, while it comes in."""

  def __init__(self, clock: Clock):
    self._clock = clock
    self._pending = np.zeros(0, np.int16)
    self._offset = 0  # sample at which `_pending` starts
    self._next = 0
    self.received = 0  # samples of the source
    self.length = 0  # samples that are in, with the silence that stood in for them

  def push(self, samples: np.ndarray) -> list[np.ndarray]:
    """Takes the next samples of the source, but not those in whose place silence has been taken."""
    late = self.length - self.received
    self.received += len(samples)
    return self._add(samples[late:])

  def fill(self, count: int) -> list[np.ndarray]:
    """Takes silence in place of the samples that should come next."""
    return self._add(np.zeros(count, np.int16))

  def finish(self) -> list[np.ndarray]:
    """The waveforms that are partly empty."""
    clock, rest = self._clock, []
    for last in range(self._next, clock.num_blocks(self.length / clock.sample_rate_hz)):
      waveform = self._pending[clock.start_sample(last) - self._offset :][: clock.block_samples]
      rest.append(np.pad(waveform, (0, clock.block_samples - len(waveform))))
    return rest

  def _add(self, samples: np.ndarray) -> list[np.ndarray]:
    clock, whole = self._clock, []
    self.length += len(samples)
    self._pending = np.concatenate([self._pending, samples])
    while (start := clock.start_sample(self._next) - self._offset) + clock.block_samples <= len(self._pending):
      whole.append(self._pending[start : start + clock.block_samples].copy())
      self._next += 1
    passed = min(clock.start_sample(self._next) - self._offset, len(self._pending))
    self._pending, self._offset = self._pending[passed:], self._offset + passed
    return whole


class _FixedBox:
  """A face that stays where it is, in place of a `Follower`."""

  def __init__(self, box: Box | None):
    self._box = None if box is None else np.asarray(box, np.float64)

  def push(self, picture: Picture | None) -> list[TrackedImage]:
    return [TrackedImage(None, None) if picture is None else TrackedImage(picture.grey, self._box)]

  def finish(self) -> list[TrackedImage]:
    return []


def _check_box(box: Box | None) -> None:
  if box is not None:
    x, y, width, height = box
    if not (0 <= x < 1 and 0 <= y < 1 and 0 < width <= 1 - x + 1e-6 and 0 < height <= 1 - y + 1e-6):
      raise ValueError(f"face box is {box}; expected x, y, width, height as fractions inside the picture")


def _block(index: int, waveform: np.ndarray, group: list[TrackedImage], crop: Crop, report: Report) -> Block:
  for image in group:
    report.num_images += 1
    report.images_without_picture += image.grey is None
    report.images_without_face += image.grey is not None and image.box is None
  performer = _cut_out(group, [image.box for image in group], crop)
  shots = {face.number: face.shot for image in group for face in image.faces}
  faces = []
  for number, shot in sorted(shots.items()):
    boxes = [next((face.box for face in image.faces if face.number == number), None) for image in group]
    faces.append(FaceImages(number, shot, *_cut_out(group, boxes, crop)))
  return Block(index, waveform, *performer, faces=tuple(faces))


def _without(seldom: np.ndarray, block: Block) -> Block:
  """A block of which some images, bool [N], are masked, whosever face they show; boxes stay."""
  if not seldom.any():
    return block
  seen = ~seldom

  def masked(of: Block | FaceImages) -> dict[str, Any]:
    return {"images": of.images * seen[:, None, None], "image_mask": of.image_mask & seen}

  faces = tuple(dataclasses.replace(face, **masked(face)) for face in block.faces)
  return dataclasses.replace(block, **masked(block), faces=faces)


def _cut_out(
  group: Sequence[TrackedImage], face: Sequence[np.ndarray | None], crop: Crop
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """One face's images, which of them there are, and its boxes; [N,H,W], [N], [N,4] as `Block` has them."""
  images = np.zeros((len(group), crop.height_px, crop.width_px), np.uint8)
  boxes = np.full((len(group), 4), np.nan, np.float32)
  for n, (image, box) in enumerate(zip(group, face, strict=True)):
    if image.grey is not None and box is not None:
      images[n], boxes[n] = crop_face(image.grey, box, crop), box
  return images, ~np.isnan(boxes[:, 0]), boxes


def _summarise(report: Report, has_pictures: bool) -> None:
  """Says what is masked."""
  if has_pictures and report.images_without_picture:
    report.warnings.append(f"no picture for {report.images_without_picture} of {report.num_images} images")
  if report.images_without_face:
    report.warnings.append(f"no face in {report.images_without_face} of {report.num_images} images")
  if report.images_too_seldom:
    report.warnings.append(
      f"only {report.slowest_rate:.1f} pictures a second: lips cannot be followed in {report.images_too_seldom} of "
      f"{report.num_images} images, and the sound alone decides there"
    )
  if report.pictures_left_out:
    report.warnings.append(f"{report.pictures_left_out} pictures left out: repeated, or older than the one before")
