import dataclasses

from prepared import SPEC, prepare
import pytest

from attavvad_jax.experiments import data as data_lib
from attavvad_jax.experiments.data import DataSource, find_data
from attavvad_jax.experiments.plan import BUDGETS

SMOKE = BUDGETS["smoke"]


@pytest.fixture
def requests(monkeypatch):
  """The requested preparations, with a stand-in that draws recordings."""
  made = []

  def fake(output, spec, preset, minutes, **kwargs):
    made.append((preset, minutes, spec))
    return prepare(output, {"train": 1, "test": 1})

  monkeypatch.setattr(data_lib, "prepare_simulated", fake)
  return made


def test_invalid_data_is_refused_in_one_line(tmp_path):
  with pytest.raises(ValueError, match=r"unknown preset 'life'; expected one of .*live"):
    find_data("simulated:life")
  with pytest.raises(ValueError, match="--data=mavc100 needs --input"):
    find_data("mavc100")
  with pytest.raises(ValueError, match="none: not a folder; expected the folder of MAVC100's files"):
    find_data("mavc100", tmp_path / "none")
  with pytest.raises(ValueError, match="none: no such data set; expected simulated:PRESET, mavc100 or the path"):
    find_data(str(tmp_path / "none"))
  with pytest.raises(ValueError, match="no prepared data set"):
    find_data(str(tmp_path))


def test_prepared_data_set_is_used_in_place(tmp_path):
  path = prepare(tmp_path, {"train": 1})
  assert find_data(str(tmp_path)).prepare(tmp_path / "x", SPEC, SMOKE).path == path
  assert not (tmp_path / "x").exists()


def test_data_set_is_prepared_once(tmp_path, requests):
  source = DataSource("simulated:live")
  first = source.prepare(tmp_path, SPEC, SMOKE)
  assert source.prepare(tmp_path, SPEC, SMOKE).path == first.path
  assert requests == [("live", SMOKE.minutes, SPEC)]
  assert source.describe(first, SMOKE) == "simulated:live: 0.5 min train, 0.5 min validation, 1 min test"


def test_another_request_for_the_same_folder_is_refused(tmp_path, requests):
  source = DataSource("simulated:live")
  source.prepare(tmp_path, SPEC, SMOKE)
  longer = dataclasses.replace(SMOKE, minutes={**SMOKE.minutes, "train": 9.0})
  with pytest.raises(ValueError, match="simulated_live: holds other data than this budget asks for"):
    source.prepare(tmp_path, SPEC, longer)
  assert len(requests) == 1
