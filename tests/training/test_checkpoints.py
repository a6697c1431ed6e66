import contextlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.checkpoints import find_checkpoint, read_meta, restore_variables
from attavvad_jax.datasets.loader import training_batches
from attavvad_jax.loss_weights import per_group, uncertainty
from attavvad_jax.training.checkpoints import Checkpoints, clear_leftovers
from attavvad_jax.training.step import TrainState


def _state(step, width=3, seed=0):
  params = {"dense": {"kernel": jax.random.normal(jax.random.key(seed), (2, width)), "bias": jnp.zeros(width)}}
  statistics, optimizer = {"norm": {"mean": jnp.ones(width)}}, optax.adam(1e-3).init(params)
  learned = uncertainty().init().replace(log_variances=jnp.full(9, float(step)))
  return TrainState(jnp.asarray(step, jnp.int32), params, statistics, optimizer, learned)


@pytest.fixture
def saved(tmp_path, prepared):
  """Returns the workdir of a run with `best` at step 3 and `last` at step 5, and the sixth batch."""
  checkpoints = Checkpoints(tmp_path)
  batches = training_batches(prepared, "train", 8, seed=1)
  for step in range(1, 6):
    next(batches)
    if step in (3, 5):
      checkpoints.save("best" if step == 3 else "last", _state(step, seed=step), batches, {"step": step})
  checkpoints.close()
  return tmp_path, next(batches)


def test_state_and_data_position_are_restored_as_saved(saved, prepared):
  workdir, expected_batch = saved
  checkpoints = Checkpoints(workdir)
  batches = training_batches(prepared, "train", 8, seed=1)
  state = checkpoints.restore_last(_state(0), batches)
  jax.tree.map(np.testing.assert_array_equal, state, _state(5, seed=5))
  np.testing.assert_array_equal(next(batches)["waveform"], expected_batch["waveform"])
  checkpoints.close()


def test_loss_weights_with_another_state_raise(saved, prepared):
  """The function that the config names may have changed since the checkpoint was saved."""
  workdir, _ = saved
  checkpoints = Checkpoints(workdir)
  batches = training_batches(prepared, "train", 8, seed=1)
  with pytest.raises(ValueError, match="state of optimizer or loss weights"):
    checkpoints.restore_last(_state(0).replace(loss_weights=per_group().init()), batches)
  checkpoints.close()


def test_a_workdir_means_its_best_checkpoint(saved):
  workdir, _ = saved
  assert read_meta(find_checkpoint(workdir)) == {"step": 3}
  assert read_meta(find_checkpoint(workdir / "checkpoints" / "last")) == {"step": 5}
  assert find_checkpoint(workdir / "checkpoints" / "best" / "3").name == "3"


def test_variables_alone_are_enough_for_inference(saved):
  workdir, _ = saved
  restored = restore_variables(find_checkpoint(workdir), jax.eval_shape(lambda: _state(0).variables))
  jax.tree.map(np.testing.assert_array_equal, restored, _state(3, seed=3).variables)


def test_error_lists_the_leaves_of_another_configuration(saved):
  workdir, _ = saved
  other = jax.eval_shape(lambda: _state(0, width=4).variables)
  other["params"]["head"] = other["params"]["dense"].pop("bias")
  with pytest.raises(ValueError, match="another configuration") as error:
    restore_variables(find_checkpoint(workdir), other)
  message = str(error.value)
  assert "missing: params/head" in message
  assert "extra: params/dense/bias" in message
  assert "params/dense/kernel (2, 3) (expected (2, 4))" in message


def test_an_interrupted_save_is_removed(saved):
  """Orbax writes a temporary folder and renames it when it is complete."""
  workdir, _ = saved
  debris = workdir / "checkpoints" / "last" / "9.orbax-checkpoint-tmp"
  (debris / "variables").mkdir(parents=True)
  clear_leftovers(workdir)
  assert [path.name for path in debris.parent.iterdir()] == ["5"]


def test_an_interrupted_deletion_is_completed(saved):
  """`tools.crash_test` found this: a run killed while Orbax deletes the previous checkpoint leaves a part of it."""
  workdir, _ = saved
  half_deleted = workdir / "checkpoints" / "last" / "4" / "variables"
  half_deleted.mkdir(parents=True)
  clear_leftovers(workdir)
  assert [path.name for path in (workdir / "checkpoints" / "last").iterdir()] == ["5"]
  clear_leftovers(workdir / "none")
  with contextlib.closing(Checkpoints(workdir)) as checkpoints:
    assert checkpoints.latest_step() == 5


def test_error_without_a_checkpoint_explains_what_one_is(tmp_path):
  with pytest.raises(ValueError, match=r"none: no such checkpoint; .*WORKDIR/checkpoints/best"):
    find_checkpoint(tmp_path / "none")
  with pytest.raises(ValueError, match="contains no checkpoint"):
    find_checkpoint(tmp_path)


def test_unreadable_metadata_raise_a_value_error(saved):
  workdir, _ = saved
  folder = find_checkpoint(workdir)
  (folder / "meta" / "metadata").write_text(json.dumps({})[:1], encoding="utf-8")
  with pytest.raises(ValueError, match="not a checkpoint of this package"):
    read_meta(folder)
