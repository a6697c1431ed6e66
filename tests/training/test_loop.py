import json
import shutil

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from tiny import tiny_config

from attavvad_jax import config as config_lib
from attavvad_jax.checkpoints import find_checkpoint, read_meta
from attavvad_jax.loss_weights import per_group
from attavvad_jax.losses import TERMS
from attavvad_jax.training import loop
from attavvad_jax.training.logs import RunLog
from attavvad_jax.training.setup import set_up

pytestmark = pytest.mark.slow


def _config(data, **changes):
  """Returns a config with every augmentation and learned weights, so that resuming is tested with every state."""
  config = tiny_config(data, loss_weights="grad_norm")
  config.update(changes)
  config.optimizer.ema_decay = 0.5
  config.augmentation.update(
    dict(
      gain_db=6.0,
      mix_probability=0.5,
      mask_frames=3,
      mask_bands=8,
      brightness_fraction=0.1,
      contrast_fraction=0.1,
      shift_fraction=0.1,
      flip_probability=0.5,
      drop_images_probability=0.3,  # so that the counts of batches differ
      drop_audio_probability=0.1,
    )
  )
  return config


def _arrays(workdir):
  """Returns every array of the run's last checkpoint."""
  folder = find_checkpoint(workdir / "checkpoints" / "last")
  return [_restore(folder / item) for item in ("variables", "optimizer")]


def _restore(item):
  with ocp.StandardCheckpointer() as checkpointer:
    return checkpointer.restore(item)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, prepared_path):
  """Returns the workdir of an uninterrupted run of two epochs, 12 steps."""
  workdir = tmp_path_factory.mktemp("run")
  loop.train(_config(prepared_path), workdir)
  return workdir


def test_interrupted_run_ends_bit_identical_to_an_uninterrupted_one(tmp_path, prepared_path, finished, monkeypatch):
  write = RunLog.write

  def interrupt(self, step, split, metrics):
    write(self, step, split, metrics)
    if step == 8:  # three steps after the last checkpoint
      raise KeyboardInterrupt

  monkeypatch.setattr(RunLog, "write", interrupt)
  with pytest.raises(KeyboardInterrupt):
    loop.train(_config(prepared_path), tmp_path)
  assert find_checkpoint(tmp_path / "checkpoints" / "last").name == "5"
  monkeypatch.undo()
  (tmp_path / "checkpoints" / "best" / "3" / "variables").mkdir(parents=True)  # a half-deleted checkpoint
  loop.train(_config(prepared_path), tmp_path)
  jax.tree.map(np.testing.assert_array_equal, _arrays(tmp_path), _arrays(finished))
  assert not (tmp_path / "checkpoints" / "best" / "3").exists()


def test_logged_losses_times_logged_weights_add_up_to_the_logged_total(finished):
  lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
  train = [line for line in lines if line["split"] == "train"]
  assert [line["step"] for line in train] == [2, 4, 5, 6, 8, 10, 12]
  for line in train:
    assert set(line) == {"step", "split", "total", "blocks_per_s", *TERMS, *(f"weight_{name}" for name in TERMS)}
    np.testing.assert_allclose(sum(line[name] * line[f"weight_{name}"] for name in TERMS), line["total"], rtol=1e-6)
  first, last = ([line[f"weight_{name}"] for name in TERMS] for line in (train[0], train[-1]))
  assert min(np.abs(np.subtract(first, last))) > 0.01  # the weights have changed


def test_checkpoint_contains_config_spec_and_validation(finished, prepared_path):
  meta = read_meta(find_checkpoint(finished))
  assert meta["config"] == json.loads(json.dumps(_config(prepared_path).to_dict()))
  assert meta["spec"]["clock"]["block_rate_hz"] == 3.0
  assert meta["spec"]["events"] == ["silence", "speech", "singing", "others"]
  assert set(meta["validation"]) >= {"f", "error_rate", "audio_visual_f", "audio_f"}


def test_another_configuration_in_the_workdir_raises(finished, prepared_path):
  with pytest.raises(ValueError, match="other values of model, learning_rate"):
    loop.train(
      _config(prepared_path, learning_rate=0.1, model=dict(name="att_avvad", filters=8, dtype="float32")), finished
    )


def test_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path, prepared_path, monkeypatch):
  poisoned = per_group(audio=lambda step: jax.numpy.where(step == 6, jax.numpy.nan, 1.0))
  monkeypatch.setattr(config_lib, "loss_weights", lambda config: poisoned)
  with pytest.raises(ValueError, match="not finite at step 7"):
    loop.train(tiny_config(prepared_path), tmp_path)
  assert find_checkpoint(tmp_path / "checkpoints" / "last").name == "5"


def test_data_prepared_with_another_crop_raise(tmp_path, prepared_path):
  config = _config(prepared_path)
  config.crop.height_px = 48
  with pytest.raises(ValueError, match=r"crop\.height_px=32 .*48"):
    loop.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_unknown_config_key_raises(tmp_path, prepared_path):
  with pytest.raises(ValueError, match=r"unknown key.* batchsize"):
    loop.train({**_config(prepared_path), "batchsize": 3}, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_audio_targets_any_voice_raise_without_such_labels(tmp_path, prepared_path):
  with pytest.raises(ValueError, match=r"audio_targets=any_voice"):
    loop.train(_config(prepared_path, audio_targets="any_voice"), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_invalid_value_leaves_no_workdir(tmp_path, prepared_path):
  config = _config(prepared_path)
  config.augmentation.flip_probability = 1.5
  with pytest.raises(ValueError, match="flip_probability"):
    loop.train(config, tmp_path / "run")
  with pytest.raises(ValueError, match=r"loss_weights.* '1/1'"):
    loop.train(_config(prepared_path, loss_weights="1/1"), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_run_starts_from_the_matching_parameters_of_another(tmp_path, prepared_path, finished, capsys):
  """Frozen parameters stay those of the source, and a resumed run no longer needs the source."""
  source = shutil.copytree(finished, tmp_path / "source")
  transfer = dict(checkpoint=str(source), freeze=("audio/gru",))
  config = tiny_config(prepared_path, num_epochs=1, checkpoint_every_steps=6, transfer=transfer)
  loop.train(config, tmp_path / "run")
  printed = capsys.readouterr().out
  assert printed == (tmp_path / "run" / "transfer.txt").read_text()
  assert f"transfer from {find_checkpoint(source)}" in printed
  before, after = (_restore(find_checkpoint(workdir) / "variables")["params"] for workdir in (source, tmp_path / "run"))
  jax.tree.map(np.testing.assert_array_equal, before["audio"]["gru"], after["audio"]["gru"])
  assert (before["audio"]["block_0"]["gated_conv"]["kernel"] != after["audio"]["block_0"]["gated_conv"]["kernel"]).any()
  assert read_meta(find_checkpoint(tmp_path / "run"))["config"]["transfer"]["checkpoint"] == str(source)

  shutil.rmtree(source)
  loop.train(config, tmp_path / "run")
  assert capsys.readouterr().out == ""


def test_a_missing_source_leaves_no_workdir(tmp_path, prepared_path):
  config = _config(prepared_path)
  config.transfer.checkpoint = str(tmp_path / "none")
  with pytest.raises(ValueError, match="no such checkpoint"):
    loop.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_learning_rate_decays_by_half_a_cosine_period(prepared_path):
  setup = set_up(tiny_config(prepared_path, learning_rate=0.01, learning_rate_decay_epochs=2.0))
  assert setup.num_steps == 12
  gradient = np.float32(1.0)
  state = setup.optimizer.init(gradient)
  rates = []
  for _ in range(14):
    change, state = setup.optimizer.update(gradient, state)
    rates.append(-float(change))
  # For a constant gradient, Adam's step equals the learning rate.
  expected = [0.005 * (1 + np.cos(np.pi * min(step, 12) / 12)) for step in range(14)]
  np.testing.assert_allclose(rates, expected, rtol=1e-4, atol=1e-9)


def test_negative_decay_raises(prepared_path):
  with pytest.raises(ValueError, match=r"learning_rate_decay_epochs is -1\.0"):
    set_up(tiny_config(prepared_path, learning_rate_decay_epochs=-1.0))
