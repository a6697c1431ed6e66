import json

import jax.numpy as jnp
import numpy as np
import pytest

from attavvad_jax.losses import Terms
from attavvad_jax.training.logs import Interval, RunLog, metrics
from attavvad_jax.training.step import StepLog


def _lines(workdir):
  return [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]


def test_each_line_is_one_object_and_nan_is_null(tmp_path):
  log = RunLog(tmp_path, 0)
  log.write(10, "train", {"total": 1.5, "visual_vocalizing": float("nan")})
  log.close()
  assert _lines(tmp_path) == [{"step": 10, "split": "train", "total": 1.5, "visual_vocalizing": None}]


def test_a_resumed_run_writes_no_step_twice(tmp_path):
  log = RunLog(tmp_path, 0)
  for step in (10, 20, 30):
    log.write(step, "train", {"total": float(step)})
  log.close()
  with (tmp_path / "log.jsonl").open("a") as file:
    file.write('{"step": 40, "spl')  # the run was killed while writing
  log = RunLog(tmp_path, 20)
  log.write(30, "train", {"total": -1.0})
  log.close()
  assert [(line["step"], line["total"]) for line in _lines(tmp_path)] == [(10, 10.0), (20, 20.0), (30, -1.0)]


def test_tensorboard_files_are_written(tmp_path):
  log = RunLog(tmp_path, 0)
  log.write(1, "train", {"total": 1.0})
  log.close()
  assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


def _step_log(sums, counts, weights, total=0.0):
  """Returns the log of a step of a model with two terms; the weight `lacking` has no term."""
  a, b = ({"a": jnp.asarray(x), "b": jnp.asarray(y)} for x, y in (sums, counts))
  return StepLog(
    Terms(a, b),
    {**dict(zip("ab", map(jnp.asarray, weights), strict=True)), "lacking": jnp.asarray(3.0)},
    jnp.asarray(total),
  )


def test_metrics_of_a_hand_worked_interval():
  interval = Interval.of(_step_log((4.0, 6.0), (8.0, 8.0), (1.0, 0.5)), 1)
  interval = interval + Interval.of(_step_log((2.0, 3.0), (8.0, 4.0), (0.25, 0.5)), 2)
  # a has the mean 6 / 16, and (4 + 0.5) / 16 with its weights; b has the mean 9 / 12, and half of it.
  logged = metrics(interval)
  assert logged == pytest.approx(
    {"a": 0.375, "b": 0.75, "weight_a": 0.75, "weight_b": 0.5, "weight_lacking": 3.0, "total": 0.28125 + 0.375}
  )
  assert logged["total"] == pytest.approx(
    logged["a"] * logged["weight_a"] + logged["b"] * logged["weight_b"], rel=1e-12
  )
  assert interval.diverged_at is None


def test_a_term_without_counts_has_no_loss_and_the_mean_of_its_weights():
  interval = Interval.of(_step_log((4.0, 0.0), (8.0, 0.0), (1.0, 0.5)), 1)
  logged = metrics(interval + Interval.of(_step_log((4.0, 0.0), (8.0, 0.0), (1.0, 1.0)), 2))
  assert np.isnan(logged["b"])
  assert (logged["weight_b"], logged["total"]) == (0.75, 0.5)


def test_an_interval_knows_the_first_step_that_was_not_finite():
  steps = [
    Interval.of(_step_log((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), total), i) for i, total in enumerate([0, np.inf, np.nan])
  ]
  assert (steps[0] + steps[2] + steps[1]).diverged_at == 1
