import dataclasses
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import sweeping

from attavvad_jax.checkpoints import find_checkpoint, read_meta
from attavvad_jax.evaluation.run import evaluate_checkpoint
from attavvad_jax.training import loop
from attavvad_jax.training.sweep import Member, Speed, Sweep, describe, parse_seeds, plan, sweep
from attavvad_jax.training.workdir import claim_workdir

SETTINGS, SEEDS = ["1/1/.5", "uncertainty", sweeping.DIVERGES], [1, 2]
CONVERGED = ["1-1-0.5-seed1", "1-1-0.5-seed2", "uncertainty-seed1", "uncertainty-seed2"]
DIVERGED = ["sweeping-diverges-seed1", "sweeping-diverges-seed2"]


def _arrays(workdir):
  """Returns every array of the run's last checkpoint."""
  import orbax.checkpoint as ocp

  folder = find_checkpoint(workdir / "checkpoints" / "last")
  with ocp.StandardCheckpointer() as checkpointer:
    return [checkpointer.restore(folder / item) for item in ("variables", "optimizer")]


def _assert_close(run, other, rtol=1e-3, atol=1e-4):
  """Compares parameters, statistics, Adam's moments and learned weights after 12 steps, which move parameters by 1e-2.

  The values are not equal: the convolutions of all members sum in another order than those of one, and the steps
  amplify the differences in the last digits.
  """
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), _arrays(run), _arrays(other))


def _log(workdir):
  """Returns the lines of the run's log without its speed."""
  lines = [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]
  return [{name: value for name, value in line.items() if name != "blocks_per_s"} for line in lines]


def _process(*arguments, devices=1):
  flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
  path = os.pathsep.join(str(Path(__file__).parents[i]) for i in range(3))
  environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path}
  command = [sys.executable, str(Path(sweeping.__file__)), *map(str, arguments)]
  return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def smooth():
  with pytest.MonkeyPatch.context() as patch:
    sweeping.make_smooth(patch.setattr)
    yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory, prepared_path, smooth):
  """Returns the folder and the result of a sweep of two epochs, 12 steps."""
  workdir = tmp_path_factory.mktemp("sweep")
  return workdir, sweeping.run(prepared_path, workdir, SETTINGS, SEEDS)


@pytest.mark.slow
def test_members_equal_runs_that_are_trained_alone(tmp_path, prepared_path, finished):
  for member, best in finished[1].best:
    if member.setting == sweeping.DIVERGES:
      continue
    config = sweeping.config(prepared_path, loss_weights=member.setting, seed=member.seed)
    alone = loop.train(config, tmp_path / member.workdir.name)
    _assert_close(member.workdir, alone)
    meta, alone_meta = (read_meta(find_checkpoint(run)) for run in (member.workdir, alone))
    assert best == meta
    assert meta.pop("validation") == pytest.approx(alone_meta.pop("validation"), nan_ok=True)
    assert meta.pop("program") == [name for name in (*CONVERGED, *DIVERGED)]
    assert meta == alone_meta
    for line, alone_line in zip(_log(member.workdir), _log(alone), strict=True):
      assert line.pop("split") == alone_line.pop("split")
      assert line == pytest.approx(alone_line, rel=1e-3)


@pytest.mark.slow
def test_member_is_an_ordinary_run(tmp_path, prepared_path, finished):
  run = shutil.copytree(finished[0] / "uncertainty-seed2", tmp_path / "run")
  assert "reference events" in str(evaluate_checkpoint(run, prepared_path, "test", "paper"))
  config = sweeping.config(prepared_path, loss_weights="uncertainty", seed=2, num_epochs=3)
  loop.train(config, run)
  assert [line["step"] for line in _log(run) if line["split"] == "validation"] == [5, 10, 12, 15, 18]
  assert find_checkpoint(run / "checkpoints" / "last").name == "18"


@pytest.mark.slow
def test_members_that_diverge_are_named_and_left_alone(prepared_path, finished, capsys):
  workdir, result = finished
  assert sorted(path.name for path in workdir.iterdir()) == sorted(CONVERGED + DIVERGED)
  assert [member.workdir.name for member, _ in result.best if member.diverged] == DIVERGED
  message = "the loss is not finite at step 8; the last checkpoint is from before that step"
  assert f"diverged: {sweeping.DIVERGES}, seed 2: {message}" in describe(result).splitlines()
  for name in DIVERGED:
    assert (workdir / name / "diverged.txt").read_text() == message + "\n"
    assert _log(workdir / name)[-1] == {"step": 8, "split": "diverged"}
    assert find_checkpoint(workdir / name / "checkpoints" / "last").name == "5"
  again = sweeping.run(prepared_path, workdir, SETTINGS, SEEDS)
  assert again.speed is None
  assert [best for _, best in again.best] == [best for _, best in result.best]
  assert _log(workdir / DIVERGED[0])[-1] == {"step": 8, "split": "diverged"}


@pytest.mark.slow
def test_sweep_killed_between_two_saves_ends_bit_identical_to_an_uninterrupted_one(tmp_path, prepared_path, finished):
  result = _process(prepared_path, tmp_path, ",".join(SETTINGS), "1,2", "1/1/.5, seed 2")
  assert result.returncode == -9, result.stderr
  steps = [find_checkpoint(tmp_path / name / "checkpoints" / "last").name for name in CONVERGED + DIVERGED]
  assert steps == ["10", "5", "5", "5", "5", "5"]
  # The resumed program then has as many members as the uninterrupted one.
  for name in DIVERGED:
    (tmp_path / name / "diverged.txt").unlink()
  sweeping.run(prepared_path, tmp_path, SETTINGS, SEEDS)
  for name in CONVERGED:
    jax.tree.map(np.testing.assert_array_equal, _arrays(tmp_path / name), _arrays(finished[0] / name))
    assert _log(tmp_path / name) == _log(finished[0] / name)


@pytest.mark.slow
def test_members_are_distributed_unevenly_over_devices(tmp_path, prepared_path, finished):
  result = _process(prepared_path, tmp_path, ",".join(SETTINGS), "2", devices=2)
  assert result.returncode == 0, result.stderr
  for name in ("1-1-0.5-seed2", "uncertainty-seed2"):
    _assert_close(tmp_path / name, finished[0] / name)
  assert (tmp_path / "sweeping-diverges-seed2" / "diverged.txt").exists()


@pytest.mark.parametrize(
  ("settings", "seeds", "message"),
  [
    ([], [1], r"^settings: none"),
    (["1/1/1"], [], r"^seeds: none"),
    (["1/1/1", "mine"], [1], r"^settings: loss_weights.* 'mine'"),
    (["1/1/.5", "1/1/0.50"], [1], r"^settings: 1/1/\.5 and 1/1/0\.50 are the same"),
    (["uncertainty"], [3, 4, 3], r"^seeds: 3 and 3 are the same"),
  ],
)
def test_invalid_lists_raise_and_write_nothing(tmp_path, prepared_path, settings, seeds, message):
  with pytest.raises(ValueError, match=message):
    sweeping.run(prepared_path, tmp_path / "sweep", settings, seeds)
  assert not (tmp_path / "sweep").exists()


def test_folder_of_another_run_raises_before_any_folder_is_created(tmp_path, prepared_path):
  config = sweeping.config(prepared_path)
  last = plan(config, tmp_path, ["1/1/1", "uncertainty"], [1])[-1]
  other = dataclasses.replace(last.setup, config={**last.setup.config, "learning_rate": 1.0})
  claim_workdir(last.workdir, other)
  with pytest.raises(ValueError, match=r"uncertainty-seed1: .*other values of learning_rate"):
    sweep(config, tmp_path, ["1/1/1", "uncertainty"], [1])
  assert [path.name for path in tmp_path.iterdir()] == ["uncertainty-seed1"]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "one", "4294967296", "99999999999"])
def test_text_that_is_no_seed_raises(text):
  with pytest.raises(ValueError, match=f"seeds: '{text}'.* 0 to 4294967295"):
    parse_seeds(["1", text])


def test_seeds_are_parsed_from_text():
  assert parse_seeds(["0", "4294967295"]) == [0, 4294967295]


def test_folders_are_named_by_setting_and_seed(tmp_path, prepared_path):
  members = plan(sweeping.config(prepared_path), tmp_path, [".5/1/1", sweeping.DIVERGES], [7, 8])
  assert [member.workdir.relative_to(tmp_path).as_posix() for member in members] == [
    "0.5-1-1-seed7",
    "0.5-1-1-seed8",
    "sweeping-diverges-seed7",
    "sweeping-diverges-seed8",
  ]
  assert [(m.setup.config["loss_weights"], m.setup.config["seed"]) for m in members[1:3]] == [
    (".5/1/1", 8),
    (sweeping.DIVERGES, 7),
  ]


def test_summary_has_a_row_for_each_member_and_the_speed(tmp_path):
  (tmp_path / "b").mkdir()
  (tmp_path / "b" / "diverged.txt").write_text("the loss is not finite at step 3\n")
  best = {"step": 500, "validation": {"f": 0.7654}}
  members = [Member("1/1/1", 1, tmp_path / "a", None), Member("uncertainty", 20, tmp_path / "b", None)]
  result = Sweep([(members[0], best), (members[1], None)], Speed(together=30.0, alone=12.0))
  assert describe(result).splitlines() == [
    "setting      seed  validation F %  step",
    "1/1/1           1            76.5   500",
    "uncertainty    20               –     –",
    "diverged: uncertainty, seed 20: the loss is not finite at step 3",
    "member steps/s: 30 together, 12 one after another (2.50 times)",
  ]
