"""Networks whose logits are averaged, and trained runs that are joined to one."""

import json
import shutil

import jax
import numpy as np
import pytest
from tiny import SHALLOW, tiny_config

from attavvad_jax import config as config_lib
from attavvad_jax.inference.detector import Detector
from attavvad_jax.models import Ensemble, build, field_names, with_fields
from attavvad_jax.training import loop
from tools.join import join

FIELDS = dict(filters=2, embedding_dim=4, gru_units=3, **SHALLOW)


@pytest.fixture(scope="module")
def inputs():
  rng = np.random.default_rng(0)
  mask = np.ones((5, 3), bool)
  mask[0] = False
  return rng.random((5, 15, 64), np.float32), rng.random((5, 3, 32, 32), np.float32), mask


def test_the_logits_are_the_mean_of_those_of_the_members(inputs):
  network = build("att_avvad", **FIELDS)
  ensemble = Ensemble(network, 3)
  variables = jax.jit(lambda: ensemble.init(jax.random.key(0), *inputs, train=False))()
  outputs = ensemble.apply(variables, *inputs, train=False)
  alone = [
    network.apply(
      jax.tree.map(lambda array, i=i: array[i], {name: tree["member"] for name, tree in variables.items()}),
      *inputs,
      train=False,
    )
    for i in range(3)
  ]
  for name in ("audio_logits", "visual_logit", "audio_visual_logits", "attention"):
    values = np.array([getattr(each, name) for each in alone])
    np.testing.assert_allclose(getattr(outputs, name), values.mean(axis=0), rtol=1e-5, atol=1e-6)
    # Members that are alike would have the same mean whichever of them is left out.
    assert np.abs(values[0] - values[1]).max() > 1e-3 or name == "attention"
  expected = np.concatenate([each.audio_embeddings for each in alone], axis=-1)
  np.testing.assert_allclose(outputs.audio_embeddings, expected, rtol=1e-5, atol=1e-6)
  assert outputs.sync_logit is None


def test_a_field_sets_that_of_all_members():
  network = build("att_avvad", **FIELDS)
  changed = with_fields(Ensemble(network, 2), axis_name="batch", audio_dropout_rate=0.5)
  assert field_names(changed) == field_names(network)
  member = changed.member
  assert (member.axis_name, member.audio.axis_name, member.visual.axis_name) == ("batch",) * 3
  assert (member.audio.dropout_rate, member.visual.dropout_rate) == (0.5, 0.2)


@pytest.mark.parametrize("members", [0, -1, 1.5, True, "3"])
def test_error_names_the_number_of_members(prepared_path, members):
  config = tiny_config(prepared_path)
  config.model = {**config.model.to_dict(), "members": members}
  with pytest.raises(ValueError, match=r"config\.model\.members is .*; expected an integer of 1 or more"):
    config_lib.model(config)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, prepared_path):
  return [loop.train(tiny_config(prepared_path, seed=seed), tmp_path_factory.mktemp("run")) for seed in (1, 2)]


@pytest.fixture(scope="module")
def joined(tmp_path_factory, runs):
  return join(runs, tmp_path_factory.mktemp("joined") / "both")


def test_joined_runs_score_as_the_mean_of_their_logits(runs, joined, inputs):
  rng = np.random.default_rng(1)
  detectors = [Detector(path) for path in (*runs, joined)]
  clock, crop = detectors[0].spec.clock, detectors[0].spec.crop
  batch = {
    "waveform": rng.integers(-9000, 9000, (4, clock.block_samples)).astype(np.int16),
    "images": rng.integers(0, 255, (4, 3, crop.height_px, crop.width_px)).astype(np.uint8),
    "image_mask": np.ones((4, 3), bool),
  }
  first, second, both = (np.asarray(detector.predict(batch).audio_visual) for detector in detectors)
  mean = (np.log(first / (1 - first)) + np.log(second / (1 - second))) / 2
  np.testing.assert_allclose(both, 1 / (1 + np.exp(-mean)), rtol=1e-4, atol=1e-6)
  assert [member["seed"] for member in detectors[2].meta["members"]] == [1, 2]
  assert "validation" in detectors[0].meta
  assert "validation" not in detectors[2].meta


def test_a_joined_checkpoint_is_a_start_for_training(joined, prepared_path, tmp_path):
  config = tiny_config(prepared_path, num_epochs=1)
  config.model.members = 2
  config.transfer.checkpoint = str(joined)
  config.learning_rate = 0.0
  trained = Detector(loop.train(config, tmp_path)).variables["params"]
  jax.tree.map(np.testing.assert_array_equal, trained, Detector(joined).variables["params"])


def test_error_of_a_start_from_an_ensemble_names_the_option(joined, prepared_path, tmp_path):
  config = tiny_config(prepared_path)
  config.transfer.checkpoint = str(joined)
  with pytest.raises(ValueError, match=r"which averages 2 networks: add --config\.model\.members=2"):
    loop.train(config, tmp_path)


def test_errors_of_joining(runs, joined, prepared_path, tmp_path):
  with pytest.raises(ValueError, match="got 1 checkpoint; expected two or more"):
    join(runs[:1], tmp_path / "one")
  with pytest.raises(ValueError, match="exists already"):
    join(runs, joined)
  with pytest.raises(ValueError, match="is given twice"):
    join([runs[0], runs[1], runs[0]], tmp_path / "twice")
  with pytest.raises(ValueError, match="is an ensemble of 2 already"):
    join([runs[0], joined], tmp_path / "nested")
  other = loop.train(tiny_config(prepared_path, num_epochs=1, learning_rate=3e-3), tmp_path / "run")
  with pytest.raises(ValueError, match=r"differs from .* in .*learning_rate.*; expected runs of other seeds only"):
    join([runs[0], other], tmp_path / "mixed")
  (foreign := tmp_path / "foreign" / "meta").mkdir(parents=True)
  (foreign / "metadata").write_text("{}")
  (foreign.parent / "variables").mkdir()
  with pytest.raises(ValueError, match="its metadata lack config, spec"):
    join([runs[0], foreign.parent], tmp_path / "mixed")
  changed = shutil.copytree(runs[1], tmp_path / "changed")
  for path in changed.rglob("meta/metadata"):
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": {"train": "other records"}}))
  with pytest.raises(ValueError, match=r"differs from .* in the content of the data;"):
    join([runs[0], changed], tmp_path / "mixed")
  assert not (tmp_path / "mixed").exists()
