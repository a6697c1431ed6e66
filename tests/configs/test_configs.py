"""Every shipped config: loaded, shrunk, stepped, saved and restored."""

import dataclasses
import importlib
from pathlib import Path

import jax
import numpy as np
from prepared import LIPS, SPEC, prepare
import pytest

from attavvad_jax import config as config_lib
from attavvad_jax.blocks import LIP_SHAPE
from attavvad_jax.configs import att_avvad, curriculum
from attavvad_jax.features.augmentation import Augmentation
from attavvad_jax.inference.detector import Detector
from attavvad_jax.losses import TERMS
from attavvad_jax.reports.curves import weights_of_function
from attavvad_jax.training import loop

CONFIGS = sorted(path.stem for path in (Path(__file__).parents[2] / "configs").glob("*.py") if path.stem != "__init__")


@pytest.fixture(scope="module")
def paths(tmp_path_factory, prepared_path):
  """Folders of prepared data by the part of the face that their images show."""
  lips = prepare(tmp_path_factory.mktemp("lips"), {"train": 4, "validation": 2, "test": 2}, LIPS)
  return {"face": (prepared_path, SPEC), LIP_SHAPE: (lips, LIPS)}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_config_trains_and_detects(name, tmp_path, paths):
  config = importlib.import_module(f"configs.{name}").get_config()
  path, spec = paths.get(config.crop.part, paths["face"])
  config.data = str(path)
  config.audio_targets = "performer"  # these data have no labels of any voice
  config.crop.update(dataclasses.asdict(spec.crop))
  config.clock.update(spec.clock.to_dict())
  config.model.update(dict(filters=4, embedding_dim=8, gru_units=4))
  config.update(dict(batch_size=16, num_epochs=1, checkpoint_every_steps=6, log_every_steps=6))
  # Compiled without optimizations, the gradient of Base-A's maximum over bands is NaN on CPUs (jaxlib 0.10.2).
  jax.config.update("jax_disable_most_optimizations", config.model.name != "base_a")
  try:
    detector = Detector(loop.train(config, tmp_path))
  finally:
    jax.config.update("jax_disable_most_optimizations", True)
  assert detector.meta["step"] == 6
  batch = {
    "waveform": np.zeros((2, spec.clock.block_samples), np.int16),
    "images": np.zeros((2, 3, spec.crop.height_px, spec.crop.width_px), np.uint8),
    "image_mask": np.zeros((2, 3), bool),
  }
  predicted = detector.predict(batch)
  scores = np.asarray(predicted.audio if predicted.audio_visual is None else predicted.audio_visual)
  assert scores.shape == (2, 4)
  assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_config_declares_what_the_package_reads(name):
  config = importlib.import_module(f"configs.{name}").get_config()
  config_lib.check_keys(config)
  assert set(config.augmentation) == {field.name for field in dataclasses.fields(Augmentation)}
  assert config_lib.augmentation(config) is not None
  assert config_lib.audio_targets(config) == ("any_voice" if name in ("detector", "drawings") else "performer")
  assert config_lib.data_spec(config).clock.frames_per_block == 15
  assert config_lib.model(config) is not None
  assert config_lib.loss_weights(config) is not None
  assert config_lib.transfer(config) == config_lib.Transfer()


def test_the_papers_configuration_has_no_augmentation():
  assert config_lib.augmentation(att_avvad.get_config()) == Augmentation()


def test_the_papers_configuration_is_trained_as_the_paper_says():
  """Section 3.1: "Adam optimizer with a learning rate of 0.001"; it says of no schedule."""
  config = att_avvad.get_config()
  assert (config.learning_rate, config.learning_rate_decay_epochs) == (0.001, 0)


def test_command_line_sets_fields_of_the_model_and_others_keep_their_defaults():
  config = att_avvad.get_config()
  assert (config_lib.model(config).fusion, config_lib.model(config).audio.filters) == ("attention", 32)
  config.model.fusion, config.model.filters = "rule", 8  # as ml_collections does with --config.model.fusion=rule
  assert (config_lib.model(config).fusion, config_lib.model(config).audio.filters) == ("rule", 8)


def test_unknown_audio_targets_are_refused():
  with pytest.raises(ValueError, match=r"config.audio_targets is 'everyone'; expected performer or any_voice"):
    config_lib.audio_targets({"audio_targets": "everyone"})


def test_loss_weights_of_another_kind_are_refused():
  with pytest.raises(ValueError, match=r"config.loss_weights is '1:1'"):
    config_lib.loss_weights({"loss_weights": "1:1"})


def test_a_path_to_freeze_that_is_no_tuple_is_refused():
  with pytest.raises(ValueError, match=r"config.transfer.freeze is 'audio'; expected a tuple of paths"):
    config_lib.transfer({"transfer": {"checkpoint": None, "freeze": "audio"}})


def test_the_curriculum_hears_first_then_sees_then_does_both():
  _, weights = weights_of_function(curriculum.audio_then_visual_then_joint(), 1500)
  for first, groups in ((0, (1, 0, 0)), (500, (0, 1, 0)), (1000, (1, 1, 1))):
    for step in (first, first + 499):
      assert [weights[name][step] for name in TERMS] == [groups[0]] * 4 + [groups[1]] + [groups[2]] * 4


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (dict(batch_size=0), "config.batch_size is 0; expected a whole number of 1 or more"),
    (dict(batch_size=-4), "config.batch_size is -4; expected a whole number of 1 or more"),
    (
      dict(num_microbatches=3),
      "config.num_microbatches is 3; expected a whole number that divides config.batch_size, 64",
    ),
  ],
)
def test_invalid_batch_settings_are_refused(changes, message):
  config = att_avvad.get_config()
  config.update(changes)
  with pytest.raises(ValueError, match=message):
    config_lib.check_batch(config)


def test_a_misspelt_augmentation_is_refused():
  with pytest.raises(ValueError, match=r"config\.augmentation.*gain\b.*gain_db"):
    config_lib.augmentation({"augmentation": {"gain": 6.0}})


@pytest.mark.parametrize(
  ("name", "size"), [("att_avvad", (450, 300)), ("att_avvad_small", (112, 112)), ("demo", (112, 112))]
)
def test_image_sizes_are_those_of_the_paper_and_the_small_configuration(name, size):
  crop = config_lib.data_spec(importlib.import_module(f"configs.{name}").get_config()).crop
  assert (crop.height_px, crop.width_px) == size
