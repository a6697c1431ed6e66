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

# Mean durations in seconds in MAVC100's audio-visual labels. MAVC100 has only 2 s of silence, so silence is given the
# duration of others.
MEAN_DURATION_S = {"silence": 2.5, "speech": 2.8, "singing": 11.0, "others": 2.5}
# Probabilities of the next event in the same labels, with a third of the visits to others counted as silence.
# Transitions that MAVC100 lacks have a small probability.
NEXT = {
  "silence": {"speech": 0.43, "singing": 0.55, "others": 0.02},
  "speech": {"silence": 0.34, "singing": 0.04, "others": 0.62},
  "singing": {"silence": 0.33, "speech": 0.05, "others": 0.62},
  "others": {"silence": 0.02, "speech": 0.43, "singing": 0.55},
}
# Scores are clipped to this distance from 0 and 1.
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
    lag: number of later blocks that are known when a block is decided.
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
  # All blocks at once: each path is followed from the end of the block's lag back to the block.
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
    evidence: float32 [], weight of the scores, as in `decode`.
    transitions: float32 [E,E], as from `log_transitions`.
  """

  total: Array
  pointers: Array
  is_block: Array
  has_begun: Array
  evidence: Array
  transitions: Array


def initial_state(evidence: float, lag: int, block_rate_hz: float) -> ViterbiState:
  """Returns the state before the first block; the arguments are those of `decode`."""
  identity = np.tile(np.arange(len(EVENTS), dtype=np.int32), (lag, 1))
  return ViterbiState(
    total=np.zeros(len(EVENTS), np.float32),
    pointers=identity,
    is_block=np.zeros(lag + 1, bool),
    has_begun=np.zeros((), bool),
    evidence=np.asarray(evidence, np.float32),
    transitions=log_transitions(block_rate_hz).astype(np.float32),
  )


def advance(state: ViterbiState, scores: Array, is_block: Array) -> tuple[ViterbiState, jax.Array, jax.Array]:
  """Takes the scores of the next block and decides the block `lag` places before it, as `decode` does.

  The function is pure and jittable.

  Args:
    state: state from `initial_state` or the previous step.
    scores: probabilities of the events, float32 [E].
    is_block: bool []; false before the first block and after the last one.

  Returns:
    The next state; the decided event, int32 []; whether its place holds a block, bool [].
  """
  paths = state.total[:, None] + state.transitions
  goes_on = is_block & state.has_begun
  pointers = jnp.where(goes_on, jnp.argmax(paths, axis=0), jnp.arange(len(EVENTS))).astype(jnp.int32)
  total = jnp.where(goes_on, jnp.max(paths, axis=0), state.total)
  total = jnp.where(is_block, total + _log_likelihoods(jnp.asarray(scores), state.evidence), total)
  history = jnp.concatenate([jnp.asarray(state.pointers), pointers[None]])
  event = jnp.argmax(total).astype(jnp.int32)
  event, _ = lax.scan(lambda event, pointers: (pointers[event], None), event, history[:0:-1])
  places = jnp.concatenate([jnp.asarray(state.is_block)[1:], jnp.asarray(is_block)[None]])
  # Only differences between totals matter. Subtracting the maximum keeps them small in streams of any length.
  after = state.replace(  # type: ignore[attr-defined]
    total=total - jnp.max(total), pointers=history[1:], is_block=places, has_begun=state.has_begun | is_block
  )
  return after, event, places[0]


def _log_likelihoods(scores: Any, evidence: Any) -> Any:
  """Returns the weighted log-likelihoods of the events, up to a constant for each block, [..., E]."""
  # The network scores each event by itself. The likelihood that this event occurs and the others do not is
  # proportional to the odds of its score.
  return evidence * log_odds(scores)


def log_odds(scores: Any) -> Any:
  """Returns the logarithm of the odds of probabilities, which are clipped to stay finite; of the type of the scores."""
  numpy = jnp if isinstance(scores, jax.Array) else np
  clipped = numpy.clip(scores, _MARGIN, 1 - _MARGIN)
  return numpy.log(clipped) - numpy.log1p(-clipped)
