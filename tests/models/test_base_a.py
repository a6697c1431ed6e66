import functools

import jax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.models.base_a import BaseA, ConvBlock


def test_parameter_count_by_hand():
  # 64 bands -> 16 -> 4 -> 1. Each output of a layer has a bias, and scale, bias, mean and variance of its
  # normalization.
  convolutions = 64 * (3 * 3 * 1 + 5) + 2 * 64 * (3 * 3 * 64 + 5)
  grus = 2 * 3 * 64 * (1 * 64 + 64 + 2)  # two directions of three gates: input, recurrent, two biases
  head = 128 * (2 * 64 + 5) + 4 * (128 + 1)
  shapes = (jnp.zeros((1, 15, 64)), jnp.zeros((1, 3, 112, 112)), jnp.ones((1, 3), bool))
  tree = jax.eval_shape(lambda key: BaseA().init(key, *shapes, train=False), jax.random.key(0))
  assert sum(leaf.size for leaf in jax.tree.leaves(tree)) == convolutions + grus + head == 142_724


def test_a_block_keeps_the_largest_of_neighboring_bands():
  x = np.float32([1, 3, 2, -5, -4, -6, -2]).reshape(1, 1, 7, 1)
  block = ConvBlock(filters=1, kernel_size=(1, 1), bands=3)
  variables = block.init(jax.random.key(0), x, train=False)
  variables["params"]["conv"]["kernel"] = np.ones((1, 1, 1, 1))
  scale = np.sqrt(1 + 1e-5)  # of the normalization, whose mean is 0 and variance 1
  actual = scale * block.apply(variables, x, train=False)
  # ReLU sets the last four bands to 0; the last has no neighbors.
  np.testing.assert_allclose(actual.ravel(), [3, 0, 0], atol=1e-6)


def test_grus_run_over_the_block_in_both_directions():
  """If convolutions see one frame only, reversing a block swaps the two GRUs."""
  model = BaseA(embedding_dim=6, filters=4, gru_units=3, kernel_sizes=((1, 3),), pool_bands=(4,))
  rng = np.random.default_rng(0)
  log_mel, images, mask = rng.normal(size=(4, 5, 12)), np.zeros((4, 3, 8, 8)), np.ones((4, 3), bool)
  apply = jax.jit(functools.partial(model.apply, train=False))
  variables = jax.jit(functools.partial(model.init, train=False))(jax.random.key(0), log_mel, images, mask)
  expected = apply(variables, log_mel, images, mask).audio_logits
  params = dict(variables["params"])
  params["gru_forward"], params["gru_backward"] = params["gru_backward"], params["gru_forward"]
  kernel = params["embedding"]["kernel"]
  params["embedding"] = params["embedding"] | {"kernel": np.concatenate([kernel[3:], kernel[:3]])}
  backwards = (log_mel[:, ::-1], images, mask)
  actual = apply({**variables, "params": params}, *backwards).audio_logits
  np.testing.assert_allclose(actual, expected, atol=1e-6)
  assert np.abs(apply(variables, *backwards).audio_logits - expected).max() > 1e-3
