"""A workdir's run has one configuration, data set and source, identified by their contents and not by their paths."""

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
def test_other_data_at_the_same_path_raise(tmp_path, data, counts, split):
  setup = _set_up(data)
  claim_workdir(tmp_path / "run", setup)
  shutil.rmtree(data)
  assert prepare(tmp_path / "data", counts) == data
  now = _set_up(data)
  with pytest.raises(ValueError, match="holds a run on other data") as error:
    claim_workdir(tmp_path / "run", now)
  assert str(error.value) == (
    f"{tmp_path / 'run'}: holds a run on other data than {data} has now: split {split} is "
    f"{now.data.digest(split)[:12]}, expected {setup.data.digest(split)[:12]}; restore those data, use another "
    "--workdir or remove this one"
  )


def test_error_names_a_split_that_was_removed(tmp_path, data):
  claim_workdir(tmp_path / "run", _set_up(data))
  shutil.rmtree(data)
  prepare(tmp_path / "data", {"train": 1})
  with pytest.raises(ValueError, match="split validation is missing"):
    check_workdir(tmp_path / "run", _set_up(data))


def test_the_same_data_at_another_path_are_accepted(tmp_path, data):
  claim_workdir(tmp_path / "run", _set_up(data))
  # A test split does not affect training.
  moved = prepare(tmp_path / "moved", {**COUNTS, "test": 1})
  claim_workdir(tmp_path / "run", _set_up(moved))
  assert _claim(tmp_path / "run")["config"]["data"] == str(moved)


def test_a_run_without_digests_is_identified_by_paths_until_it_is_claimed_again(tmp_path, data):
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
  """Returns a run to start from, whose digest is the content of its file."""
  folder = tmp_path / "source"
  for part in ("meta", "variables"):
    (folder / part).mkdir(parents=True)
  (folder / "parameters").write_text("first")
  monkeypatch.setattr(checkpoints, "parameters_digest", lambda path: (path / "parameters").read_text())
  return folder


def test_a_source_with_other_parameters_at_the_same_path_raises(tmp_path, data, source):
  workdir = tmp_path / "run"
  claim_workdir(workdir, _set_up(data, source))
  (source / "parameters").write_text("second")
  with pytest.raises(ValueError, match="holds a run that started from") as error:
    check_workdir(workdir, _set_up(data, source))
  assert str(error.value) == (
    f"{workdir}: holds a run that started from other parameters than {source} has now: second, expected first; "
    "restore those parameters, use another --workdir or remove this one"
  )


def test_a_source_may_move_or_disappear_after_a_run_has_started(tmp_path, data, source):
  workdir = tmp_path / "run"
  claim_workdir(workdir, _set_up(data, source))
  claim_workdir(workdir, _set_up(data, shutil.copytree(source, tmp_path / "copy")))
  shutil.rmtree(source)
  claim_workdir(workdir, _set_up(data, source))
  assert _claim(workdir)["source"] == "first"  # kept in case the source returns
  with pytest.raises(ValueError, match="other values of transfer"):
    check_workdir(workdir, _set_up(data))


def test_a_function_of_loss_weights_that_has_moved_is_the_same_function(tmp_path, data):
  """Runs of older versions, which had the experiments outside the package, name it differently."""
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
