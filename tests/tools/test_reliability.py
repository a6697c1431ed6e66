"""tools.reliability against scikit-learn and a worked example."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from tools.reliability import binned, calibration_error, draw


def test_bins_equal_those_of_scikit_learn():
  rng = np.random.default_rng(1)
  scores = rng.random(500)
  is_right = rng.random(500) < scores**2
  means, fractions, counts = binned(scores, is_right)
  expected_fractions, expected_means = calibration_curve(is_right, scores, n_bins=10)
  np.testing.assert_allclose(means, expected_means)
  np.testing.assert_allclose(fractions, expected_fractions)
  assert counts.sum() == 500


def test_calibration_error_weighs_bins_by_their_blocks():
  # Three blocks at 0.9, of which two are right, and one at 0.2, which is wrong.
  scores, is_right = np.array([0.9, 0.9, 0.9, 0.2]), np.array([True, True, False, False])
  assert calibration_error(scores, is_right) == pytest.approx((3 * (0.9 - 2 / 3) + 0.2) / 4)


def test_a_score_of_one_is_in_the_last_bin():
  assert binned(np.array([1.0]), np.array([True]))[0].tolist() == [1.0]


def test_figure_is_written(tmp_path):
  rng = np.random.default_rng(1)
  draw(rng.random((50, 4)), rng.integers(0, 4, 50), tmp_path / "a.png")
  assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
