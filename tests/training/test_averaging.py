import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.training.averaging import AverageState, averaged
from attavvad_jax.training.checkpoints import Checkpoints
from attavvad_jax.training.step import TrainState

DECAY = 0.75


def _run(optimizer, num_steps):
  """Parameters after each step down a slope that changes, and the last state."""
  params = {"kernel": jnp.array([1.0, -2.0]), "frozen": jnp.array(3.0)}
  state, path = optimizer.init(params), []
  for step in range(num_steps):
    gradients = {"kernel": jnp.array([1.0, float(step)]), "frozen": jnp.array(0.0)}
    changes, state = jax.jit(optimizer.update)(gradients, state, params)
    params = optax.apply_updates(params, changes)
    path.append(params)
  return path, state


def test_updates_are_those_of_the_wrapped_optimizer():
  plain, _ = _run(optax.adam(0.1), 6)
  path, state = _run(averaged(optax.adam(0.1), DECAY), 6)
  jax.tree.map(np.testing.assert_array_equal, path, plain)
  assert int(state.num_updates) == 6


@pytest.mark.parametrize("num_steps", [1, 3, 4, 5, 9])
def test_the_average_is_a_mean_at_first_and_then_decays(num_steps):
  path, state = _run(averaged(optax.sgd(0.1), DECAY), num_steps)
  kernels = np.array([params["kernel"] for params in path], np.float64)
  expected = kernels[:4].mean(axis=0)  # 1 / (1 - 0.75) updates
  for kernel in kernels[4:]:
    expected = DECAY * expected + (1 - DECAY) * kernel
  np.testing.assert_allclose(state.average["kernel"], expected, rtol=1e-6)
  assert float(state.average["frozen"]) == 3.0


def test_without_decay_the_optimizer_is_not_wrapped():
  optimizer = optax.adam(0.1)
  assert averaged(optimizer, 0.0) is optimizer


def test_a_checkpoint_offers_the_average_and_resumes_from_the_parameters(tmp_path):
  optimizer = averaged(optax.adam(0.1), DECAY)
  path, optimizer_state = _run(optimizer, 5)
  state = TrainState(jnp.asarray(5), path[-1], {"mean": jnp.ones(2)}, optimizer_state, ())
  assert isinstance(state.optimizer, AverageState)
  jax.tree.map(np.testing.assert_array_equal, state.variables["params"], optimizer_state.average)
  assert np.abs(state.params["kernel"] - optimizer_state.average["kernel"]).min() > 0.01
  batches = SimpleNamespace(get_state=lambda: {"next": 5}, set_state=lambda position: None)
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save("last", state, batches, {"step": 5})
  fresh = dataclasses.replace(state, params=path[0], optimizer=optimizer.init(path[0]))
  restored = checkpoints.restore_last(fresh, batches)
  checkpoints.close()
  jax.tree.map(np.testing.assert_array_equal, restored, state)
