"""Assembles blocks from audio and video while they come in, for files and streams alike.

Axes: S samples of a block, N images of a block, M images before a block and its own, H, W image.
"""

from collections import deque
from collections.abc import Sequence
import dataclasses
import math
from typing import Any, Literal, Self

import numpy as np

from attavvad_jax.blocks import Block, Crop, FaceImages, ImagesBefore
from attavvad_jax.faces import LOOKAHEAD_S, Detect, FaceTracker, TrackedImage, crop_face
from attavvad_jax.faces.boxes import SAME_FACE_IOU, iou
from attavvad_jax.faces.part import FramePart
from attavvad_jax.media.frame import Frame, FrameSampler, TimedFrame
from attavvad_jax.recordings.boxes import Box, check_box
from attavvad_jax.recordings.report import Report, summarize
from attavvad_jax.timeline import Clock

# At lower frame rates, lips cannot be followed: a speaking mouth looks like a silent one.
MIN_FRAMES_PER_SECOND = 4.5

Faces = Literal["performer", "rivals", "all"]
# Height of a rival's face, as a fraction of the performer's: people in the audience have smaller faces.
_RIVAL_HEIGHT = 1 / 3


class BlockAssembler:
  """Assembles blocks from audio and video while they come in; use it in a `with` statement.

  The audio defines the length of the recording: frames beyond its end are left out, images without a frame are masked.
  A block is ready once its last sample has come in, and a frame later than `lookahead_s` after its last image. Memory
  does not grow with the length of the recording as long as audio and video come in at the same pace, which `patience_s`
  enforces.

  Args:
    clock: cuts audio and video into blocks.
    crop: size of the face images.
    detect: detects the faces of a frame; not needed with a box or without video.
    box: box of the performer's face, if it is known.
    has_video: whether video is expected.
    lookahead_s: how far the choice of the performer looks ahead.
    patience_s: maximum lag between audio and video before the late stream counts as missing: an image then shows the
      last displayed frame, and audio is silence. Samples and frames that come in too late are left out. Infinite where
      the whole recording is available.
    report: filled in; its warnings list what is missing.
    faces: the faces whose images blocks contain, beside those of the performer: "performer" for none, "rivals" for
      other faces of at least half the performer's height, "all" for every face, including the performer's.

  Raises:
    ValueError: the box is not inside the frame.
  """

  def __init__(
    self,
    clock: Clock,
    crop: Crop,
    detect: Detect | None,
    *,
    box: Box | None = None,
    has_video: bool = True,
    lookahead_s: float = LOOKAHEAD_S,
    patience_s: float = math.inf,
    report: Report | None = None,
    faces: Faces = "performer",
  ):
    check_box(box)
    self.report = Report() if report is None else report
    self._clock, self._crop, self._patience_s = clock, crop, patience_s
    self._has_video = has_video
    self._faces: Faces = faces
    self._tracker: FaceTracker | _FixedBox
    if box is not None or not has_video:
      self._tracker = _FixedBox(box)
    else:
      assert detect is not None
      self._tracker = FaceTracker(
        detect,
        clock.block_rate_hz * clock.images_per_block,
        clock.images_per_block,
        lookahead_s,
        all_faces=faces != "performer",
      )
    self._audio = _Waveforms(clock)
    self._sampler = FrameSampler()
    self._waveforms: deque[np.ndarray] = deque()
    self._images: deque[TrackedImage] = deque()
    self._seldom: deque[bool] = deque()  # for each waiting image, whether frames came too seldom to follow lips
    self._images_before = ImagesBefore(clock)
    self._next_image = 0  # number of the next image to sample
    self._next_block = 0
    self._late_frames = self._late_audio = False
    if not has_video:
      self._sampler.end()
      self.report.warnings.append("no video: every image is masked")

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *exception: object) -> None:
    if isinstance(self._tracker, FaceTracker):
      self._tracker.close()

  @property
  def audio_s(self) -> float:
    """Seconds of audio so far, including silence in place of missing audio."""
    return self._audio.length / self._clock.sample_rate_hz

  def push_samples(self, samples: np.ndarray) -> None:
    """Takes the next samples, int16 [n]."""
    late = self._audio.length - self._audio.received
    if self._late_audio and len(samples) > late:
      self._late_audio = False
      self.report.warnings.append(f"audio again from {self.audio_s:.2f} s")
    self._waveforms += self._audio.push(samples)

  def push_frame(self, frame: TimedFrame) -> None:
    """Takes the next frame; leaves it out if it is not later than the frame before."""
    if not self._sampler.push(frame):
      self.report.frames_left_out += 1
    missing_s = frame.time_s - self._patience_s - self.audio_s
    if missing_s > 0:
      if not self._late_audio:
        self._late_audio = True
        self.report.warnings.append(f"no audio from {self.audio_s:.2f} s: silence is used until it comes")
      self._waveforms += self._audio.fill(round(missing_s * self._clock.sample_rate_hz))

  def end_video(self) -> None:
    """Marks the end of the video."""
    self._sampler.end()

  def waits_for_frame(self) -> bool:
    """Returns whether a block, whose audio has begun, needs another frame first."""
    return self._image_is_due() and not self._sampler.knows(self._image_s())

  def take(self) -> list[Block]:
    """Returns the blocks that have become ready."""
    while self._image_is_due():
      time_s = self._image_s()
      late = not self._sampler.knows(time_s)
      if late and self.audio_s <= time_s + self._patience_s:
        break
      if late != self._late_frames:
        self._late_frames = late
        what = f"no video from {time_s:.2f} s" if late else f"video again from {time_s:.2f} s"
        self.report.warnings.append(what)
      self._show(self._sampler.at(time_s))
    return self._ready()

  def finish(self) -> list[Block]:
    """Returns the remaining blocks, at the end of audio and video."""
    self._sampler.end()
    self._waveforms += self._audio.finish()
    while self._image_is_due():
      self._show(self._sampler.at(self._image_s()))
    self._images += self._tracker.finish()
    blocks = self._ready()
    self.report.duration_s = self.audio_s
    self.report.num_blocks = self._next_block
    summarize(self.report, self._has_video)
    return blocks

  def _image_is_due(self) -> bool:
    """Returns whether the audio has reached the block of the next image."""
    return self._next_image // self._clock.images_per_block < self._clock.num_blocks(self.audio_s)

  def _image_s(self) -> float:
    block, image = divmod(self._next_image, self._clock.images_per_block)
    return float(self._clock.image_times_s(block)[image])

  def _show(self, frame: Frame | None) -> None:
    self._images += self._tracker.push(frame)
    self._next_image += 1
    spacing_s = self._sampler.spacing_s or 0.0
    seldom = frame is not None and spacing_s * MIN_FRAMES_PER_SECOND > 1
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
      waveform = self._waveforms.popleft()
      block = _block(self._next_block, waveform, group, self._crop, self._faces, self.report)
      blocks.append(self._images_before.put(_without(seldom, block)))
      self._next_block += 1
    return blocks


class _Waveforms:
  """Cuts audio into the waveforms of blocks, int16 [S] each, while it comes in."""

  def __init__(self, clock: Clock):
    self._clock = clock
    # Before the recording there is silence.
    self._pending = np.zeros(clock.samples_before, np.int16)
    self._offset = -clock.samples_before  # sample at which `_pending` starts
    self._next = 0
    self.received = 0  # samples from the source so far
    self.length = 0  # samples so far, including silence in place of missing ones

  def push(self, samples: np.ndarray) -> list[np.ndarray]:
    """Takes the next samples of the source; leaves out those that silence has replaced."""
    late = self.length - self.received
    self.received += len(samples)
    return self._add(samples[late:])

  def fill(self, count: int) -> list[np.ndarray]:
    """Takes `count` samples of silence in place of missing samples."""
    return self._add(np.zeros(count, np.int16))

  def finish(self) -> list[np.ndarray]:
    """Returns the remaining waveforms, padded with zeros."""
    clock, rest = self._clock, []
    for last in range(self._next, clock.num_blocks(self.length / clock.sample_rate_hz)):
      waveform = self._pending[self._start(last) :][: clock.block_samples]
      rest.append(np.pad(waveform, (0, clock.block_samples - len(waveform))))
    return rest

  def _add(self, samples: np.ndarray) -> list[np.ndarray]:
    clock, whole = self._clock, []
    self.length += len(samples)
    self._pending = np.concatenate([self._pending, samples])
    while (start := self._start(self._next)) + clock.block_samples <= len(self._pending):
      whole.append(self._pending[start : start + clock.block_samples].copy())
      self._next += 1
    passed = min(self._start(self._next), len(self._pending))
    self._pending, self._offset = self._pending[passed:], self._offset + passed
    return whole

  def _start(self, block: int) -> int:
    """Returns the index in `_pending` at which a block's waveform starts."""
    return self._clock.start_sample(block) - self._clock.samples_before - self._offset


class _FixedBox:
  """Gives every image the same box, in place of a `FaceTracker`."""

  def __init__(self, box: Box | None):
    self._box = None if box is None else np.asarray(box, np.float64)

  def push(self, frame: Frame | None) -> list[TrackedImage]:
    return [TrackedImage(None, None) if frame is None else TrackedImage(FramePart.whole(frame.gray), self._box)]

  def finish(self) -> list[TrackedImage]:
    return []


def _block(
  index: int, waveform: np.ndarray, group: list[TrackedImage], crop: Crop, kept: Faces, report: Report
) -> Block:
  for image in group:
    report.num_images += 1
    report.images_without_frame += image.gray is None
    report.images_without_face += image.gray is not None and image.box is None
  performer_boxes = [image.box for image in group]
  performer = _cut_out(group, performer_boxes, crop)
  shots = {face.number: face.shot for image in group for face in image.faces}
  faces = []
  for number, shot in sorted(shots.items()):
    boxes = [next((face.box for face in image.faces if face.number == number), None) for image in group]
    if kept == "all" or _is_rival(boxes, performer_boxes):
      faces.append(FaceImages(number, shot, *_cut_out(group, boxes, crop)))
  return Block(index, waveform, *performer, faces=tuple(faces))


def _is_rival(boxes: Sequence[np.ndarray | None], performer_boxes: Sequence[np.ndarray | None]) -> bool:
  """Returns whether a face is seen beside the performer's, and is not much smaller."""
  pairs = [
    (box, performer)
    for box, performer in zip(boxes, performer_boxes, strict=True)
    if box is not None and performer is not None
  ]
  return bool(pairs) and all(
    iou(box, performer) < SAME_FACE_IOU and box[3] >= _RIVAL_HEIGHT * performer[3] for box, performer in pairs
  )


def _without(seldom: np.ndarray, block: Block) -> Block:
  """Masks the images of a block where `seldom`, bool [N], is true, for all faces; keeps the boxes."""
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
  """Returns one face's images [N,H,W], their mask [N] and the boxes [N,4], as in `Block`."""
  images = np.zeros((len(group), crop.height_px, crop.width_px), np.uint8)
  boxes = np.full((len(group), 4), np.nan, np.float32)
  for n, (image, box) in enumerate(zip(group, face, strict=True)):
    if image.gray is not None and box is not None:
      images[n], boxes[n] = crop_face(image.gray, box, crop), box
  return images, ~np.isnan(boxes[:, 0]), boxes
