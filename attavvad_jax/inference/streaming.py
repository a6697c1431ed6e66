"""Detects in streams: scores input block by block, with the same result as for the whole file.

Axes: E events, N images of a block, S samples of a block.
"""

from collections.abc import Iterable, Mapping, Sequence
import contextlib
import dataclasses
import functools
from typing import Any, Self

from flax import linen as nn
from flax import struct
import jax
import numpy as np

from attavvad_jax.blocks import Block
from attavvad_jax.faces import Detect, FaceDetector
from attavvad_jax.inference.detector import Detector
from attavvad_jax.media import TimedFrame
from attavvad_jax.predict import BlockScores, predict
from attavvad_jax.recordings import BlockAssembler
from attavvad_jax.timeline import EVENTS, Clock, Event, others_meaning
from attavvad_jax.timeline.incremental import Settled, SmoothingState, advance, initial_state, lookahead_blocks

# Maximum lag between audio and video before the late stream counts as missing.
PATIENCE_S = 1.0


@dataclasses.dataclass(frozen=True)
class ScoredBlock:
  """The result of one block.

  Attributes:
    index: number of the block, from 0.
    scores: probabilities, numpy, without the axis B.
    boxes: the performer's face, float32 [N,4], as in `Block`.
    label: the most likely of `EVENTS` in this block alone; smoothing may change it.
  """

  index: int
  scores: BlockScores
  boxes: np.ndarray

  @property
  def label(self) -> str:
    return EVENTS[int(np.argmax(self.scores.decision))]


@dataclasses.dataclass(frozen=True)
class Update:
  """The new results of a push: blocks, final events, and warnings."""

  blocks: Sequence[ScoredBlock] = ()
  events: Sequence[Event] = ()
  warnings: Sequence[str] = ()


@struct.dataclass
class LabelRun:
  """The settled blocks since the last event ended: their label (negative before the first), first block, and scores."""

  label: int = -1
  first: int = 0
  blocks: int = 0
  total_score: float = 0.0


@struct.dataclass
class StreamState:
  """The state carried from block to block: a pytree that can be saved and restored."""

  smoothing: SmoothingState
  run: LabelRun


class StreamingDetector:
  """Scores audio and video as they arrive; use it in a `with` statement.

  A block is scored as soon as its last sample and a frame later than its last image have arrived. Its label is settled
  `lookahead_blocks` blocks later, when further input cannot change it, and an event is returned when the block after it
  is settled. Blocks and events equal those of `Detector.detect` with the same `box` and `face_lookahead_s`, up to
  floating-point rounding, however the input is split into pushes. If audio or video arrives more than `PATIENCE_S`
  after the other, it counts as missing.

  Entering the `with` block compiles one program, which scores every block. Memory does not grow with the length of the
  stream.

  Args:
    detector: network, clock, crop and smoothing.
    box: box of the performer's face, if it is known.
    has_video: whether video is expected; without it, every image is masked.
    face_lookahead_s: seconds that the choice of the performer looks ahead. Every block waits for them.
    detect: detects the faces of a frame; None for a `FaceDetector`.

  Raises:
    ValueError: the box is not inside the frame, or the smoothing looks too far ahead for a stream.
  """

  def __init__(
    self,
    detector: Detector,
    *,
    box: tuple[float, float, float, float] | None = None,
    has_video: bool = True,
    face_lookahead_s: float = 0.0,
    detect: Detect | None = None,
  ):
    self._detector = detector
    self._clock = detector.spec.clock
    self._box = box
    self._has_video = has_video
    self._face_lookahead_s = face_lookahead_s
    self._detect = detect
    self._step = jax.jit(functools.partial(step, model=detector.model, clock=self._clock))
    self._open = contextlib.ExitStack()
    self._recording = contextlib.ExitStack()
    self.lookahead_blocks = lookahead_blocks(detector.smoothing, self._clock)

  @property
  def sample_rate_hz(self) -> int:
    """Sample rate of the pushed samples."""
    return self._clock.sample_rate_hz

  @property
  def lookahead_s(self) -> float:
    """Seconds of input that must follow an event before it is returned: the next event must be settled."""
    return self._face_lookahead_s + (self.lookahead_blocks + 1) * self._clock.block_s

  def __enter__(self) -> Self:
    with contextlib.ExitStack() as stack:
      if self._detect is None and self._box is None and self._has_video:
        self._detect = stack.enter_context(FaceDetector())
      stack.enter_context(self._recording)
      self._begin()
      self._score(None)  # compiles before the first block arrives
      self._begin()
      self._open = stack.pop_all()
    return self

  def __exit__(self, *exception: object) -> None:
    self._open.close()

  def push(self, samples: np.ndarray, frames: Iterable[TimedFrame] = ()) -> Update:
    """Processes the input since the last push and returns the new results.

    Args:
      samples: the next samples, int16 [n], mono, at the clock's rate, without gaps.
      frames: the next video frames with their times in seconds after the first sample, in ascending order
        (`TimedFrame(time_s, Frame.from_rgb(rgb))`).

    Raises:
      ValueError: the samples have another type or shape.
    """
    samples = np.asarray(samples)
    if samples.dtype != np.int16 or samples.ndim != 1:
      raise ValueError(f"samples are {samples.dtype} {list(samples.shape)}; expected int16 [n], mono")
    self._assembler.push_samples(samples)
    for frame in frames:
      self._assembler.push_frame(frame)
    return self._update(self._assembler.take())

  def finish(self) -> Update:
    """Ends the stream and returns the remaining results; the next push starts another stream."""
    update = self._update(self._assembler.finish())
    events = list(update.events)
    for _ in range(self.lookahead_blocks):
      events += self._settle(self._score(None)[1])
    end_s = self._assembler.report.duration_s
    run = self.state.run
    if run.blocks:
      events.append(_event(run, self._clock, end_s))
    self._begin()
    return dataclasses.replace(update, events=events)

  def _begin(self) -> None:
    """Starts a recording."""
    self._recording.close()
    self.state = StreamState(initial_state(self._detector.smoothing, self._clock), LabelRun())
    self._assembler = self._recording.enter_context(
      BlockAssembler(
        self._clock,
        self._detector.spec.crop,
        self._detect,
        box=self._box,
        has_video=self._has_video,
        lookahead_s=self._face_lookahead_s,
        patience_s=PATIENCE_S,
      )
    )
    if not self._has_video:
      self._assembler.report.warnings.append(others_meaning(has_video=False))

  def _update(self, blocks: Iterable[Block]) -> Update:
    scored: list[ScoredBlock] = []
    events: list[Event] = []
    for block in blocks:
      scores, settled = self._score(block)
      scored.append(ScoredBlock(block.index, scores, block.boxes))
      events += self._settle(settled)
    warnings = self._assembler.report.warnings
    update = Update(scored, events, tuple(warnings))
    warnings.clear()
    return update

  def _score(self, block: Block | None) -> tuple[BlockScores, Settled]:
    """Runs the step for a block, or a step after the last block (None)."""
    clock, crop = self._clock, self._detector.spec.crop
    if block is None:
      block = Block(
        index=-1,
        waveform=np.zeros(clock.block_samples, np.int16),
        images=np.zeros((clock.num_images, crop.height_px, crop.width_px), np.uint8),
        image_mask=np.zeros(clock.num_images, bool),
        boxes=np.zeros((clock.images_per_block, 4), np.float32),
      )
    inputs = {key: getattr(block, key)[None] for key in ("waveform", "images", "image_mask")}
    # The state has a few hundred bytes. Kept in host memory, it never triggers a new compilation.
    smoothing, scores, settled = jax.device_get(
      self._step(self._detector.variables, self.state.smoothing, inputs, np.asarray(block.index >= 0))
    )
    self.state = dataclasses.replace(self.state, smoothing=smoothing)
    return scores, settled

  def _settle(self, settled: Settled) -> list[Event]:
    """Adds a settled block to the run; returns the event that it ends, if any."""
    label, run = int(settled.label), self.state.run
    if label < 0:
      return []
    ended = [_event(run, self._clock)] if run.blocks and label != run.label else []
    if ended or not run.blocks:
      run = LabelRun(label, run.first + run.blocks)
    total_score = run.total_score + float(settled.scores[label])
    self.state = dataclasses.replace(self.state, run=LabelRun(run.label, run.first, run.blocks + 1, total_score))
    return ended


def step(
  variables: Any,
  smoothing: SmoothingState,
  batch: Mapping[str, jax.Array | np.ndarray],
  is_block: jax.Array | np.ndarray,
  *,
  model: nn.Module,
  clock: Clock,
) -> tuple[SmoothingState, BlockScores, Settled]:
  """Scores one block and settles an earlier one; a pure function that the caller jits.

  Args:
    variables: variables of the network.
    smoothing: state that the previous step returned.
    batch: a batch of one block, as in `predict`.
    is_block: bool []; false in steps after the last block, which ignore the batch.
    model: the network.
    clock: the clock of the blocks.

  Returns:
    The state for the next step; the scores without the axis B; the settled block.
  """
  scores = jax.tree.map(lambda array: array[0], predict(variables, batch, model=model, clock=clock))
  smoothing, settled = advance(smoothing, scores.decision, is_block)
  return smoothing, scores, settled


def _event(run: LabelRun, clock: Clock, end_s: float = float("inf")) -> Event:
  offset_s = min(clock.start_s(run.first + run.blocks), end_s)
  return Event(clock.start_s(run.first), offset_s, EVENTS[run.label], run.total_score / run.blocks)
