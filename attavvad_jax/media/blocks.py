"""A recording as blocks: what training and detection share.

Axes: S samples of a block, N images of a block, H, W image.
"""

from collections import deque
from collections.abc import Iterable, Iterator
import contextlib
import dataclasses
import itertools
import os

import numpy as np

from attavvad_jax.clock import Clock
from attavvad_jax.media.decode import MediaInfo, Picture, probe, read_pictures, read_sound
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.faces import Crop, Detect, FaceDetector, TrackedImage, crop_face, follow_performer


@dataclasses.dataclass(frozen=True)
class Block:
  """One block of one recording.

  Attributes:
    index: number of the block, from 0.
    waveform: int16 [S], zeros after the sound has ended.
    images: uint8 [N,H,W] grey face crops, zeros where masked.
    image_mask: bool [N], false where there is no picture or no face.
    boxes: float32 [N,4] face box x, y, width, height as fractions of the displayed picture, NaN where masked.
  """

  index: int
  waveform: np.ndarray
  images: np.ndarray
  image_mask: np.ndarray
  boxes: np.ndarray


@dataclasses.dataclass
class Report:
  """What was read; complete when the last block has been.

  Attributes:
    duration_s: length of the sound, which is that of the recording.
    num_blocks: blocks that cover it.
    num_images: images of these blocks.
    images_without_picture: images at times for which the file has no picture.
    images_without_face: images that have a picture, and no face of the performer in it.
    warnings: one line each for what is missing or damaged.
  """

  duration_s: float = 0.0
  num_blocks: int = 0
  num_images: int = 0
  images_without_picture: int = 0
  images_without_face: int = 0
  warnings: list[str] = dataclasses.field(default_factory=list)


def read_blocks(
  path: str | os.PathLike[str],
  clock: Clock,
  crop: Crop,
  *,
  box: tuple[float, float, float, float] | None = None,
  report: Report | None = None,
  detect: Detect | None = None,
) -> Iterator[Block]:
  """Reads a recording block by block, in one pass and in memory that does not grow with its length.

  The sound decides how long the recording is: pictures beyond its end are left out, missing ones are masked.

  Args:
    path: any file with sound that FFmpeg reads. Without pictures every image is masked, and the report says so.
    clock: cuts sound and pictures into blocks.
    crop: size of the face images.
    box: x, y, width, height of the performer's face as fractions of the displayed picture. It stays where it is for the
      whole recording, and no face is looked for.
    report: is filled while blocks are read.
    detect: finds the faces of a picture; where None, a `FaceDetector` lives as long as the iterator. Give an open one
      to read many files.

  Returns:
    An iterator over all `clock.num_blocks(duration)` blocks in order.

  Raises:
    OSError: the file is missing, a folder or not readable.
    MediaError: it cannot be decoded, has no sound, or the face detector cannot start.
    ValueError: the box is not inside the picture.
  """
  if box is not None:
    x, y, width, height = box
    if not (0 <= x < 1 and 0 <= y < 1 and 0 < width <= 1 - x + 1e-6 and 0 < height <= 1 - y + 1e-6):
      raise ValueError(f"face box is {box}; expected x, y, width, height as fractions inside the picture")
  report = Report() if report is None else report
  info = probe(path)
  if not info.has_sound:
    raise MediaError(f"{path}: no sound in this file; expected a video with sound")
  return _blocks(path, info, clock, crop, box, report, detect)


def _blocks(
  path: str | os.PathLike[str],
  info: MediaInfo,
  clock: Clock,
  crop: Crop,
  box: tuple[float, float, float, float] | None,
  report: Report,
  detect: Detect | None,
) -> Iterator[Block]:
  waveforms: deque[np.ndarray] = deque()

  def image_times() -> Iterator[float]:
    """Times of the images of those blocks that have sound; their waveforms wait for the images."""
    sound = read_sound(path, clock.sample_rate_hz, info=info, warnings=report.warnings)
    for index, waveform in enumerate(_waveforms(sound, clock, report)):
      waveforms.append(waveform)
      yield from clock.image_times_s(index)

  with contextlib.ExitStack() as stack:
    pictures: Iterable[Picture | None]
    if info.has_pictures:
      pictures = read_pictures(path, image_times(), info=info, warnings=report.warnings)
    else:
      report.warnings.append("no pictures in this file: every image is masked")
      pictures = (None for _ in image_times())
    images: Iterator[TrackedImage]
    if box is not None or not info.has_pictures:
      images = _in_box(pictures, box)
    else:
      if detect is None:
        detect = stack.enter_context(FaceDetector())
      per_second = clock.block_rate_hz * clock.images_per_block
      followed = follow_performer(pictures, detect, per_second, clock.images_per_block)
      # Closed before the detector is, even if the caller stops half-way: detections may be under way.
      images = stack.enter_context(contextlib.closing(followed))
    for index in itertools.count():
      group = list(itertools.islice(images, clock.images_per_block))
      if not group:
        break
      yield _block(index, waveforms.popleft(), group, crop, report)
  _summarise(report, info.has_pictures)


def _waveforms(sound: Iterator[np.ndarray], clock: Clock, report: Report) -> Iterator[np.ndarray]:
  """Cuts the sound into blocks, int16 [S] each, and notes its length."""
  pending = np.zeros(0, np.int16)
  offset = 0  # sample at which `pending` starts
  index = 0
  for piece in sound:
    pending = np.concatenate([pending, piece])
    while (start := clock.start_sample(index) - offset) + clock.block_samples <= len(pending):
      yield pending[start : start + clock.block_samples].copy()
      index += 1
    passed = min(clock.start_sample(index) - offset, len(pending))
    pending, offset = pending[passed:], offset + passed
  report.duration_s = (offset + len(pending)) / clock.sample_rate_hz
  report.num_blocks = clock.num_blocks(report.duration_s)
  for last in range(index, report.num_blocks):
    rest = pending[clock.start_sample(last) - offset :][: clock.block_samples]
    yield np.pad(rest, (0, clock.block_samples - len(rest)))


def _in_box(
  pictures: Iterable[Picture | None], box: tuple[float, float, float, float] | None
) -> Iterator[TrackedImage]:
  """Pictures in grey, each with the same box."""
  for picture in pictures:
    yield TrackedImage(None, None) if picture is None else TrackedImage(picture.grey, np.asarray(box, np.float64))


def _block(index: int, waveform: np.ndarray, group: list[TrackedImage], crop: Crop, report: Report) -> Block:
  images = np.zeros((len(group), crop.height_px, crop.width_px), np.uint8)
  boxes = np.full((len(group), 4), np.nan, np.float32)
  for n, (grey, box) in enumerate(group):
    report.num_images += 1
    if grey is None:
      report.images_without_picture += 1
    elif box is None:
      report.images_without_face += 1
    else:
      images[n], boxes[n] = crop_face(grey, box, crop), box
  return Block(index, waveform, images, ~np.isnan(boxes[:, 0]), boxes)


def _summarise(report: Report, has_pictures: bool) -> None:
  """Says what is masked."""
  if has_pictures and report.images_without_picture:
    report.warnings.append(f"no picture for {report.images_without_picture} of {report.num_images} images")
  if report.images_without_face:
    report.warnings.append(f"no face in {report.images_without_face} of {report.num_images} images")
