"""Decoding of block scores over time: the most likely sequence of events under a hidden Markov model.

Each event is a state. Its mean duration gives the probability to stay in it, and a table gives the probabilities of the
events that may follow. The scores of a block are evidence for the events; they weigh less than 1, as neighboring blocks
are not independent. A block is decided once `lag` more blocks are known, by the best path up to then. Files are decided
in the same way, so streams equal them. With a lag as long as the recording, this is the Viterbi algorithm.

Axes: B blocks, E events, L blocks of lag.
"""

from typing import Any

from flax import struct
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.timeline.event import EVENTS

Array = jax.Array | np.ndarray

# Mean durations in seconds, of MAVC100's audio-visual labels: the log-normal distributions from 1/3 s to 60 s that
# `simulation.timelines` draws from. MAVC100 has 2 s of silence, which has the durations of others here.
MEAN_DURATION_S = {"silence": 2.5, "speech": 2.8, "singing": 11.0, "others": 2.5}
# Probabilities of the next event, from the same labels, where a third of the visits to others are silence here. What
# MAVC100 has not is given a small probability.
NEXT = {
  "silence": {"speech": 0.43, "singing": 0.55, "others": 0.02},
  "speech": {"silence": 0.34, "singing": 0.04, "others": 0.62},
  "singing": {"silence": 0.33, "speech": 0.05, "others": 0.62},
  "others": {"silence": 0.02, "speech": 0.43, "singing": 0.55},
}
# Scores are taken as probabilities no nearer than this to 0 and 1.
_MARGIN = 1e-4


def log_transitions(block_rate_hz: float) -> np.ndarray:
  """Returns the log-probabilities of each event (columns) one block after each event (rows), [E,E]."""
  matrix = np.zeros((len(EVENTS), len(EVENTS)))
  for i, event in enumerate(EVENTS):
    leave = min(1 / (MEAN_DURATION_S[event] * block_rate_hz), 0.5)
    for j, other in enumerate(EVENTS):
      matrix[i, j] = 1 - leave if i == j else leave * NEXT[event][other]
  return np.log(matrix)


def decode(scores: np.ndarray, evidence: float, lag: int, block_rate_hz: float) -> np.ndarray:
  """Decodes the event of each block of a recording.

  Args:
    scores: probabilities of the events, [B,E].
    evidence: weight of the scores against the durations, above 0; 1 takes blocks as independent.
    lag: blocks that are known after the one that is decided.
    block_rate_hz: blocks per second.

  Returns:
    Indices into `EVENTS`, [B].
  """
  num_blocks = len(scores)
  if not num_blocks:
    return np.zeros(0, int)
  transitions, likelihoods = log_transitions(block_rate_hz), _log_likelihoods(scores, evidence)
  total = likelihoods[0]
  best, pointers = [int(np.argmax(total))], [np.arange(len(EVENTS))]
  for likelihood in likelihoods[1:]:
    paths = total[:, None] + transitions
    pointers.append(np.argmax(paths, axis=0))
    total = np.max(paths, axis=0) + likelihood
    best.append(int(np.argmax(total)))
  # From the best path at the end of each block's lag back to the block, for all blocks at once.
  back, blocks = np.array(pointers), np.arange(num_blocks)
  last = np.minimum(blocks + lag, num_blocks - 1)
  events = np.array(best)[last]
  for step in range(min(lag, num_blocks - 1)):
    at = last - step
    events = np.where(at > blocks, back[at, events], events)
  return events


@struct.dataclass
class ViterbiState:
  """State of the decoder, carried from block to block.

  Attributes:
    total: float32 [E], log-likelihood of the best path to each event, up to a constant.
    pointers: int32 [L,E], for the last blocks, the previous event on the best path to each event; the newest last.
    is_block: bool [L+1], whether each of the last places holds a block, the newest last.
    has_begun: bool [], whether there was a block.
    evidence: weight of the scores, as in `decode`.
    block_rate_hz: blocks per second.
  """

  total: Array
  pointers: Array
  is_block: Array
  has_begun: Array
  evidence: float = struct.field(pytree_node=False)
  block_rate_hz: float = struct.field(pytree_node=False)


def initial_state(evidence: float, lag: int, block_rate_hz: float) -> ViterbiState:
  """Returns the state before the first block; the arguments are those of `decode`."""
  identity = np.tile(np.arange(len(EVENTS), dtype=np.int32), (lag, 1))
  return ViterbiState(
    np.zeros(len(EVENTS), np.float32), identity, np.zeros(lag + 1, bool), np.zeros((), bool), evidence, block_rate_hz
  )


def advance(state: ViterbiState, scores: Array, is_block: Array) -> tuple[ViterbiState, jax.Array, jax.Array]:
  """Takes the scores of the next block and decides the block `lag` places before it, as `decode` does. Pure, jittable.

  Args:
    state: as `initial_state` or the step before gave it.
    scores: probabilities of the events, float32 [E].
    is_block: bool []; false before the first block and after the last one.

  Returns:
    The state after; the decided event, int32 []; and whether its place holds a block, bool [].
  """
  paths = state.total[:, None] + jnp.asarray(log_transitions(state.block_rate_hz), jnp.float32)
  goes_on = is_block & state.has_begun
  pointers = jnp.where(goes_on, jnp.argmax(paths, axis=0), jnp.arange(len(EVENTS))).astype(jnp.int32)
  total = jnp.where(goes_on, jnp.max(paths, axis=0), state.total)
  total = jnp.where(is_block, total + _log_likelihoods(jnp.asarray(scores), state.evidence), total)
  history = jnp.concatenate([jnp.asarray(state.pointers), pointers[None]])
  event = jnp.argmax(total).astype(jnp.int32)
  event, _ = lax.scan(lambda event, pointers: (pointers[event], None), event, history[:0:-1])
  places = jnp.concatenate([jnp.asarray(state.is_block)[1:], jnp.asarray(is_block)[None]])
  # Only differences between totals matter: without their maximum they stay small for as long as a stream lasts.
  after = state.replace(  # type: ignore[attr-defined]
    total=total - jnp.max(total), pointers=history[1:], is_block=places, has_begun=state.has_begun | is_block
  )
  return after, event, places[0]


def _log_likelihoods(scores: Any, evidence: float) -> Any:
  """Returns the weighted log-likelihoods of the events, up to a constant for each block, [..., E]."""
  numpy = jnp if isinstance(scores, jax.Array) else np
  clipped = numpy.clip(scores, _MARGIN, 1 - _MARGIN)
  # Each event has a score by itself. The likelihood of one event is its score times what the scores of the others
  # leave, which is proportional to the odds of its score.
  return evidence * (numpy.log(clipped) - numpy.log1p(-clipped))
