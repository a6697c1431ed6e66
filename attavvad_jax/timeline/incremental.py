"""Smoothing of scores block by block: `smoothing.scores_to_timeline` as a pure step with a state.

The offline rule merges the shortest runs first. Since merging only lengthens runs, this is equivalent to one pass over
the labels, from left to right, for each length below the minimum: pass k merges the runs of k blocks. A pass must see
whether a run ends after k blocks and, to compare its neighbors, at most as many blocks of the next run as the minimum
has. Each pass is therefore a step with a fixed delay, and the passes are chained.

Axes: E events, W blocks of the mean, L blocks of look-ahead, D blocks of a pass's delay.
"""

from flax import struct
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.timeline import viterbi
from attavvad_jax.timeline.clock import Clock
from attavvad_jax.timeline.event import EVENTS
from attavvad_jax.timeline.smoothing import Smoothing

Array = jax.Array | np.ndarray

# Label before the first and after the last block.
_NONE = -1
# Largest minimum of a run in blocks: each length below it costs a pass and delays the settled labels.
_MAX_MIN_BLOCKS = 32


@struct.dataclass
class Pass:
  """State of one pass: the waiting labels, and the run that ends before them.

  Attributes:
    waiting: int32 [D+1], labels from the previous pass, the oldest first.
    label: int32 [], label of the run before `waiting`; `_NONE` if there is none.
    length: int32 [], length of that run in blocks, up to the minimum.
    give: int32 [], number of blocks at the head of `waiting` that will be merged into that run.
  """

  waiting: Array
  label: Array
  length: Array
  give: Array


@struct.dataclass
class SmoothingState:
  """State of the smoothing, carried from block to block.

  Attributes:
    window: float32 [W,E], scores of the blocks in the moving average, the newest last.
    filled: bool [W], whether each place of `window` holds a block.
    thresholds: float32 [E], minimum of the averaged score of each event.
    decoder: state of the decoder over time; None if each block is decided by itself.
    passes: one pass for each length below the minimum.
    delayed: float32 [L+1,E], scores of the blocks that are not settled, the newest last.
  """

  window: Array
  filled: Array
  thresholds: Array
  decoder: viterbi.ViterbiState | None
  passes: tuple[Pass, ...]
  delayed: Array


@struct.dataclass
class Settled:
  """A block whose label can no longer change.

  Attributes:
    label: int32 [], index into `EVENTS`; negative if no block is settled.
    scores: float32 [E], the block's scores before smoothing.
  """

  label: Array
  scores: Array


def lookahead_blocks(smoothing: Smoothing, clock: Clock) -> int:
  """Returns the number of blocks that must follow before a block's label can no longer change.

  Raises:
    ValueError: the minimum duration is too long for a stream, or the smoothing function needs a whole recording.
  """
  return smoothing.mean_blocks // 2 + smoothing.lag_blocks(clock) + sum(_delays(smoothing, clock))


def initial_state(smoothing: Smoothing, clock: Clock) -> SmoothingState:
  """Returns the state before the first block; raises the errors of `lookahead_blocks`."""
  none, zero = np.asarray(_NONE, np.int32), np.asarray(0, np.int32)
  return SmoothingState(
    window=np.zeros((smoothing.mean_blocks, len(EVENTS)), np.float32),
    filled=np.zeros(smoothing.mean_blocks, bool),
    thresholds=smoothing.thresholds.astype(np.float32),
    decoder=_decoder(smoothing, clock),
    passes=tuple(Pass(np.full(delay + 1, _NONE, np.int32), none, zero, zero) for delay in _delays(smoothing, clock)),
    delayed=np.zeros((lookahead_blocks(smoothing, clock) + 1, len(EVENTS)), np.float32),
  )


def advance(state: SmoothingState, scores: Array, is_block: Array) -> tuple[SmoothingState, Settled]:
  """Takes the scores of the next block and settles the block `lookahead_blocks` before it. Pure and jittable.

  Args:
    state: state from `initial_state` or the previous step.
    scores: float32 [E], scores of the next block.
    is_block: bool [], False after the last block; `lookahead_blocks` such steps settle the remaining blocks.

  Returns:
    The next state and the settled block.
  """
  window = _shift(state.window, jnp.where(is_block, scores, 0.0))
  filled = _shift(state.filled, is_block)
  mean, is_mean = window.sum(axis=0) / jnp.maximum(filled.sum(), 1), filled[len(filled) // 2]
  mean = jnp.where(mean < state.thresholds, 0.0, mean)
  if state.decoder is None:
    decoder, label, is_decided = None, jnp.argmax(mean).astype(jnp.int32), is_mean
  else:
    decoder, label, is_decided = viterbi.advance(state.decoder, mean, is_mean)
  label = jnp.where(is_decided, label, _NONE)
  passes = []
  min_blocks = len(state.passes) + 1
  for length, before in enumerate(state.passes, 1):
    after, label = _pass(before, label, length, min_blocks)
    passes.append(after)
  delayed = _shift(state.delayed, scores)
  after_step = SmoothingState(window, filled, state.thresholds, decoder, tuple(passes), delayed)
  return after_step, Settled(label, delayed[0])


def _decoder(smoothing: Smoothing, clock: Clock) -> viterbi.ViterbiState | None:
  if smoothing.decoder != "hmm":
    return None
  return viterbi.initial_state(smoothing.evidence, smoothing.lag_blocks(clock), clock.block_rate_hz)


def _delays(smoothing: Smoothing, clock: Clock) -> list[int]:
  """Returns the delay of each pass in blocks."""
  if smoothing.function is not None:
    raise ValueError(
      f"smoothing.function is {smoothing.function!r}, which needs a whole recording; expected None for a stream"
    )
  min_blocks = smoothing.min_blocks(clock)
  if min_blocks > _MAX_MIN_BLOCKS:
    raise ValueError(
      f"smoothing: min_duration_s is {smoothing.min_duration_s}, {min_blocks} blocks; a stream supports at most "
      f"{_MAX_MIN_BLOCKS}"
    )
  # In the last pass, every run before a short one already has the minimum length, so the next run is not measured.
  return [k + min_blocks - 1 if k < min_blocks - 1 else k for k in range(1, min_blocks)]


def _pass(before: Pass, label: jax.Array, short: int, min_blocks: int) -> tuple[Pass, jax.Array]:
  """Takes a label and returns the oldest waiting one, after merging runs of `short` blocks into a neighbor."""
  waiting = _shift(before.waiting, label)
  label = waiting[0]
  run = _run_length(waiting, label)
  next_label = waiting[jnp.minimum(run, len(waiting) - 1)]
  next_run = _run_length(jnp.where(jnp.arange(len(waiting)) < run, next_label, waiting), next_label) - run
  has_left, has_right = before.label != _NONE, (run < len(waiting)) & (next_label != _NONE)
  is_short = (label != _NONE) & (label != before.label) & (before.give == 0) & (run <= short)
  longer = jnp.minimum(next_run, min_blocks) > jnp.minimum(before.length, min_blocks)
  to_right = is_short & has_right & (~has_left | longer)
  to_left = is_short & has_left & ~to_right
  given = jnp.where(to_right, next_label, jnp.where(to_left | (before.give > 0), before.label, label))
  give = jnp.where(to_left | to_right, run - 1, jnp.maximum(before.give - 1, 0))
  length = jnp.minimum(jnp.where(given == before.label, before.length, 0) + 1, min_blocks)
  there = label != _NONE
  after = Pass(
    waiting, jnp.where(there, given, before.label), jnp.where(there, length, before.length), give.astype(jnp.int32)
  )
  return after, given


def _run_length(labels: jax.Array, label: jax.Array) -> jax.Array:
  """Counts the labels at the head that equal `label`."""
  return lax.cumprod((labels == label).astype(jnp.int32)).sum()


def _shift(array: Array, newest: Array) -> jax.Array:
  """Drops the oldest element and appends the newest."""
  return jnp.concatenate([array[1:], jnp.asarray(newest, array.dtype)[None]])
