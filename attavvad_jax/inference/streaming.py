"""A detector of streams: what comes in is scored block by block, with the result that the whole file would have given.

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

# How much longer sound may be than pictures, and pictures than sound, before the shorter is taken for missing.
PATIENCE_S = 1.0


@dataclasses.dataclass(frozen=True)
class ScoredBlock:
  """What was found in one block.

  Attributes:
    index: number of the block, from 0.
    scores: its probabilities, numpy, without the axis B.
    boxes: the performer's face, float32 [N,4], as in `Block`.
    label: the most likely of `EVENTS` in this block by itself; smoothing may decide otherwise.
  """

  index: int
  scores: BlockScores
  boxes: np.ndarray

  @property
  def label(self) -> str:
    return EVENTS[int(np.argmax(self.scores.decision))]


@dataclasses.dataclass(frozen=True)
class Update:
  """What a push has made known: blocks, events that can no longer change, and a line for each thing amiss."""

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
  """What is carried from block to block: a pytree, to be kept and put back as one likes."""

  smoothing: SmoothingState
  run: LabelRun


class StreamingDetector:
  """Scores sound and pictures while they come in; use it in a `with` statement.

  A block is scored as soon as its last sample is in and a picture later than its last image. Its label is settled
  `lookahead_blocks` blocks later, when no more sound could change it, and an event is given when the block after it is
  settled. Blocks and events are those of `Detector.detect` with the same `box` and `face_lookahead_s`, to the rounding
  of floating-point numbers, however the input is cut into pushes; where sound or pictures come more than `PATIENCE_S`
  after the other, they are taken for missing.

  One compiled program, used for every block, is made when the `with` block is entered. What is held does not grow with
  the length of the stream.

  Args:
    detector: network, clock, crop and smoothing.
    box: the performer's face, where it is known.
    has_video: whether any are to be expected; without, every image is masked.
    face_lookahead_s: how far the choice of the performer looks ahead. Every block waits for it.
    detect: finds the faces of a picture; a `FaceDetector` where None.

  Raises:
    ValueError: the box is not inside the picture, or the smoothing looks too far ahead for a stream.
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
    """Of the samples that are pushed."""
    return self._clock.sample_rate_hz

  @property
  def lookahead_s(self) -> float:
    """Seconds of input that must follow an event before it is given: it ends where another has been settled."""
    return self._face_lookahead_s + (self.lookahead_blocks + 1) * self._clock.block_s

  def __enter__(self) -> Self:
    with contextlib.ExitStack() as stack:
      if self._detect is None and self._box is None and self._has_video:
        self._detect = stack.enter_context(FaceDetector())
      stack.enter_context(self._recording)
      self._begin()
      self._score(None)  # compiled now, not when the first block is waited for
      self._begin()
      self._open = stack.pop_all()
    return self

  def __exit__(self, *exception: object) -> None:
    self._open.close()

  def push(self, samples: np.ndarray, frames: Iterable[TimedFrame] = ()) -> Update:
    """Takes what has come in since the last push, and gives what it makes known.

    Args:
      samples: the next samples, int16 [n], mono, at the clock's rate; none may be left out.
      frames: the next pictures with their times in seconds after the first sample, in ascending order
        (`TimedFrame(time_s, Frame.from_rgb(rgb))`).

    Raises:
      ValueError: the samples are of another type.
    """
    samples = np.asarray(samples)
    if samples.dtype != np.int16 or samples.ndim != 1:
      raise ValueError(f"samples are {samples.dtype} {list(samples.shape)}; expected int16 [n], mono")
    self._assembler.push_samples(samples)
    for frame in frames:
      self._assembler.push_frame(frame)
    return self._update(self._assembler.take())

  def finish(self) -> Update:
    """The rest, at the end of the stream; what is pushed after it begins another."""
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
    """The step for a block, or one after the end."""
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
    # A few hundred bytes: with all of it in the host's memory, every call looks the same to the compiler.
    smoothing, scores, settled = jax.device_get(
      self._step(self._detector.variables, self.state.smoothing, inputs, np.asarray(block.index >= 0))
    )
    self.state = dataclasses.replace(self.state, smoothing=smoothing)
    return scores, settled

  def _settle(self, settled: Settled) -> list[Event]:
    """Adds a settled block to the run; gives the event that has ended with it."""
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
  """Scores one block and settles an earlier one; pure, to be jitted by the caller.

  Args:
    variables: of the network.
    smoothing: as the step before gave it.
    batch: a batch of one block, as `predict` takes it.
    is_block: bool []; false in the steps after the last block, whose batch does not matter.
    model: the network.
    clock: the clock of the blocks.

  Returns:
    The state for the next step; the scores without the axis B; the block that is settled.
  """
  scores = jax.tree.map(lambda array: array[0], predict(variables, batch, model=model, clock=clock))
  smoothing, settled = advance(smoothing, scores.decision, is_block)
  return smoothing, scores, settled


def _event(run: LabelRun, clock: Clock, end_s: float = float("inf")) -> Event:
  offset_s = min(clock.start_s(run.first + run.blocks), end_s)
  return Event(clock.start_s(run.first), offset_s, EVENTS[run.label], run.total_score / run.blocks)
