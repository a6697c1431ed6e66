"""A workdir's run is of one configuration, one data set and one source: told by what they hold, not where they lie."""

import json
import shutil

from prepared import prepare
import pytest
from tiny import tiny_config

from attavvad_jax import checkpoints
from attavvad_jax.training.setup import set_up
from attavvad_jax.training.workdir import check_workdir, claim_workdir

COUNTS = {"train": 1, "validation": 1}


@pytest.fixture
def data(tmp_path):
  return prepare(tmp_path / "data", COUNTS)


def _set_up(data, source=None):
  config = tiny_config(data)
  config.transfer.checkpoint = source and str(source)
  return set_up(config)


def _claim(workdir):
  return json.loads((workdir / "config.json").read_text())


@pytest.mark.parametrize(
  ("counts", "split"), [({"train": 2, "validation": 1}, "train"), ({"train": 1, "validation": 2}, "validation")]
)
def test_other_data_at_the_same_path_are_refused_in_one_line(tmp_path, data, counts, split):
  setup = _set_up(data)
  claim_workdir(tmp_path / "run", setup)
  shutil.rmtree(data)
  assert prepare(tmp_path / "data", counts) == data
  now = _set_up(data)
  with pytest.raises(ValueError, match="holds a run on other data") as error:
    claim_workdir(tmp_path / "run", now)
  assert str(error.value) == (
    f"{tmp_path / 'run'}: holds a run on other data than {data} has now: split {split} is "
    f"{now.data.digest(split)[:12]}, expected {setup.data.digest(split)[:12]}; bring those back, or use another "
    "--workdir or remove it"
  )


def test_a_split_that_has_come_or_gone_is_named(tmp_path, data):
  claim_workdir(tmp_path / "run", _set_up(data))
  shutil.rmtree(data)
  prepare(tmp_path / "data", {"train": 1})
  with pytest.raises(ValueError, match="split validation is not there, expected"):
    check_workdir(tmp_path / "run", _set_up(data))


def test_the_same_data_elsewhere_are_taken(tmp_path, data):
  claim_workdir(tmp_path / "run", _set_up(data))
  # More to test on changes nothing about training.
  moved = prepare(tmp_path / "moved", {**COUNTS, "test": 1})
  claim_workdir(tmp_path / "run", _set_up(moved))
  assert _claim(tmp_path / "run")["config"]["data"] == str(moved)


def test_a_run_of_before_digests_is_told_by_its_path_and_known_from_then_on(tmp_path, data):
  workdir = tmp_path / "run"
  setup = _set_up(data)
  claim_workdir(workdir, setup)
  old = _claim(workdir)
  (workdir / "config.json").write_text(json.dumps({"config": old["config"], "versions": old["versions"]}))
  elsewhere = _set_up(prepare(tmp_path / "moved", COUNTS))
  with pytest.raises(ValueError, match="other values of data"):
    check_workdir(workdir, elsewhere)
  claim_workdir(workdir, setup)
  assert _claim(workdir) == old
  check_workdir(workdir, elsewhere)


@pytest.fixture
def source(tmp_path, monkeypatch):
  """A run to start from, whose digest is what stands in its file."""
  folder = tmp_path / "source"
  for part in ("meta", "variables"):
    (folder / part).mkdir(parents=True)
  (folder / "parameters").write_text("first")
  monkeypatch.setattr(checkpoints, "parameters_digest", lambda path: (path / "parameters").read_text())
  return folder


def test_a_source_trained_anew_at_the_same_path_is_refused_in_one_line(tmp_path, data, source):
  workdir = tmp_path / "run"
  claim_workdir(workdir, _set_up(data, source))
  (source / "parameters").write_text("second")
  with pytest.raises(ValueError, match="holds a run that started from") as error:
    check_workdir(workdir, _set_up(data, source))
  assert str(error.value) == (
    f"{workdir}: holds a run that started from other parameters than {source} has now: second, expected first; bring "
    "those back, or use another --workdir or remove it"
  )


def test_a_source_may_move_or_go_once_a_run_has_begun(tmp_path, data, source):
  workdir = tmp_path / "run"
  claim_workdir(workdir, _set_up(data, source))
  claim_workdir(workdir, _set_up(data, shutil.copytree(source, tmp_path / "copy")))
  shutil.rmtree(source)
  claim_workdir(workdir, _set_up(data, source))
  assert _claim(workdir)["source"] == "first"  # not forgotten, should it come back
  with pytest.raises(ValueError, match="other values of transfer"):
    check_workdir(workdir, _set_up(data))


def test_a_function_of_loss_weights_that_has_moved_is_the_same_function(tmp_path, data):
  """Runs of before the experiments were in the package have its name of then."""
  old = "configs.curriculum:audio_then_visual_then_joint"
  config = tiny_config(data, loss_weights=f"attavvad_jax.{old}")
  claim_workdir(tmp_path / "run", set_up(config))
  path = tmp_path / "run" / "config.json"
  text = path.read_text()
  assert f"attavvad_jax.{old}" in text
  path.write_text(text.replace(f"attavvad_jax.{old}", old))
  check_workdir(tmp_path / "run", set_up(config))
  config.loss_weights = "1/1/1"
  with pytest.raises(ValueError, match="other values of loss_weights"):
    check_workdir(tmp_path / "run", set_up(config))
