"""Smoothing of scores block by block: what `smoothing.scores_to_timeline` does at once, as a pure step with a state.

The offline rule gives the shortest runs away first. Runs only grow by it, so it is the same as one pass over the labels
for each length below the minimum, from left to right: pass k settles the runs of k blocks. Such a pass needs to see
whether a run ends after k blocks and, to compare its neighbors, at most as many blocks of the next run as the minimum
has. So every pass is a step with a fixed delay, and the passes follow each other. Axes: E events, W blocks of the mean,
L blocks of look-ahead.
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

# Label of what lies before the first and after the last block.
_NONE = -1
# Runs up to which this many blocks may be given away: each length costs a pass, and time before an event is settled.
_MAX_MIN_BLOCKS = 32


@struct.dataclass
class Pass:
  """State of one pass: labels that wait int32 [D+1], and the run that ends before them.

  Attributes:
    waiting: labels of the pass before, the oldest first.
    label: of the run before `waiting`; `_NONE` where there is none.
    length: of that run, as far as it counts.
    give: blocks at the head of `waiting` that are to be given to that run.
  """

  waiting: Array
  label: Array
  length: Array
  give: Array


@struct.dataclass
class SmoothingState:
  """What is carried from block to block.

  Attributes:
    window: scores of the blocks of the moving average, float32 [W,E], the newest last.
    filled: whether there is a block in each place, bool [W].
    decoder: of the decoder over time; None where each block is decided by itself.
    passes: one for each length of run that is too short.
    delayed: scores of the blocks that are not settled, float32 [L+1,E], the newest last.
  """

  window: Array
  filled: Array
  decoder: viterbi.ViterbiState | None
  passes: tuple[Pass, ...]
  delayed: Array


@struct.dataclass
class Settled:
  """A block whose label can no longer change.

  Attributes:
    label: index into `EVENTS`, int32 []; negative where no block is settled.
    scores: its scores as they came in, float32 [E].
  """

  label: Array
  scores: Array


def lookahead_blocks(smoothing: Smoothing, clock: Clock) -> int:
  """Blocks that must follow before a block's label can no longer change.

  Raises:
    ValueError: the minimum duration is too long for a stream, or the smoothing is a function of a whole recording.
  """
  return smoothing.mean_blocks // 2 + smoothing.lag_blocks(clock) + sum(_delays(smoothing, clock))


def initial_state(smoothing: Smoothing, clock: Clock) -> SmoothingState:
  """The state before the first block; errors as `lookahead_blocks`."""
  none, zero = np.asarray(_NONE, np.int32), np.asarray(0, np.int32)
  return SmoothingState(
    window=np.zeros((smoothing.mean_blocks, len(EVENTS)), np.float32),
    filled=np.zeros(smoothing.mean_blocks, bool),
    decoder=_decoder(smoothing, clock),
    passes=tuple(Pass(np.full(delay + 1, _NONE, np.int32), none, zero, zero) for delay in _delays(smoothing, clock)),
    delayed=np.zeros((lookahead_blocks(smoothing, clock) + 1, len(EVENTS)), np.float32),
  )


def advance(state: SmoothingState, scores: Array, is_block: Array) -> tuple[SmoothingState, Settled]:
  """Takes the scores of the next block and settles the block `lookahead_blocks` before it; pure, jittable.

  Args:
    state: as `initial_state` or the step before gave it.
    scores: float32 [E].
    is_block: bool []; false after the last block: `lookahead_blocks` such steps settle the rest.
  """
  window = _shift(state.window, jnp.where(is_block, scores, 0.0))
  filled = _shift(state.filled, is_block)
  mean, is_mean = window.sum(axis=0) / jnp.maximum(filled.sum(), 1), filled[len(filled) // 2]
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
  return SmoothingState(window, filled, decoder, tuple(passes), delayed), Settled(label, delayed[0])


def _decoder(smoothing: Smoothing, clock: Clock) -> viterbi.ViterbiState | None:
  if smoothing.decoder != "hmm":
    return None
  return viterbi.initial_state(smoothing.evidence, smoothing.lag_blocks(clock), clock.block_rate_hz)


def _delays(smoothing: Smoothing, clock: Clock) -> list[int]:
  """Blocks that each pass looks ahead."""
  if smoothing.function is not None:
    raise ValueError(
      f"smoothing.function is {smoothing.function!r}, which needs a whole recording; expected None for a stream"
    )
  min_blocks = smoothing.min_blocks(clock)
  if min_blocks > _MAX_MIN_BLOCKS:
    raise ValueError(
      f"smoothing: min_duration_s is {smoothing.min_duration_s}, {min_blocks} blocks; a stream takes at most "
      f"{_MAX_MIN_BLOCKS}"
    )
  # In the last pass, a run before a short one lasts the minimum already: the run after it need not be measured.
  return [k + min_blocks - 1 if k < min_blocks - 1 else k for k in range(1, min_blocks)]


def _pass(before: Pass, label: jax.Array, short: int, min_blocks: int) -> tuple[Pass, jax.Array]:
  """Takes a label and gives the oldest that waits, of which runs of `short` blocks have been given to a neighbor."""
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
  """How many labels at the head are `label`."""
  return lax.cumprod((labels == label).astype(jnp.int32)).sum()


def _shift(array: Array, newest: Array) -> jax.Array:
  """Without the oldest, and with the newest at the end."""
  return jnp.concatenate([array[1:], jnp.asarray(newest, array.dtype)[None]])
