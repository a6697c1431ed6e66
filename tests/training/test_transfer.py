import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.datasets.loader import training_batches
from attavvad_jax.training.checkpoints import Checkpoints
from attavvad_jax.training.step import TrainState
from attavvad_jax.training.transfer import describe, freeze, frozen_parameters, load_matching

SOURCE = {
  "params": {"conv": {"kernel": (2, 3), "bias": (3,)}, "norm": {"scale": (3,)}, "head": {"kernel": (3, 1)}},
  "batch_stats": {"norm": {"mean": (3,)}},
}
# The target has another head and an additional layer.
TARGET = {
  "params": SOURCE["params"] | {"head": {"kernel": (3, 4)}, "visual": {"kernel": (5,), "bias": (1,)}},
  "batch_stats": SOURCE["batch_stats"],
}


def _state(shapes, value, optimizer=None, step=0):
  arrays = jax.tree.map(lambda shape: jnp.full(shape, value), shapes, is_leaf=lambda x: isinstance(x, tuple))
  optimizer = optimizer or optax.adam(0.1)
  return TrainState(
    jnp.asarray(step, jnp.int32), arrays["params"], arrays["batch_stats"], optimizer.init(arrays["params"]), ()
  )


def _save(workdir, state, prepared):
  checkpoints = Checkpoints(workdir)
  checkpoints.save("last", state, training_batches(prepared, "train", 8, seed=1), {"step": int(state.step)})
  checkpoints.close()
  return workdir


@pytest.fixture(scope="module")
def source(tmp_path_factory, prepared):
  """Returns the workdir of a run that ended at step 7 with all values 7."""
  return _save(tmp_path_factory.mktemp("source"), _state(SOURCE, 7.0, step=7), prepared)


def test_matching_arrays_are_loaded_and_the_rest_stay_new(source):
  state, transfer = load_matching(_state(TARGET, 1.0), source)
  expected = _state(TARGET, 7.0).params
  expected |= {name: _state(TARGET, 1.0).params[name] for name in ("head", "visual")}
  jax.tree.map(np.testing.assert_array_equal, state.params, expected)
  np.testing.assert_array_equal(state.batch_stats["norm"]["mean"], 7.0)
  assert int(state.step) == 0
  jax.tree.map(np.testing.assert_array_equal, state.optimizer, _state(TARGET, 1.0).optimizer)

  assert transfer.loaded == {
    "params/conv/kernel": (2, 3),
    "params/conv/bias": (3,),
    "params/norm/scale": (3,),
    "batch_stats/norm/mean": (3,),
  }
  assert transfer.new == {"params/head/kernel": (3, 4), "params/visual/kernel": (5,), "params/visual/bias": (1,)}
  assert transfer.left_over == {"params/head/kernel": (3, 1)}


def test_description_has_counts_and_names(source):
  state, transfer = load_matching(_state(TARGET, 1.0), source)
  text = describe(transfer, frozen_parameters(state.params, ["conv", "visual/bias"]))
  assert text.splitlines()[1:] == [
    "  loaded: 4 (conv, norm)",
    "  new: 3 (head, visual)",
    "  left over: 1 (head)",
    "  frozen: 3 (conv, visual/bias)",
    "  head/kernel is (3, 1) in the checkpoint, (3, 4) here",
  ]
  assert text.splitlines()[0].startswith(f"transfer from {source}")


def test_a_checkpoint_without_matching_parameters_raises(source):
  state = _state({"params": {"gru": {"kernel": (2, 2)}}, "batch_stats": {"norm": {"mean": (3,)}}}, 1.0)
  with pytest.raises(ValueError, match=r"no parameter .* gru/kernel \(2, 2\), the checkpoint conv/bias \(3,\)"):
    load_matching(state, source)


def test_error_names_a_missing_checkpoint(tmp_path):
  with pytest.raises(ValueError, match="none: no such checkpoint"):
    load_matching(_state(TARGET, 1.0), tmp_path / "none")


def _descend(optimizer, params):
  """Returns the parameters after one step with gradients of 1."""
  changes, _ = optimizer.update(jax.tree.map(jnp.ones_like, params), optimizer.init(params), params)
  return optax.apply_updates(params, changes)


def test_frozen_parameters_stay_and_the_others_change_as_usual():
  params = _state(TARGET, 1.0).params
  # Weight decay changes parameters even without a gradient.
  optimizer = optax.adamw(0.1, weight_decay=0.1)
  changed, expected = _descend(freeze(optimizer, ["conv", "visual/bias"]), params), _descend(optimizer, params)
  jax.tree.map(np.testing.assert_array_equal, changed["conv"], params["conv"])
  np.testing.assert_array_equal(changed["visual"]["bias"], params["visual"]["bias"])
  np.testing.assert_array_equal(changed["visual"]["kernel"], expected["visual"]["kernel"])
  assert (expected["visual"]["kernel"] != params["visual"]["kernel"]).all()


def test_without_prefixes_the_optimizer_is_unchanged():
  optimizer = optax.adam(0.1)
  assert freeze(optimizer, ()) is optimizer


def test_a_prefix_is_a_whole_path():
  """A prefix matches whole names: "block_1" does not match "block_10"."""
  params = {"block_1": {"kernel": jnp.ones(1)}, "block_10": {"kernel": jnp.ones(1)}}
  assert set(frozen_parameters(params, ["block_1"])) == {"block_1/kernel"}
  assert set(frozen_parameters(params, ["block_10/"])) == {"block_10/kernel"}


def test_error_lists_the_modules_for_a_prefix_that_matches_nothing():
  with pytest.raises(ValueError, match=r"'con'.* conv, head, norm, visual"):
    freeze(optax.adam(0.1), ["con"]).init(_state(TARGET, 1.0).params)


def test_freezing_everything_raises():
  with pytest.raises(ValueError, match="nothing to train"):
    freeze(optax.adam(0.1), ["conv", "head", "norm", "visual"]).init(_state(TARGET, 1.0).params)


def test_a_run_with_frozen_parameters_resumes_from_its_checkpoint(tmp_path, prepared):
  optimizer = freeze(optax.adam(0.1), ["conv"])
  saved = _state(TARGET, 2.0, optimizer, step=3)
  _save(tmp_path, saved, prepared)
  checkpoints = Checkpoints(tmp_path)
  batches = training_batches(prepared, "train", 8, seed=1)
  restored = checkpoints.restore_last(_state(TARGET, 1.0, optimizer), batches)
  checkpoints.close()
  assert jax.tree.structure(restored) == jax.tree.structure(saved)
  jax.tree.map(np.testing.assert_array_equal, restored, saved)
