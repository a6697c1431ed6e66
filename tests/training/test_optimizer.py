import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.configs import att_avvad
from attavvad_jax.training.optimizer import learning_rate, optimizer
from attavvad_jax.training.setup import plain

NUM_BLOCKS = 640  # ten steps of 64 blocks per epoch
PARAMS = {"layer": {"kernel": jnp.array([[2.0, -1.0]]), "bias": jnp.array([3.0, 4.0])}}
GRADIENTS = {"layer": {"kernel": jnp.array([[0.5, 0.25]]), "bias": jnp.array([-1.0, 2.0])}}


def _config(optimizer=(), **changes):
  config = att_avvad.get_config()
  config.optimizer.update(dict(optimizer))
  config.update(changes)
  return plain(config)


def _change(chosen, steps=1):
  """Returns the change of the parameters after a few steps on the same gradient."""
  state, params = chosen.init(PARAMS), PARAMS
  for _ in range(steps):
    changes, state = chosen.update(GRADIENTS, state, params)
    params = optax.apply_updates(params, changes)
  return jax.tree.map(lambda after, before: np.asarray(after - before), params, PARAMS)


@pytest.mark.parametrize("decay_epochs", [0.0, 2.0])
def test_the_default_is_bit_identical_to_adam_with_the_same_state(decay_epochs):
  rate = optax.cosine_decay_schedule(1e-3, 20) if decay_epochs else 1e-3
  chosen, adam = optimizer(_config(learning_rate_decay_epochs=decay_epochs), NUM_BLOCKS), optax.adam(rate)
  assert jax.tree.structure(chosen.init(PARAMS)) == jax.tree.structure(adam.init(PARAMS))
  jax.tree.map(np.testing.assert_array_equal, _change(chosen, 3), _change(adam, 3))


def test_hand_worked_sgd_with_momentum():
  change = _change(optimizer(_config(dict(name="sgd", momentum=0.5), learning_rate=0.1), NUM_BLOCKS), 2)
  # The gradient is applied twice, and half of it once more by momentum.
  np.testing.assert_allclose(change["layer"]["bias"], -0.1 * 2.5 * GRADIENTS["layer"]["bias"], rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "lion"])
def test_weight_decay_changes_only_kernels(name):
  without, decayed = (
    _change(optimizer(_config(dict(name=name, weight_decay=decay), learning_rate=0.1), NUM_BLOCKS))
    for decay in (0.0, 0.5)
  )
  np.testing.assert_array_equal(without["layer"]["bias"], decayed["layer"]["bias"])
  difference = decayed["layer"]["kernel"] - without["layer"]["kernel"]
  if name == "adam":
    # Adam's first step has the gradient's sign, which the decay reverses for the second weight.
    np.testing.assert_allclose(difference, [[0.0, 0.2]], atol=1e-5)
  else:
    np.testing.assert_allclose(difference, -0.1 * 0.5 * PARAMS["layer"]["kernel"], rtol=1e-5)


def test_the_gradient_of_all_parameters_is_clipped():
  norm = optax.global_norm(GRADIENTS)
  change = _change(optimizer(_config(dict(name="sgd", clip_norm=0.5), learning_rate=1.0), NUM_BLOCKS))
  np.testing.assert_allclose(change["layer"]["bias"], -GRADIENTS["layer"]["bias"] * 0.5 / norm, rtol=1e-6)


def test_learning_rates():
  assert learning_rate(_config(), NUM_BLOCKS) == 1e-3
  warm = learning_rate(_config(dict(warmup_epochs=1.0), learning_rate=0.5), NUM_BLOCKS)
  np.testing.assert_allclose([warm(step) for step in (0, 5, 10, 900)], [0.0, 0.25, 0.5, 0.5])
  # By default, a cosine lasts as long as the training, 2 epochs of ten steps, after the warm-up.
  cosine = learning_rate(_config(dict(warmup_epochs=0.5, schedule="cosine"), num_epochs=2), NUM_BLOCKS)
  np.testing.assert_allclose([cosine(step) for step in (5, 15, 25, 40)], [1e-3, 5e-4, 0.0, 0.0], atol=1e-9)


@pytest.fixture
def custom_optimizers(monkeypatch):
  module = types.ModuleType("own_optimizers")
  module.plain = lambda learning_rate: optax.sgd(learning_rate)
  module.falling = lambda learning_rate, num_steps: optax.linear_schedule(learning_rate, 0.0, num_steps)
  module.number = lambda learning_rate, num_steps=1: 3.0
  monkeypatch.setitem(sys.modules, "own_optimizers", module)


@pytest.mark.usefixtures("custom_optimizers")
def test_custom_optimizer_and_schedule():
  settings = dict(name="own_optimizers:plain", schedule="own_optimizers:falling")
  config = _config(settings, learning_rate=1.0, num_epochs=1)
  np.testing.assert_allclose(learning_rate(config, NUM_BLOCKS)(5), 0.5)
  change = _change(optimizer(config, NUM_BLOCKS), 2)
  np.testing.assert_allclose(change["layer"]["bias"], -1.9 * GRADIENTS["layer"]["bias"], rtol=1e-6)


@pytest.mark.usefixtures("custom_optimizers")
@pytest.mark.parametrize(
  ("settings", "changes", "message"),
  [
    (dict(name="adan"), {}, r"optimizer\.name.* 'adan'.*adam, adamw, sgd, lion"),
    (dict(name="own_optimizers:number"), {}, r"optimizer\.name.* float.*GradientTransformation"),
    (dict(name="own_optimizers:none"), {}, r"optimizer\.name.* 'own_optimizers:none'"),
    (dict(name="own_optimizers:plain", weight_decay=0.1), {}, r"optimizer\.weight_decay.* 0\.1"),
    (dict(schedule="linear"), {}, r"optimizer\.schedule.* 'linear'.*constant, cosine"),
    (dict(schedule="own_optimizers:number"), {}, r"optimizer\.schedule.* float.*function of the step"),
    (dict(schedule="constant"), dict(learning_rate_decay_epochs=1.0), r"learning_rate_decay_epochs is 1\.0.*constant"),
    (dict(momentum=0.9), {}, r"optimizer\.momentum.* 0\.9.*sgd"),
    (dict(name="sgd", momentum=1.5), {}, r"optimizer\.momentum.* 1\.5"),
    (dict(ema_decay=1.0), {}, r"optimizer\.ema_decay.* 1\.0"),
    (dict(clip_norm=-1.0), {}, r"optimizer\.clip_norm.* -1\.0"),
    ({}, dict(learning_rate_decay_epochs=-1.0), r"learning_rate_decay_epochs is -1\.0"),
  ],
)
def test_invalid_settings_raise(settings, changes, message):
  with pytest.raises(ValueError, match=message):
    optimizer(_config(settings, **changes), NUM_BLOCKS)
