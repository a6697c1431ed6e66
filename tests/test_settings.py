"""The typed config: which fields of models it covers, and how older configs are filled."""

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

# Fields that training and the label map set.
NOT_IN_THE_CONFIG = {"axis_name", "num_events", "parent", "name"}


def _fields(cls):
  return {field.name for field in dataclasses.fields(cls)}


@pytest.mark.parametrize("name", MODELS)
def test_every_field_of_every_model_has_a_key(name):
  model, keys = MODELS[name](), _fields(Model)
  assert _fields(type(model)) - NOT_IN_THE_CONFIG <= keys
  for branch in BRANCHES:
    if getattr(model, branch, None) is not None:
      own = _fields(type(getattr(model, branch))) - NOT_IN_THE_CONFIG
      assert {field for field in own if field not in keys and f"{branch}_{field}" not in keys} == set()


def test_any_model_field_can_be_set_on_the_command_line():
  config = load("att_avvad", ["--config.model.gru_units=32", "--config.model.visual_strides=((2, 2),)"])
  model = config_lib.model(config)
  assert (model.audio.gru_units, model.visual.strides, model.audio.filters) == (32, ((2, 2),), 32)
  with pytest.raises(ValueError, match="field visual_strides"):
    config_lib.model(load("base_a", ["--config.model.visual_strides=((2, 2),)"]))


def test_own_network_needs_no_fields_of_the_package_networks(monkeypatch):
  class Net(nn.Module):
    width: int

  monkeypatch.setitem(sys.modules, "own_net", types.SimpleNamespace(Net=Net))
  config = att_avvad.get_config()
  config.model.name = "own_net:Net"
  config.model.width = 3
  assert config_lib.model(config) == Net(3)
  config.model.gru_units = 8
  with pytest.raises(ValueError, match=r"Net .*field gru_units;.* width"):
    config_lib.model(config)


def test_defaults_are_the_paper_experiment():
  assert config_lib.fill(att_avvad.get_config().to_dict()) == {**att_avvad.get_config().to_dict()}
  assert set(att_avvad.get_config()) == _fields(Config)


def test_missing_keys_get_their_defaults_at_every_level():
  config = to_dict(Config())
  del config["optimizer"], config["model"]["audio"], config["crop"]["margin"]
  filled = config_lib.fill(config)
  # The margin is the default of `Crop`, not that of the paper's experiment.
  assert filled["crop"]["margin"] == 0.2
  assert {**filled, "crop": config["crop"]} == {**to_dict(Config()), "crop": config["crop"]}
  assert "optimizer" not in config


def test_checkpoint_of_a_newer_version_is_an_error(tmp_path):
  (tmp_path / "meta").mkdir()
  (tmp_path / "meta" / "metadata").write_text(f'{{"schema": {checkpoints.SCHEMA + 1}}}')
  with pytest.raises(ValueError, match=r"schema is 2; .* reads up to 1: install a newer version"):
    checkpoints.read_meta(tmp_path)
  (tmp_path / "meta" / "metadata").write_text("{}")  # as in versions that did not store it
  assert checkpoints.read_meta(tmp_path) == {}
