"""Smoothing of the block scores of a whole recording; `incremental` computes the same block by block.

Axes: B blocks, E events.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from attavvad_jax.registry import resolve
from attavvad_jax.timeline import viterbi
from attavvad_jax.timeline.clock import Clock
from attavvad_jax.timeline.event import EVENTS
from attavvad_jax.timeline.labels import labels_to_timeline, runs
from attavvad_jax.timeline.timeline import Timeline

DECODERS = ("argmax", "hmm")


@dataclasses.dataclass(frozen=True)
class Smoothing:
  """The rule by which block scores become a timeline.

  Attributes:
    mean_blocks: width of the centered moving average over block scores, odd; 1 does not average.
    min_duration_s: minimum duration of a run of equal labels. A shorter run is merged into the longer of its neighbors.
      Neighbors of at least this duration count as equally long, and of equally long ones the earlier is chosen, so that
      much later scores change nothing, as streams require.
    decoder: "argmax" takes the event with the highest score of each block; "hmm" takes the most likely sequence of
      events, given how long events last and which follow which (`viterbi`). Both decode the averaged scores.
    evidence: weight of the scores against the durations in "hmm", above 0; lower weights give longer events.
    lag_s: time in seconds that "hmm" waits after a block before it decides the block, in files and in streams.
    speech_threshold: minimum of the averaged score of speech, from 0 to 1. Where the score is lower, it counts as 0.
    singing_threshold: the same for singing.
    function: package.module:Name of a function that replaces all of these: it maps scores [B,E] and the clock to
      indices into `EVENTS`, int [B]. It needs a whole recording, so streams refuse it.

  Raises:
    ValueError: a value is out of range, or the function cannot be loaded.
  """

  mean_blocks: int = 3
  min_duration_s: float = 0.5
  decoder: str = "argmax"
  evidence: float = 0.5
  lag_s: float = 3.0
  speech_threshold: float = 0.0
  singing_threshold: float = 0.0
  function: str | None = None

  def __post_init__(self) -> None:
    if self.function is not None:
      resolve(self.function, {}, "smoothing.function")
    if self.mean_blocks < 1 or self.mean_blocks % 2 == 0:
      raise ValueError(f"smoothing: mean_blocks is {self.mean_blocks}; expected an odd number of 1 or more")
    if self.min_duration_s < 0:
      raise ValueError(f"smoothing: min_duration_s is {self.min_duration_s}; expected 0 or more")
    if self.decoder not in DECODERS:
      raise ValueError(f"smoothing: decoder is {self.decoder!r}; expected one of {', '.join(DECODERS)}")
    if not 0 < self.evidence < math.inf:
      raise ValueError(f"smoothing: evidence is {self.evidence}; expected a finite number above 0")
    if not 0 <= self.lag_s < math.inf:
      raise ValueError(f"smoothing: lag_s is {self.lag_s}; expected a finite number of 0 or more")
    for name in ("speech_threshold", "singing_threshold"):
      if not 0 <= getattr(self, name) <= 1:
        raise ValueError(f"smoothing: {name} is {getattr(self, name)}; expected a number from 0 to 1")

  @property
  def thresholds(self) -> np.ndarray:
    """The minimum of the averaged score of each event, [E]."""
    return np.array([getattr(self, f"{event}_threshold", 0.0) for event in EVENTS])

  def to_dict(self) -> dict[str, Any]:
    """Converts to plain values, which identify a result.

    Keys of the decoder, of thresholds and of the function are absent unless they are used, so that older results are
    recognized.
    """
    unused = {key for key in ("function", "speech_threshold", "singing_threshold") if not getattr(self, key)}
    unused |= {"decoder", "evidence", "lag_s"} if self.decoder == "argmax" else set()
    return {key: value for key, value in dataclasses.asdict(self).items() if key not in unused}

  def lag_blocks(self, clock: Clock) -> int:
    """Returns the number of blocks that the decoder waits for."""
    return math.ceil(self.lag_s * clock.block_rate_hz - 1e-9) if self.decoder == "hmm" else 0

  def min_blocks(self, clock: Clock) -> int:
    """Returns the number of blocks of the minimum duration."""
    return math.ceil(self.min_duration_s * clock.block_rate_hz - 1e-9)


def scores_to_timeline(
  scores: np.ndarray, clock: Clock, duration_s: float, smoothing: Smoothing | None = None
) -> Timeline:
  """Smooths block scores and converts the most likely event of each block to a timeline.

  Examples:
    >>> scores = np.eye(4)[[1, 1, 1, 2, 2, 2]]
    >>> [(event.offset_s, event.label) for event in scores_to_timeline(scores, Clock(), duration_s=2.0)]
    [(1.0, 'speech'), (2.0, 'singing')]

  Args:
    scores: [B,E] probabilities, one column for each of `EVENTS`.
    clock: the clock of the blocks.
    duration_s: duration of the recording; the last event ends there.
    smoothing: moving average and minimum duration; the defaults if None.

  Raises:
    ValueError: scores are not [B,E] or not finite, or the smoothing function does not return one label per block.
  """
  scores = np.asarray(scores, np.float64)
  if scores.ndim != 2 or scores.shape[1] != len(EVENTS):
    raise ValueError(f"scores have shape {scores.shape}; expected [blocks, {len(EVENTS)}]")
  if not np.isfinite(scores).all():
    raise ValueError(f"scores of {int((~np.isfinite(scores)).any(axis=1).sum())} blocks are not finite")
  smoothing = smoothing or Smoothing()
  if smoothing.function is not None:
    labels = _labels_by(smoothing.function, scores, clock)
  else:
    means = _moving_average(scores, smoothing.mean_blocks)
    means = np.where(means < smoothing.thresholds, 0.0, means)
    if smoothing.decoder == "hmm":
      labels = viterbi.decode(means, smoothing.evidence, smoothing.lag_blocks(clock), clock.block_rate_hz)
    else:
      labels = np.argmax(means, axis=1)
    labels = _absorb_short_runs(labels, smoothing.min_blocks(clock))
  return labels_to_timeline(labels, clock, duration_s, scores)


def _labels_by(function: str, scores: np.ndarray, clock: Clock) -> np.ndarray:
  """Computes the labels by the user's function, [B]."""
  labels = np.asarray(resolve(function, {}, "smoothing.function")(scores, clock))
  if labels.shape != scores.shape[:1] or labels.dtype.kind not in "iu" or not np.isin(labels, range(len(EVENTS))).all():
    raise ValueError(
      f"smoothing.function is {function!r}, which returns {labels.dtype} of shape {list(labels.shape)}; expected "
      f"whole numbers from 0 to {len(EVENTS) - 1}, one for each of {len(scores)} blocks"
    )
  return labels


def _moving_average(scores: np.ndarray, width: int) -> np.ndarray:
  """Computes the centered mean over `width` blocks; at both ends, over the blocks that exist. [B,E] -> [B,E]."""
  if len(scores) == 0:
    return scores
  # A running sum would make rounding, and thus ties, depend on all previous blocks.
  margin = (width // 2, width // 2)
  windows = np.lib.stride_tricks.sliding_window_view(np.pad(scores, [margin, (0, 0)]), width, axis=0)
  counts = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones(len(scores)), margin), width)
  means: np.ndarray = windows.sum(axis=-1) / counts.sum(axis=-1)[:, None]
  return means


def _absorb_short_runs(labels: np.ndarray, min_blocks: int) -> np.ndarray:
  """Merges each run shorter than `min_blocks` into a neighbor (see `Smoothing`), the shortest first. [B] -> [B]."""
  spans = runs(labels)
  values = np.array([labels[first] for first, _ in spans], labels.dtype)
  lengths = np.array([last - first for first, last in spans], int)
  while len(lengths) > 1:
    short = int(np.argmin(lengths))
    if lengths[short] >= min_blocks:
      break
    neighbors = [i for i in (short - 1, short + 1) if 0 <= i < len(lengths)]
    values[short] = values[max(neighbors, key=lambda i: min(lengths[i], min_blocks))]
    # Adjacent runs that now have equal labels become one.
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    values, lengths = values[starts], np.add.reduceat(lengths, starts)
  return np.repeat(values, lengths)
