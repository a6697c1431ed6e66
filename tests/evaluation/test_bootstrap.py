import math

import numpy as np
import pytest
from scipy import stats

from attavvad_jax.evaluation import bootstrap
from attavvad_jax.evaluation.metrics import Counts

RNG = np.random.default_rng(7)


def drawn_counts(seeds, recordings):
  """Returns random consistent counts: hits do not exceed references or estimates."""
  reference = RNG.integers(1, 12, (1, recordings)).repeat(seeds, 0)
  estimate = RNG.integers(1, 12, (seeds, recordings))
  hits = RNG.binomial(np.minimum(reference, estimate), 0.7)
  return np.stack([hits, reference, estimate, reference + estimate - 2 * hits], axis=-1)


@pytest.mark.parametrize("counts", [Counts(5, 4, 3, 1, 1, 0), Counts(0, 2, 0, 0, 0, 2), Counts(3, 0, 0, 0, 3, 0)])
def test_metrics_equal_those_of_counts(counts):
  array = bootstrap.to_array(counts)
  for name in ("f_score", "error_rate", "precision", "recall"):
    assert getattr(bootstrap, name)(array) == pytest.approx(getattr(counts, name), nan_ok=True), name


def test_resamples_draw_all_recordings_with_equal_probability():
  resamples = bootstrap.draw_resamples(20, 4000, seed=3)
  assert resamples.shape == (4000, 20)
  assert (resamples.sum(axis=1) == 20).all()
  # Drawing with replacement leaves out a recording with probability (1 - 1/N)^N.
  assert (resamples == 0).mean() == pytest.approx((1 - 1 / 20) ** 20, abs=0.01)
  assert (bootstrap.draw_resamples(20, 4000, seed=3) == resamples).all()


def test_interval_equals_scipy():
  counts = drawn_counts(1, 60)

  def f_of(indices):
    hits, reference, estimate, _ = counts[0][indices.astype(int)].sum(axis=0)
    return 2 * hits / (reference + estimate)

  theirs = stats.bootstrap(
    (np.arange(60),), f_of, n_resamples=8000, vectorized=False, method="percentile", rng=np.random.default_rng(1)
  ).confidence_interval
  ours = bootstrap.interval(bootstrap.f_score, counts, bootstrap.draw_resamples(60, 8000))
  assert ours.value == f_of(np.arange(60))
  assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_seeds_are_averaged_in_each_resample():
  counts, resamples = drawn_counts(3, 9), bootstrap.draw_resamples(9, 50)
  means = []
  for times in resamples:
    rates = []
    for seed in counts:
      errors = sum(int(row[3]) * int(n) for row, n in zip(seed, times, strict=True))
      references = sum(int(row[1]) * int(n) for row, n in zip(seed, times, strict=True))
      rates.append(errors / references)
    means.append(sum(rates) / 3)
  result = bootstrap.interval(bootstrap.error_rate, counts, resamples)
  assert (result.low, result.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_paired_difference_is_significant_although_intervals_overlap():
  # Recordings differ much, but on each of them one system has exactly one hit more than the other.
  hits = np.repeat([1, 4, 8], 10)
  behind = np.stack([hits, np.full(30, 10), np.full(30, 10), 20 - 2 * hits], axis=-1)[None]
  ahead = behind + np.array([1, 0, 0, -2])
  resamples = bootstrap.draw_resamples(30)
  alone = [bootstrap.interval(bootstrap.f_score, counts, resamples) for counts in (ahead, behind)]
  assert alone[0].low < alone[1].high
  result = bootstrap.paired_difference(bootstrap.f_score, ahead, behind, resamples)
  assert (result.value, result.low, result.high) == pytest.approx((0.1, 0.1, 0.1))


def test_a_system_does_not_differ_from_itself():
  counts, resamples = drawn_counts(2, 15), bootstrap.draw_resamples(15)
  assert bootstrap.paired_difference(bootstrap.f_score, counts, counts, resamples) == bootstrap.Interval(0.0, 0.0, 0.0)


def test_a_metric_without_reference_is_nan_and_resamples_without_reference_are_left_out():
  nothing = np.array([[[0, 0, 2, 2], [0, 0, 0, 0]]])
  result = bootstrap.interval(bootstrap.f_score, nothing, bootstrap.draw_resamples(2))
  assert all(math.isnan(value) for value in (result.value, result.low, result.high))
  # Only one of two recordings has references, and a quarter of the resamples lack it.
  some = np.array([[[3, 4, 4, 2], [0, 0, 0, 0]]])
  result = bootstrap.interval(bootstrap.f_score, some, bootstrap.draw_resamples(2))
  assert (result.value, result.low, result.high) == (0.75, 0.75, 0.75)


def test_drawing_from_no_recordings_is_an_error():
  with pytest.raises(ValueError, match="no recordings"):
    bootstrap.draw_resamples(0)


def test_groups_are_drawn_whole_as_if_each_were_one_recording():
  groups = list("abcab") + list("ccd")
  counts = drawn_counts(2, len(groups))
  added = np.stack([counts[:, [g == name for g in groups]].sum(axis=1) for name in "abcd"], axis=1)
  by_group = bootstrap.interval(bootstrap.f_score, counts, bootstrap.draw_by_group(groups, 500))
  assert by_group == bootstrap.interval(bootstrap.f_score, added, bootstrap.draw_resamples(4, 500))


def test_intervals_are_wider_if_recordings_of_a_performer_are_alike():
  # Each of 40 performers has four identical recordings, so there are 40 independent samples, not 160.
  counts = drawn_counts(1, 40)[:, np.arange(160) // 4]
  by_recording, by_performer = (
    bootstrap.interval(bootstrap.f_score, counts, bootstrap.draw_by_group(groups))
    for groups in (list(map(str, range(160))), [str(i // 4) for i in range(160)])
  )
  assert by_recording == bootstrap.interval(bootstrap.f_score, counts, bootstrap.draw_resamples(160))
  width = (by_performer.high - by_performer.low) / (by_recording.high - by_recording.low)
  assert width == pytest.approx(2.0, rel=0.1)
