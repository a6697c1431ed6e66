"""Detects in whole files with a checkpoint."""

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
from attavvad_jax.inference.choice import (
  NOBODY,
  FaceScores,
  face_rows,
  faces_by_appearance,
  find_rivals,
  performer_rows,
)
from attavvad_jax.inference.performer import Performer
from attavvad_jax.media import DEFAULT_TRACKS, MediaInfo, Tracks, probe
from attavvad_jax.notes import progress_bar
from attavvad_jax.predict import BATCH_SIZE, BlockScores, take
from attavvad_jax.recordings import Report, read_blocks
from attavvad_jax.timeline import Timeline, others_meaning, scores_to_timeline
from attavvad_jax.trained import TrainedModel, empty_batch

# Batches that may wait for the network while decoding continues; bounds the memory of a long file.
_MAX_WAITING = 8
# Faces that are seen for a shorter time get no timeline.
MIN_FACE_S = 1.0


@dataclasses.dataclass(frozen=True)
class Detection:
  """The result of one file, for the performer or for one of all faces.

  Attributes:
    timeline: the events, from the audio-visual output.
    scores: probabilities of every block, [B,...] numpy.
    boxes: the face, float32 [B,N,4]: x, y, width, height as fractions of the frame, NaN where it is not seen.
    report: missing or damaged parts of the input.
    face: number of the face, from 1, if each face has a detection; None for the performer.
  """

  timeline: Timeline
  scores: BlockScores
  boxes: np.ndarray
  report: Report
  face: int | None = None

  @property
  def decision(self) -> np.ndarray:
    """The scores that determine the events, [B,E]: fused if the model fuses, else those of the audio branch."""
    return np.asarray(self.scores.decision)


class Detector(TrainedModel):
  """A `TrainedModel` that detects in whole files.

  Args:
    checkpoint: a workdir, a checkpoint folder, or "shipped": the weights of the package. The attribute `name` keeps it.
    smoothing: fields of `Smoothing` that replace those of the checkpoint, such as {"min_duration_s": 1.0}.

  Raises:
    ValueError: there is no checkpoint at the path, its parameters do not fit its configuration, or a field of the
      smoothing is unknown or out of range.
  """

  def __call__(
    self, video: str | Path, performer: str | Performer = "prominent", tracks: Tracks = DEFAULT_TRACKS
  ) -> Timeline:
    """Returns the performer's timeline in one file; `detect` also returns scores, boxes and a report."""
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
    """Computes scores and timeline of one file. Apart from the scores, memory does not grow with its length.

    Args:
      video: any file with audio that FFmpeg reads. The report warns if another face fits the voice better than the
        performer's.
      performer: how the performer is chosen, see `Performer`.
      tracks: which of the file's audio and video tracks are used.
      info: result of `probe` for the file and these tracks, if it is known already.
      face_lookahead_s: seconds that the choice of a prominent performer looks ahead; streams use a smaller value.
      find_faces: detects the faces of a frame; if None, a `FaceDetector` is opened for this file. Pass an open one to
        detect in many files.

    Raises:
      ValueError: the file cannot be used; the message says why.
    """
    if isinstance(performer, str):
      performer = Performer.parse(performer)
    if performer.by in ("prominent", "box"):
      faces = "rivals" if performer.box is None else "performer"
      options = {"box": performer.box, "lookahead_s": face_lookahead_s, "detect": find_faces, "faces": faces}
      face_scores, report = self._scores(video, info or probe(video, tracks), _performer_and_rival_rows, options)
      chosen = np.flatnonzero(face_scores.faces == NOBODY)
    else:
      face_scores, report = self._all_scores(video, info or probe(video, tracks), find_faces)
      chosen = performer_rows(face_scores, performer, self.spec.clock)
    if performer.by != "vocal":
      report.warnings += [str(rival) for rival in find_rivals(face_scores, chosen, self.spec.clock)]
    scores = take(face_scores.scores, chosen)
    timeline = scores_to_timeline(np.asarray(scores.decision), self.spec.clock, report.duration_s, self.smoothing)
    return Detection(timeline, scores, face_scores.boxes[chosen], report)

  def detect_faces(
    self,
    video: str | Path,
    *,
    tracks: Tracks = DEFAULT_TRACKS,
    info: MediaInfo | None = None,
    find_faces: Detect | None = None,
  ) -> list[Detection]:
    """Computes scores and timeline of every face that is seen for a second or more, in order of appearance.

    A face is followed within one shot: after a cut, or after five seconds out of sight, it counts as another face. Its
    timeline has events from its first to its last sighting, and gaps before and after. In blocks without it, its scores
    depend on the audio alone.

    Args:
      video: as in `detect`.
      tracks: as in `detect`.
      info: as in `detect`.
      find_faces: as in `detect`.

    Raises:
      ValueError: the file cannot be used, or no face is seen for a second or more.
    """
    clock = self.spec.clock
    face_scores, report = self._all_scores(video, info or probe(video, tracks), find_faces)
    faces, fleeting = faces_by_appearance(face_scores, math.ceil(MIN_FACE_S * clock.block_rate_hz))
    if not faces:
      raise ValueError(f"{video}: no face is seen for {MIN_FACE_S:g} s or more; expected at least one")
    if fleeting:
      report.warnings.append(f"dropped faces that are seen for less than {MIN_FACE_S:g} s: {fleeting}")
    detections = []
    for number, face in enumerate(faces, start=1):
      rows = face_rows(face_scores, face)
      scores = take(face_scores.scores, rows)
      blocks = face_scores.blocks[face_scores.faces == face]
      timeline = self._timeline_within(np.asarray(scores.decision), blocks[0], blocks[-1] + 1, report.duration_s)
      detections.append(Detection(timeline, scores, face_scores.boxes[rows], report, number))
    return detections

  def score(self, blocks: Iterable[Block]) -> BlockScores:
    """Scores given blocks. [B,...] numpy."""
    return self._score(self._batches((row for block in blocks for row in _performer_rows(block)), []))

  def _timeline_within(self, scores: np.ndarray, first: int, end: int, duration_s: float) -> Timeline:
    """Returns the timeline of the blocks `first` to `end` (exclusive), without events in the others."""
    start_s = self.spec.clock.start_s(first)
    within = scores_to_timeline(scores[first:end], self.spec.clock, duration_s - start_s, self.smoothing)
    events = (
      dataclasses.replace(event, onset_s=start_s + event.onset_s, offset_s=min(start_s + event.offset_s, duration_s))
      for event in within
    )
    return Timeline(events, duration_s)

  def _all_scores(self, video: str | Path, info: MediaInfo, find_faces: Detect | None) -> tuple[FaceScores, Report]:
    """Scores every block once for each face in it and once without a face."""
    return self._scores(video, info, _all_rows, {"faces": "all", "detect": find_faces})

  def _scores(
    self,
    video: str | Path,
    info: MediaInfo,
    rows_of: Callable[[Block], Iterator["_Row"]],
    options: Mapping[str, Any],
  ) -> tuple[FaceScores, Report]:
    """Scores the rows that `rows_of` yields for each block; `options` are those of `read_blocks`."""
    report = Report()
    blocks = progress_bar(
      read_blocks(video, self.spec.clock, self.spec.crop, info=info, report=report, **options),
      desc=Path(video).name,
      unit="block",
      total=self.spec.clock.num_blocks(info.duration_s) if info.duration_s else None,
      disable=None,  # shown on a terminal only
      leave=False,
    )
    rows: list[_Row] = []
    scores = self._score(self._batches((row for block in blocks for row in rows_of(block)), rows))
    if not report.has_video:
      report.warnings.append(others_meaning(has_video=False))
    blocks, faces, shots = (np.array([row[column] for row in rows]) for column in range(3))
    return FaceScores(blocks, faces, shots, np.stack([row.boxes for row in rows]), scores), report

  def _batches(self, rows: Iterable["_Row"], seen: list["_Row"]) -> Iterator[tuple[Mapping[str, np.ndarray], int]]:
    """Yields fixed-size batches with the number of rows in each, and appends the rows without inputs to `seen`."""
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
    """Scores batches in a thread, so that the network compiles while the video is decoded."""
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
  """One input of the network: a block with the images of one face, or with masked images."""

  block: int
  face: int
  shot: int
  boxes: np.ndarray
  inputs: Mapping[str, np.ndarray]


def _performer_rows(block: Block) -> Iterator[_Row]:
  """Yields the block with the face that was followed during reading."""
  inputs = {"waveform": block.waveform, "images": block.images, "image_mask": block.image_mask}
  yield _Row(block.index, NOBODY, NOBODY, block.boxes, inputs)


def _performer_and_rival_rows(block: Block) -> Iterator[_Row]:
  """Yields the block with the face that was followed during reading, then with each other face in it."""
  yield from _performer_rows(block)
  yield from _face_rows(block)


def _all_rows(block: Block) -> Iterator[_Row]:
  """Yields the block without a face, then with each face in it."""
  inputs = {
    "waveform": block.waveform,
    "images": np.zeros_like(block.images),
    "image_mask": np.zeros_like(block.image_mask),
  }
  yield _Row(block.index, NOBODY, NOBODY, np.full_like(block.boxes, np.nan), inputs)
  yield from _face_rows(block)


def _face_rows(block: Block) -> Iterator[_Row]:
  """Yields the block with each face of `block.faces`."""
  for face in block.faces:
    inputs = {"waveform": block.waveform, "images": face.images, "image_mask": face.image_mask}
    yield _Row(block.index, face.number, face.shot, face.boxes, inputs)
