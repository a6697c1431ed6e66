"""The branch for measures of the lips, by itself and in ATT-AVVAD."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.losses import binary_cross_entropies, mean_terms
from attavvad_jax.models import build
from attavvad_jax.models.layers import EVERY_ROW, Rows
from attavvad_jax.models.lips import LipBranch

BRANCH = LipBranch(
  embedding_dim=6,
  filters=4,
  kernel_sizes=((5, 1), (3, 1)),
  strided_kernel_sizes=((3, 1), (3, 1)),
  strides=((2, 1), (2, 1)),
)
MODEL = build(
  "att_avvad",
  visual="lips",
  embedding_dim=6,
  filters=4,
  gru_units=3,
  dropout_rate=0.0,
  audio_kernel_sizes=((3, 5), (3, 3)),
  audio_strides=((2, 2), (1, 2)),
)


@pytest.fixture(scope="module")
def inputs():
  rng = np.random.default_rng(0)
  mask = np.ones((5, 12), bool)
  mask[0] = False
  mask[1, 3:6] = False
  return jnp.asarray(rng.random((5, 12, 1, 18)), jnp.float32), jnp.asarray(mask)


@pytest.fixture(scope="module")
def variables(inputs):
  return jax.jit(lambda: BRANCH.init(jax.random.key(0), *inputs, train=False))()


def train(variables, images, mask, rows=EVERY_ROW):
  return BRANCH.apply(
    variables, images, mask, train=True, rows=rows, mutable=["batch_stats"], rngs={"dropout": jax.random.key(1)}
  )


def test_shapes_and_a_block_without_images(inputs, variables):
  vector, logit = BRANCH.apply(variables, *inputs, train=False)
  assert (vector.shape, logit.shape) == ((5, 6), (5,))
  assert not np.asarray(vector)[0].any()
  assert np.asarray(vector)[1:].all()


def test_masked_images_change_nothing(inputs, variables):
  images, mask = inputs
  other = jnp.where(mask[:, :, None, None], images, 0.7)
  for first, second in zip(train(variables, images, mask)[0], train(variables, other, mask)[0], strict=True):
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_statistics_of_the_measures_are_those_of_the_seen_images(inputs, variables):
  images, mask = inputs
  counted = jnp.array([True, True, True, True, False])
  _, updates = train(variables, images, mask, Rows(counted=counted))
  seen = np.asarray(images)[np.asarray(mask) & np.asarray(counted)[:, None]][:, 0]
  mean = np.asarray(updates["batch_stats"]["norm"]["mean"])
  np.testing.assert_allclose(mean, 0.1 * seen.mean(axis=0), atol=1e-5)


def test_it_sees_movement_at_the_rate_of_syllables(inputs):
  """A mouth that moves at 5 Hz and one that moves as far at 0.5 Hz are told apart after a few steps."""
  rng = np.random.default_rng(1)
  t = np.arange(36) / 24
  fast = rng.uniform(size=64) < 0.5
  phases = rng.uniform(0, 2 * np.pi, 64)
  opening = 0.2 + 0.1 * np.sin(2 * np.pi * np.where(fast, 5.0, 0.5)[:, None] * t + phases[:, None])
  images = jnp.asarray(np.repeat(opening[:, :, None, None], 18, axis=3), jnp.float32)
  mask = jnp.ones((64, 36), bool)
  branch = LipBranch(embedding_dim=8, filters=8, dropout_rate=0.0)
  variables = branch.init(jax.random.key(0), images, mask, train=False)
  optimizer = optax.adam(1e-2)

  @jax.jit
  def step(variables, state):
    def loss(params):
      (_, logit), updates = branch.apply(
        {**variables, "params": params}, images, mask, train=True, mutable=["batch_stats"]
      )
      return optax.sigmoid_binary_cross_entropy(logit, jnp.asarray(fast, jnp.float32)).mean(), updates

    (value, updates), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
    changes, state = optimizer.update(gradient, state)
    return {"params": optax.apply_updates(variables["params"], changes), **updates}, state, value

  state = optimizer.init(variables["params"])
  for _ in range(120):
    variables, state, value = step(variables, state)
  assert value < 0.1


def test_att_avvad_with_measures_overfits_a_batch(inputs):
  images, mask = inputs
  log_mel = jnp.asarray(np.random.default_rng(2).normal(size=(5, 12, 16)), jnp.float32)
  labels = jnp.array([0, 1, 2, 3, 1])
  variables = jax.jit(lambda: MODEL.init(jax.random.key(0), log_mel, images, mask, train=False))()
  optimizer = optax.adam(1e-2)

  @jax.jit
  def step(variables, state):
    def loss(params):
      outputs, updates = MODEL.apply(
        {**variables, "params": params}, log_mel, images, mask, train=True, mutable=["batch_stats"]
      )
      terms = mean_terms(binary_cross_entropies(outputs, labels, mask, jnp.ones(5, bool)))
      return sum(terms.values()), updates

    (value, updates), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
    changes, state = optimizer.update(gradient, state)
    return {"params": optax.apply_updates(variables["params"], changes), **updates}, state, value

  state = optimizer.init(variables["params"])
  first = None
  for _ in range(200):
    variables, state, value = step(variables, state)
    first = value if first is None else first
  assert value < 0.1 * first
