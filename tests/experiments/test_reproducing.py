"""The way from flags to page, without training: refused requests and failed runs."""

import dataclasses

from prepared import SPEC, prepare
import pytest

from attavvad_jax.configs import att_avvad_small
from attavvad_jax.experiments import plan
from attavvad_jax.experiments import reproduce as reproduce_lib
from attavvad_jax.experiments.data import find_data
from attavvad_jax.experiments.reproduce import reproduce

SMOKE = plan.BUDGETS["smoke"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
  return prepare(tmp_path_factory.mktemp("data"), {"train": 4, "test": 2})


def run(path, output, **changes):
  options = {"tables": ["3"], "figures": ["3"], "data": find_data(str(path)), "budget": SMOKE, **changes}
  return reproduce(att_avvad_small.get_config().to_dict(), output, **options)


@pytest.fixture
def asked(monkeypatch):
  """The requested runs, all of which fail."""
  runs = []

  def fail(some, started_s):
    runs.extend(some)
    return {run.workdir: "the loss is not finite at step 2" for run in some}

  monkeypatch.setattr(reproduce_lib, "train_runs", fail)
  return runs


def test_invalid_requests_are_refused_and_leave_no_files(path, tmp_path, asked):
  with pytest.raises(ValueError, match="unknown table"):
    run(path, tmp_path / "x", tables=["9"])
  with pytest.raises(ValueError, match="--seeds=0; expected 1 or more"):
    run(path, tmp_path / "x", seeds=0)
  assert asked == []
  assert not list(tmp_path.iterdir())


def test_data_without_a_test_split_is_refused(tmp_path, asked):
  path = prepare(tmp_path / "data", {"train": 1})
  with pytest.raises(ValueError, match="has no split 'test' to evaluate on; it has train"):
    run(path, tmp_path / "x")
  assert asked == []


def test_page_is_written_even_if_every_run_fails(path, tmp_path, asked):
  page = run(path, tmp_path, command="python -m launch.reproduce")
  html = page.read_text(encoding="utf-8")
  assert html.count('<tr class="wrong">') == 3
  assert "failed; seed 1024: the loss is not finite at step 2" in html
  assert "Not drawn: seed 1024: the loss is not finite at step 2." in html
  tables = (tmp_path / "tables.md").read_text(encoding="utf-8")
  assert "| audio only | failed; seed 1024: the loss is not finite at step 2 |" in tables
  for fact in ("| Command | python -m launch.reproduce |", "| Date | ", "| Machine | ", "| Versions | attavvad_jax "):
    assert fact in tables
  assert not list(tmp_path.glob("*.png"))


def test_runs_use_the_prepared_data_seed_by_seed(path, tmp_path, asked):
  run(path, tmp_path, seeds=2, figures=[])
  assert [(run.experiment.name, run.seed) for run in asked] == [
    (name, seed) for seed in (1024, 1025) for name in ("audio_only", "visual_only", "att_avvad")
  ]
  assert {run.config["data"] for run in asked} == {str(path)}
  assert asked[0].workdir == tmp_path / "runs" / "audio_only-seed1024"
  assert all(run.config["crop"] == dataclasses.asdict(SPEC.crop) for run in asked)


def test_base_as_target_task_starts_from_its_source_task_on_clean_voices(path, tmp_path, asked, monkeypatch):
  clean = find_data(str(prepare(tmp_path / "clean", {"train": 1})))
  minutes = {}

  class Clean:
    def prepare(self, folder, spec, budget):
      minutes.update(budget.minutes)
      return clean.prepared

  monkeypatch.setattr(reproduce_lib, "find_data", {"simulated:unaccompanied": Clean()}.get)
  run(path, tmp_path / "x", tables=["2"], figures=[])
  runs = {run.experiment.name: run for run in asked}
  assert runs["base_a_source"].config["data"] == str(clean.prepared.path)
  assert runs["base_a_source"].config["transfer"]["checkpoint"] is None
  assert minutes == {"train": 0.5, "validation": 0.5}
  assert runs["base_a"].config["data"] == str(path)
  assert runs["base_a"].config["transfer"]["checkpoint"] == str(runs["base_a_source"].workdir)
