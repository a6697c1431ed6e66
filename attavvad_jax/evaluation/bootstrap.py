"""Confidence intervals by the bootstrap over recordings (Efron 1979), and of differences between systems by pairs.

Recordings are drawn with replacement, because events of one recording are alike; where several are of one performer,
performers are drawn, each with all recordings, because these are alike, too. A system's counts are summed over those
drawn, and its figure is taken of the sums, as it is of the whole test set. Where a system was trained with
several seeds, each resample's figure is the mean over them: an interval is about the choice of recordings, and says
nothing about that of seeds, whose spread stands beside it in the tables.

Axes: S seeds, N recordings, R resamples, C the counts of `COUNTS`.
"""

from collections.abc import Callable, Sequence
import dataclasses

import numpy as np

from attavvad_jax.evaluation.metrics import Counts

COUNTS = ("hits", "reference", "estimate", "errors")
NUM_RESAMPLES = 2000
_LEVEL = 0.95

# From summed counts [..., C] to a figure [...].
Figure = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Interval:
  """A figure of the whole test set, and the middle 95 % of its resamples (percentiles)."""

  value: float
  low: float
  high: float


def to_array(counts: Counts) -> np.ndarray:
  """One recording's counts. -> int64 [C]."""
  errors = counts.substitutions + counts.deletions + counts.insertions
  return np.array([counts.hits, counts.reference, counts.estimate, errors], np.int64)


def f_score(sums: np.ndarray) -> np.ndarray:
  """`Counts.f_score` of summed counts [..., C]; NaN where there is no reference."""
  hits, reference, estimate, _ = np.moveaxis(sums, -1, 0)
  return _ratio(2 * hits, reference + estimate, reference)


def error_rate(sums: np.ndarray) -> np.ndarray:
  """`Counts.error_rate` of summed counts [..., C]; NaN where there is no reference."""
  _, reference, _, errors = np.moveaxis(sums, -1, 0)
  return _ratio(errors, reference, reference)


def precision(sums: np.ndarray) -> np.ndarray:
  """`Counts.precision` of summed counts [..., C]; NaN where there is no estimate."""
  hits, _, estimate, _ = np.moveaxis(sums, -1, 0)
  return _ratio(hits, estimate, estimate)


def recall(sums: np.ndarray) -> np.ndarray:
  """`Counts.recall` of summed counts [..., C]; NaN where there is no reference."""
  hits, reference, _, _ = np.moveaxis(sums, -1, 0)
  return _ratio(hits, reference, reference)


def draw_resamples(num_recordings: int, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> np.ndarray:
  """How often each recording is drawn in each resample. -> int64 [R,N], rows sum up to N.

  Raises:
    ValueError: there are no recordings.
  """
  if num_recordings < 1:
    raise ValueError("there are no recordings to draw from")
  rng = np.random.default_rng(seed)
  return rng.multinomial(num_recordings, np.full(num_recordings, 1 / num_recordings), num_resamples)


def draw_by_group(groups: Sequence[str], num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> np.ndarray:
  """As `draw_resamples`, but of whole groups: how often each recording is drawn with the group that it is of.

  Args:
    groups: of each recording, such as its performer.
    num_resamples: R.
    seed: of the draws.

  Returns:
    int64 [R,N]; of groups of one recording each, what `draw_resamples` gives.

  Raises:
    ValueError: there are no recordings.
  """
  numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
  return draw_resamples(len(numbers), num_resamples, seed)[:, [numbers[group] for group in groups]]


def interval(figure: Figure, counts: np.ndarray, resamples: np.ndarray) -> Interval:
  """A system's figure with its interval.

  Args:
    figure: such as `f_score`.
    counts: of each seed and recording, [S,N,C].
    resamples: as `draw_resamples` gives them, [R,N].

  Returns:
    The mean over seeds; resamples without any reference are left out.
  """
  whole = np.ones((1, resamples.shape[1]), resamples.dtype)
  return _interval(_mean_over_seeds(figure, counts, whole), _mean_over_seeds(figure, counts, resamples))


def paired_difference(figure: Figure, ahead: np.ndarray, behind: np.ndarray, resamples: np.ndarray) -> Interval:
  """How much a system's figure exceeds another's, both on the same resamples.

  Args:
    figure: such as `f_score`.
    ahead: counts [S,N,C] of the one; the numbers of seeds may differ.
    behind: counts of the other on the same recordings.
    resamples: as `draw_resamples` gives them, [R,N].
  """
  whole = np.ones((1, resamples.shape[1]), resamples.dtype)
  value, drawn = (
    _mean_over_seeds(figure, ahead, weights) - _mean_over_seeds(figure, behind, weights)
    for weights in (whole, resamples)
  )
  return _interval(value, drawn)


def _mean_over_seeds(figure: Figure, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
  """[S,N,C], [R,N] -> [R]."""
  return figure(np.einsum("rn,snc->src", weights, counts)).mean(axis=0)


def _interval(value: np.ndarray, drawn: np.ndarray) -> Interval:
  kept = drawn[~np.isnan(drawn)]
  if not len(kept):
    return Interval(float(value[0]), float("nan"), float("nan"))
  low, high = np.quantile(kept, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
  return Interval(float(value[0]), float(low), float(high))


def _ratio(numerator: np.ndarray, denominator: np.ndarray, support: np.ndarray) -> np.ndarray:
  return np.where(support > 0, numerator / np.maximum(denominator, 1), np.nan)
