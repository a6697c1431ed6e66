"""Confidence intervals by the bootstrap over recordings (Efron 1979), also of paired differences between systems.

The bootstrap draws recordings with replacement rather than events, because events of one recording are correlated. If
several recordings show one performer, it draws performers with all their recordings, for the same reason. A metric is
computed from the counts summed over the drawn recordings, just as for the whole test set. If a system was trained with
several seeds, the metric of a resample is the mean over the seeds. An interval therefore describes the choice of
recordings and not that of seeds, whose spread the tables give separately.

Axes: S seeds, N recordings, R resamples, C the counts of `COUNTS`.
"""

from collections.abc import Callable, Sequence
import dataclasses

import numpy as np

from attavvad_jax.evaluation.metrics import Counts

COUNTS = ("hits", "reference", "estimate", "errors")
NUM_RESAMPLES = 2000
_LEVEL = 0.95

# Maps summed counts [..., C] to a metric [...].
Metric = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Interval:
  """A metric of the whole test set, and the middle 95 % of its resamples (percentiles)."""

  value: float
  low: float
  high: float


def to_array(counts: Counts) -> np.ndarray:
  """Returns one recording's counts as an array. -> int64 [C]."""
  errors = counts.substitutions + counts.deletions + counts.insertions
  return np.array([counts.hits, counts.reference, counts.estimate, errors], np.int64)


def f_score(sums: np.ndarray) -> np.ndarray:
  """Returns `Counts.f_score` of summed counts [..., C]; NaN where there is no reference."""
  hits, reference, estimate, _ = np.moveaxis(sums, -1, 0)
  return _ratio(2 * hits, reference + estimate, reference)


def error_rate(sums: np.ndarray) -> np.ndarray:
  """Returns `Counts.error_rate` of summed counts [..., C]; NaN where there is no reference."""
  _, reference, _, errors = np.moveaxis(sums, -1, 0)
  return _ratio(errors, reference, reference)


def precision(sums: np.ndarray) -> np.ndarray:
  """Returns `Counts.precision` of summed counts [..., C]; NaN where there is no estimate."""
  hits, _, estimate, _ = np.moveaxis(sums, -1, 0)
  return _ratio(hits, estimate, estimate)


def recall(sums: np.ndarray) -> np.ndarray:
  """Returns `Counts.recall` of summed counts [..., C]; NaN where there is no reference."""
  hits, reference, _, _ = np.moveaxis(sums, -1, 0)
  return _ratio(hits, reference, reference)


def draw_resamples(num_recordings: int, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> np.ndarray:
  """Draws how often each resample contains each recording. -> int64 [R,N], rows sum to N.

  Raises:
    ValueError: there are no recordings.
  """
  if num_recordings < 1:
    raise ValueError("there are no recordings to draw from")
  rng = np.random.default_rng(seed)
  return rng.multinomial(num_recordings, np.full(num_recordings, 1 / num_recordings), num_resamples)


def draw_by_group(groups: Sequence[str], num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> np.ndarray:
  """Draws whole groups as `draw_resamples` draws recordings: each recording is drawn as often as its group.

  Args:
    groups: the group of each recording, such as its performer.
    num_resamples: number of resamples, R.
    seed: seed of the draws.

  Returns:
    int64 [R,N]; equal to the result of `draw_resamples` if every group has one recording.

  Raises:
    ValueError: there are no recordings.
  """
  numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
  return draw_resamples(len(numbers), num_resamples, seed)[:, [numbers[group] for group in groups]]


def interval(metric: Metric, counts: np.ndarray, resamples: np.ndarray) -> Interval:
  """Computes a system's metric with its interval.

  Args:
    metric: a function such as `f_score`.
    counts: counts of each seed and recording, [S,N,C].
    resamples: result of `draw_resamples`, [R,N].

  Returns:
    The mean over seeds; resamples without any reference are left out.
  """
  whole = np.ones((1, resamples.shape[1]), resamples.dtype)
  return _interval(_mean_over_seeds(metric, counts, whole), _mean_over_seeds(metric, counts, resamples))


def paired_difference(metric: Metric, ahead: np.ndarray, behind: np.ndarray, resamples: np.ndarray) -> Interval:
  """Computes how much one system's metric exceeds another's, both on the same resamples.

  Args:
    metric: a function such as `f_score`.
    ahead: counts of one system, [S,N,C].
    behind: counts of the other system on the same recordings; its number of seeds may differ.
    resamples: result of `draw_resamples`, [R,N].
  """
  whole = np.ones((1, resamples.shape[1]), resamples.dtype)
  value, drawn = (
    _mean_over_seeds(metric, ahead, weights) - _mean_over_seeds(metric, behind, weights)
    for weights in (whole, resamples)
  )
  return _interval(value, drawn)


def _mean_over_seeds(metric: Metric, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
  """[S,N,C], [R,N] -> [R]."""
  return metric(np.einsum("rn,snc->src", weights, counts)).mean(axis=0)


def _interval(value: np.ndarray, drawn: np.ndarray) -> Interval:
  kept = drawn[~np.isnan(drawn)]
  if not len(kept):
    return Interval(float(value[0]), float("nan"), float("nan"))
  low, high = np.quantile(kept, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
  return Interval(float(value[0]), float(low), float(high))


def _ratio(numerator: np.ndarray, denominator: np.ndarray, support: np.ndarray) -> np.ndarray:
  return np.where(support > 0, numerator / np.maximum(denominator, 1), np.nan)
