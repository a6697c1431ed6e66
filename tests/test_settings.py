"""The typed tree of the config: what it covers, and how configs of before are filled."""

import dataclasses
import sys
import types

from flax import linen as nn
import pytest

from attavvad_jax import checkpoints
from attavvad_jax import config as config_lib
from attavvad_jax.configs import att_avvad, load
from attavvad_jax.models import BRANCHES, MODELS
from attavvad_jax.settings import Config, Model, to_dict

# Given by training, and by the labels.
NOT_OF_A_CONFIG = {"axis_name", "num_events", "parent", "name"}


def _fields(cls):
  return {field.name for field in dataclasses.fields(cls)}


@pytest.mark.parametrize("name", MODELS)
def test_every_field_of_every_model_has_a_key(name):
  model, keys = MODELS[name](), _fields(Model)
  assert _fields(type(model)) - NOT_OF_A_CONFIG <= keys
  for branch in BRANCHES:
    if hasattr(model, branch):
      own = _fields(type(getattr(model, branch))) - NOT_OF_A_CONFIG
      assert {field for field in own if field not in keys and f"{branch}_{field}" not in keys} == set()


def test_any_field_may_be_given_on_a_command_line():
  config = load("att_avvad", ["--config.model.gru_units=32", "--config.model.visual_strides=((2, 2),)"])
  model = config_lib.model(config)
  assert (model.audio.gru_units, model.visual.strides, model.audio.filters) == (32, ((2, 2),), 32)
  with pytest.raises(ValueError, match="no field visual_strides"):
    config_lib.model(load("base_a", ["--config.model.visual_strides=((2, 2),)"]))


def test_a_network_of_ones_own_needs_no_field_of_the_packages_networks(monkeypatch):
  class Net(nn.Module):
    width: int

  monkeypatch.setitem(sys.modules, "own_net", types.SimpleNamespace(Net=Net))
  config = att_avvad.get_config()
  config.model.name = "own_net:Net"
  config.model.width = 3
  assert config_lib.model(config) == Net(3)
  config.model.gru_units = 8
  with pytest.raises(ValueError, match="model Net has no field gru_units; expected some of width"):
    config_lib.model(config)


def test_the_papers_experiment_is_the_default():
  assert config_lib.fill(att_avvad.get_config().to_dict()) == {**att_avvad.get_config().to_dict()}
  assert set(att_avvad.get_config()) == _fields(Config)


def test_a_key_that_is_missing_has_its_default_at_every_level():
  config = to_dict(Config())
  del config["optimizer"], config["model"]["audio"], config["crop"]["margin"]
  filled = config_lib.fill(config)
  # That of crops, which a data set that says nothing has, and not that of the paper's experiment.
  assert filled["crop"]["margin"] == 0.2
  assert {**filled, "crop": config["crop"]} == {**to_dict(Config()), "crop": config["crop"]}
  assert "optimizer" not in config


def test_a_checkpoint_of_a_newer_version_is_refused(tmp_path):
  (tmp_path / "meta").mkdir()
  (tmp_path / "meta" / "metadata").write_text(f'{{"schema": {checkpoints.SCHEMA + 1}}}')
  with pytest.raises(ValueError, match=r"schema is 2; .* reads up to 1: install a newer one"):
    checkpoints.read_meta(tmp_path)
  (tmp_path / "meta" / "metadata").write_text("{}")  # as before it was noted
  assert checkpoints.read_meta(tmp_path) == {}
