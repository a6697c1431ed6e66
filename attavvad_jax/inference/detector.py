"""A checkpoint as a detector of whole files."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
import dataclasses
import math
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from attavvad_jax.blocks import Block
from attavvad_jax.faces import LOOKAHEAD_S, Detect
from attavvad_jax.inference.choice import NOBODY, FaceScores, face_rows, faces_by_appearance, performer_rows
from attavvad_jax.inference.performer import Performer
from attavvad_jax.media import DEFAULT_TRACKS, MediaInfo, Tracks, probe
from attavvad_jax.notes import progress_bar
from attavvad_jax.predict import BATCH_SIZE, BlockScores, take
from attavvad_jax.recordings import Report, read_blocks
from attavvad_jax.timeline import Timeline, others_meaning, scores_to_timeline
from attavvad_jax.trained import TrainedModel, empty_batch

# Batches that may wait for the network while the video is read on; bounds the memory of a long file.
_MAX_WAITING = 8
# Faces that are seen for less than this get no timeline of their own.
MIN_FACE_S = 1.0


@dataclasses.dataclass(frozen=True)
class Detection:
  """What was found in one file.

  Attributes:
    timeline: the performer's events, of the audio-visual output; or those of one of all faces.
    scores: probabilities of every block, [B,...] numpy.
    boxes: the performer's face, float32 [B,N,4]: x, y, width, height as fractions of the frame, NaN where not seen.
    report: what was missing or damaged.
    face: its number, from 1, where there is a detection for each face; None for the performer's.
  """

  timeline: Timeline
  scores: BlockScores
  boxes: np.ndarray
  report: Report
  face: int | None = None

  @property
  def decision(self) -> np.ndarray:
    """The scores that decided, [B,E]: fused where the model fuses, else of the audio branch."""
    return np.asarray(self.scores.decision)


class Detector(TrainedModel):
  """A `TrainedModel` that detects in whole files.

  Args:
    checkpoint: what training wrote, or "shipped": the weights that come with the package. It is kept as `name`.

  Raises:
    ValueError: no checkpoint at the path, or one whose parameters do not fit its own configuration.
  """

  def __call__(
    self, video: str | Path, performer: str | Performer = "prominent", tracks: Tracks = DEFAULT_TRACKS
  ) -> Timeline:
    """The performer's timeline in one file; `detect` gives more than that."""
    return self.detect(video, performer=performer, tracks=tracks).timeline

  def detect(
    self,
    video: str | Path,
    *,
    performer: str | Performer = "prominent",
    tracks: Tracks = DEFAULT_TRACKS,
    info: MediaInfo | None = None,
    face_lookahead_s: float = LOOKAHEAD_S,
    find_faces: Detect | None = None,
  ) -> Detection:
    """Scores and timeline of one file; memory is flat in its length but for the scores.

    Args:
      video: any file with sound that FFmpeg reads.
      performer: whose timeline it is, as `Performer` says.
      tracks: which of the file's sound and pictures are used.
      info: what `probe` says of the file and these tracks, where it has been asked already.
      face_lookahead_s: how far the choice of a prominent performer looks ahead; streams look less far.
      find_faces: finds the faces of a picture; where None, a `FaceDetector` is opened for this file. Give an open one
        to detect in many files.

    Raises:
      ValueError: the file cannot be used; says why.
    """
    if isinstance(performer, str):
      performer = Performer.parse(performer)
    if performer.by in ("prominent", "box"):
      options = {"box": performer.box, "lookahead_s": face_lookahead_s, "detect": find_faces}
      found, report = self._scores(video, info or probe(video, tracks), _performer_rows, options)
      chosen = np.arange(len(found.blocks))
    else:
      found, report = self._all_scores(video, info or probe(video, tracks), find_faces)
      chosen = performer_rows(found, performer, self.spec.clock)
    scores = take(found.scores, chosen)
    timeline = scores_to_timeline(np.asarray(scores.decision), self.spec.clock, report.duration_s, self.smoothing)
    return Detection(timeline, scores, found.boxes[chosen], report)

  def detect_faces(
    self,
    video: str | Path,
    *,
    tracks: Tracks = DEFAULT_TRACKS,
    info: MediaInfo | None = None,
    find_faces: Detect | None = None,
  ) -> list[Detection]:
    """Scores and timeline of every face that is seen for a second or more, in order of appearance.

    A face is what can be followed within a shot: after a cut, or five seconds out of sight, it is another. Its timeline
    has events from where it is first seen to where it is last seen, and a gap before and after. Where it is not seen,
    its scores are those of the sound alone.

    Args:
      video: as `detect` takes it.
      tracks: likewise.
      info: likewise.
      find_faces: likewise.

    Raises:
      ValueError: the file cannot be used, or no face is seen in it.
    """
    clock = self.spec.clock
    found, report = self._all_scores(video, info or probe(video, tracks), find_faces)
    faces, fleeting = faces_by_appearance(found, math.ceil(MIN_FACE_S * clock.block_rate_hz))
    if not faces:
      raise ValueError(f"{video}: no face is seen for {MIN_FACE_S:g} s or more; expected one at least")
    if fleeting:
      report.warnings.append(f"faces left out that are seen for less than {MIN_FACE_S:g} s: {fleeting}")
    detections = []
    for number, face in enumerate(faces, start=1):
      rows = face_rows(found, face)
      scores = take(found.scores, rows)
      blocks = found.blocks[found.faces == face]
      timeline = self._timeline_within(np.asarray(scores.decision), blocks[0], blocks[-1] + 1, report.duration_s)
      detections.append(Detection(timeline, scores, found.boxes[rows], report, number))
    return detections

  def score(self, blocks: Iterable[Block]) -> BlockScores:
    """Scores of blocks that have been read, or put together, elsewhere. [B,...] numpy."""
    return self._score(self._batches((row for block in blocks for row in _performer_rows(block)), []))

  def _timeline_within(self, scores: np.ndarray, first: int, end: int, duration_s: float) -> Timeline:
    """The timeline of the blocks from `first` until before `end`; nothing is said of the others."""
    start_s = self.spec.clock.start_s(first)
    within = scores_to_timeline(scores[first:end], self.spec.clock, duration_s - start_s, self.smoothing)
    events = (
      dataclasses.replace(event, onset_s=start_s + event.onset_s, offset_s=min(start_s + event.offset_s, duration_s))
      for event in within
    )
    return Timeline(events, duration_s)

  def _all_scores(self, video: str | Path, info: MediaInfo, find_faces: Detect | None) -> tuple[FaceScores, Report]:
    """Scores of all faces, and of nobody's."""
    return self._scores(video, info, _all_rows, {"all_faces": True, "detect": find_faces})

  def _scores(
    self,
    video: str | Path,
    info: MediaInfo,
    rows_of: Callable[[Block], Iterator["_Row"]],
    options: Mapping[str, Any],
  ) -> tuple[FaceScores, Report]:
    """Scores of the rows that are made of each block; `options` are those of `read_blocks`."""
    report = Report()
    blocks = progress_bar(
      read_blocks(video, self.spec.clock, self.spec.crop, info=info, report=report, **options),
      desc=Path(video).name,
      unit="block",
      total=self.spec.clock.num_blocks(info.duration_s) if info.duration_s else None,
      disable=None,  # only where somebody watches
      leave=False,
    )
    rows: list[_Row] = []
    scores = self._score(self._batches((row for block in blocks for row in rows_of(block)), rows))
    if not report.has_video:
      report.warnings.append(others_meaning(has_video=False))
    blocks, faces, shots = (np.array([row[column] for row in rows]) for column in range(3))
    return FaceScores(blocks, faces, shots, np.stack([row.boxes for row in rows]), scores), report

  def _batches(self, rows: Iterable["_Row"], seen: list["_Row"]) -> Iterator[tuple[Mapping[str, np.ndarray], int]]:
    """Fixed-size batches with the number of rows in each; what is not for the network is kept aside."""
    batch, filled = empty_batch(self.spec, BATCH_SIZE), 0
    for row in rows:
      for key in batch:
        batch[key][filled] = row.inputs[key]
      seen.append(row._replace(inputs={}))
      filled += 1
      if filled == BATCH_SIZE:
        yield batch, filled
        batch, filled = empty_batch(self.spec, BATCH_SIZE), 0
    if filled:
      yield batch, filled

  def _score(self, batches: Iterable[tuple[Mapping[str, np.ndarray], int]]) -> BlockScores:
    """Scores batches in a thread of its own, so that the network is read and compiled while the video is decoded."""
    with ThreadPoolExecutor(1) as worker:
      worker.submit(lambda: self.predict(empty_batch(self.spec, BATCH_SIZE)))
      waiting: list[Future[BlockScores]] = []
      parts: list[BlockScores] = []
      for batch, filled in batches:
        waiting.append(worker.submit(self._score_batch, batch, filled))
        if len(waiting) > _MAX_WAITING:
          parts.append(waiting.pop(0).result())
      parts += [future.result() for future in waiting]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)

  def _score_batch(self, batch: Mapping[str, np.ndarray], filled: int) -> BlockScores:
    return take(self.predict(batch), slice(filled))


class _Row(NamedTuple):
  """What is scored: a block with the images of one face, or of nobody."""

  block: int
  face: int
  shot: int
  boxes: np.ndarray
  inputs: Mapping[str, np.ndarray]


def _performer_rows(block: Block) -> Iterator[_Row]:
  """The block with the face that was followed while it was read."""
  inputs = {"waveform": block.waveform, "images": block.images, "image_mask": block.image_mask}
  yield _Row(block.index, NOBODY, NOBODY, block.boxes, inputs)


def _all_rows(block: Block) -> Iterator[_Row]:
  """The block with nobody's face, and with that of each who is seen in it."""
  inputs = {
    "waveform": block.waveform,
    "images": np.zeros_like(block.images),
    "image_mask": np.zeros_like(block.image_mask),
  }
  yield _Row(block.index, NOBODY, NOBODY, np.full_like(block.boxes, np.nan), inputs)
  for face in block.faces:
    inputs = {"waveform": block.waveform, "images": face.images, "image_mask": face.image_mask}
    yield _Row(block.index, face.number, face.shot, face.boxes, inputs)
