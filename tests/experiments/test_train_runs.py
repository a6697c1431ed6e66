"""Which runs are trained; a stand-in for training writes what marks a finished run."""

import dataclasses
import json
import shutil
import time

from prepared import prepare
import pytest
from tiny import tiny_config

from attavvad_jax import checkpoints
from attavvad_jax.experiments import train as train_lib
from attavvad_jax.experiments.plan import EXPERIMENTS
from attavvad_jax.experiments.train import PlannedRun, train_runs
from attavvad_jax.training.setup import set_up
from attavvad_jax.training.workdir import claim_workdir


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return prepare(tmp_path_factory.mktemp("data"), {"train": 3})


@pytest.fixture
def runs(data, tmp_path):
  def one(name, checkpoint=None, **changes):
    config = tiny_config(data, **changes).to_dict()
    config["transfer"]["checkpoint"] = checkpoint and str(tmp_path / checkpoint)
    return PlannedRun(EXPERIMENTS[name], 7, config, tmp_path / name)

  return [one("base_a_source"), one("base_a", "base_a_source"), one("att_avvad")]


@pytest.fixture
def trained(monkeypatch):
  """The names of the trained runs, the names of those to fail, and the stand-in for training."""
  names, breaks = [], set()

  def fake(config, workdir, steps=None):
    names.append(workdir.name)
    if workdir.name in breaks:
      raise ValueError("the loss is not finite at step 3")
    claim_workdir(workdir, set_up(config))
    last = workdir / "checkpoints" / "last" / "8"
    for part in ("meta", "variables"):
      (last / part).mkdir(parents=True, exist_ok=True)
    step = set_up(config).num_steps if steps is None else steps
    (last / "meta" / "metadata").write_text(json.dumps({"step": step}))

  monkeypatch.setattr(train_lib, "train", fake)
  return names, breaks, fake


def test_each_run_is_trained_only_once(runs, trained, capsys):
  names, *_ = trained
  assert train_runs(runs, time.monotonic() - 90) == {}
  assert names == ["base_a_source", "base_a", "att_avvad"]
  printed = capsys.readouterr().out
  assert "run 3 of 3, 1.5 min so far: ATT-AVVAD, seed 7\n" in printed
  assert train_runs(runs, time.monotonic()) == {}
  assert len(names) == 3
  assert capsys.readouterr().out.count("already finished") == 3


def test_interrupted_run_resumes(runs, trained):
  names, _, fake = trained
  fake(runs[2].config, runs[2].workdir, steps=1)
  train_runs(runs[2:], time.monotonic())
  assert names == ["att_avvad", "att_avvad"]


def test_failed_run_fails_those_that_start_from_it_and_no_others(runs, trained, capsys):
  names, breaks, _ = trained
  breaks.add("base_a_source")
  reasons = train_runs(runs, time.monotonic())
  assert names == ["base_a_source", "att_avvad"]
  assert reasons == {
    runs[0].workdir: "the loss is not finite at step 3",
    runs[1].workdir: "the run that it starts from failed: the loss is not finite at step 3",
  }
  assert "Base-A, source task, seed 7 failed: the loss is not finite at step 3" in capsys.readouterr().out


def test_failed_run_is_tried_again(runs, trained):
  names, breaks, _ = trained
  breaks.add("att_avvad")
  train_runs(runs[2:], time.monotonic())
  breaks.clear()
  assert train_runs(runs[2:], time.monotonic()) == {}
  assert names == ["att_avvad", "att_avvad"]


def test_workdir_with_another_config_is_refused_before_training(runs, trained, data):
  names, *_ = trained
  other = tiny_config(data, learning_rate=0.5)
  claim_workdir(runs[2].workdir, set_up(other))
  with pytest.raises(ValueError, match="att_avvad: holds a run with other values of learning_rate"):
    train_runs(runs, time.monotonic())
  assert names == []


def test_new_data_are_refused_before_training(runs, trained, tmp_path):
  names, _, fake = trained
  folder = tmp_path / "data"
  old = dataclasses.replace(runs[2], config={**runs[2].config, "data": str(prepare(folder, {"train": 3}))})
  fake(old.config, old.workdir)
  shutil.rmtree(folder)
  prepare(folder, {"train": 4})
  with pytest.raises(ValueError, match=r"att_avvad: holds a run on other data than .* has now: split train is"):
    train_runs([*runs[:2], old], time.monotonic())
  assert names == ["att_avvad"]


def test_retrained_first_stage_fails_a_second_stage_that_has_begun(runs, trained, monkeypatch, capsys):
  """The first stage is missing, so it is trained in the same call and ends with other parameters."""
  names, *_ = trained
  parameters = ["once"]
  monkeypatch.setattr(checkpoints, "parameters_digest", lambda path: parameters[-1])
  assert train_runs(runs[:2], time.monotonic()) == {}
  shutil.rmtree(runs[0].workdir)
  parameters.append("again")
  reasons = train_runs(runs, time.monotonic())
  assert names == ["base_a_source", "base_a", "base_a_source", "att_avvad"]
  assert list(reasons) == [runs[1].workdir]
  assert "started from other parameters than" in reasons[runs[1].workdir]
  assert "Base-A, seed 7 failed: " in capsys.readouterr().out
