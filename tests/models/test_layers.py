import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attavvad_jax.models import layers

RNG = np.random.default_rng(0)


def _normal(*shape):
  return RNG.normal(size=shape).astype(np.float32)


def _shapes(module, x):
  """Shapes of the variables that `init` returns."""
  return jax.eval_shape(module.init, jax.random.key(0), x)


@functools.partial(jax.jit, static_argnums=0)
def _value_and_vjp(function, cotangent, *args):
  """The value of `function` and the gradients of its arguments, in one program instead of one per operation."""
  value, vjp = jax.vjp(function, *args)
  return value, vjp(cotangent)


@pytest.mark.parametrize(
  ("size", "kernel", "strides"),
  [
    ((112, 9), (5, 5), (3, 3)),
    ((7, 4), (3, 3), (2, 2)),
    ((15, 64), (3, 3), (1, 2)),
    ((10, 11), (3, 7), (3, 2)),
    ((9, 8), (3, 5), (1, 1)),
  ],
)
def test_conv_has_the_gradients_of_autodiff(size, kernel, strides):
  x, kernel, bias = _normal(2, *size, 3), _normal(*kernel, 3, 4), _normal(4)
  module = layers.Conv(4, kernel.shape[:2], strides)

  def autodiff_conv(x, kernel, bias):
    return jax.lax.conv_general_dilated(x, kernel, strides, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias

  def conv(x, kernel, bias):
    return module.apply({"params": {"kernel": kernel, "bias": bias}}, x)

  cotangent = _normal(*jax.eval_shape(autodiff_conv, x, kernel, bias).shape)
  expected, expected_gradients = _value_and_vjp(autodiff_conv, cotangent, x, kernel, bias)
  actual, actual_gradients = _value_and_vjp(conv, cotangent, x, kernel, bias)
  np.testing.assert_allclose(actual, expected, atol=1e-5)
  for a, b in zip(actual_gradients, expected_gradients, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-5)


def test_glu_is_the_gate_of_the_paper_bit_for_bit():
  def gate(x):
    linear, gates = jnp.split(x, 2, axis=-1)
    return linear * nn.sigmoid(gates)

  x, cotangent = 3 * _normal(4, 5, 6), _normal(4, 5, 3)
  for actual, expected in zip(
    jax.tree.leaves(_value_and_vjp(nn.glu, cotangent, x)),
    jax.tree.leaves(_value_and_vjp(gate, cotangent, x)),
    strict=True,
  ):
    np.testing.assert_array_equal(actual, expected)


class _FlaxNormGate(nn.Module):
  """`NormActivation` with GLU by flax's BatchNorm and autodiff."""

  @nn.compact
  def __call__(self, x, *, train):
    x = nn.BatchNorm(not train, momentum=layers.BATCH_NORM_MOMENTUM, epsilon=layers.BATCH_NORM_EPSILON, name="n")(x)
    linear, gates = jnp.split(x, 2, axis=-1)
    return linear * nn.sigmoid(gates)


@pytest.mark.parametrize("train", [False, True])
def test_norm_activation_equals_flax(train):
  x = 3 * _normal(4, 5, 6) + 1
  params = {"scale": 1 + _normal(6), "bias": _normal(6)}
  stats = {"mean": _normal(6), "var": 1 + RNG.random(6).astype(np.float32)}
  ours, flax = layers.NormActivation(nn.glu), _FlaxNormGate()

  def apply(module, x, params, stats):
    return module.apply({"params": params, "batch_stats": stats}, x, train=train, mutable=["batch_stats"])

  @functools.partial(jax.jit, static_argnums=0)
  def value_and_vjp(function, cotangent):
    value, vjp, state = jax.vjp(function, x, params, has_aux=True)
    return value, vjp(cotangent), state

  cotangent = _normal(4, 5, 3)
  actual, actual_gradients, ours_state = value_and_vjp(lambda x, p: apply(ours, x, p, stats), cotangent)
  expected, expected_gradients, flax_state = value_and_vjp(
    lambda x, p: apply(flax, x, {"n": p}, {"n": stats}), cotangent
  )
  np.testing.assert_allclose(actual, expected, atol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours_state["batch_stats"], flax_state["batch_stats"]["n"]
  )
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), actual_gradients, expected_gradients)


def test_norm_activation_over_a_mapped_axis_sees_the_global_batch():
  x = _normal(8, 6)
  alone, mapped = layers.NormActivation(nn.relu), layers.NormActivation(nn.relu, axis_name="devices")
  variables = alone.init(jax.random.key(0), x, train=False)

  def loss(module, x):
    y, state = module.apply(variables, x, train=True, mutable=["batch_stats"])
    return jnp.sum(jnp.sin(y)), (y, state)

  def mapped_loss(parts):
    total, aux = jax.vmap(lambda x: loss(mapped, x), axis_name="devices")(parts)
    return total.sum(), aux

  gradient, (y, state) = jax.jit(jax.grad(mapped_loss, has_aux=True))(x.reshape(4, 2, 6))
  expected_gradient, (expected, expected_state) = jax.jit(jax.grad(lambda x: loss(alone, x), has_aux=True))(x)
  np.testing.assert_allclose(y.reshape(8, 6), expected, atol=1e-5)
  np.testing.assert_allclose(gradient.reshape(8, 6), expected_gradient, atol=1e-5)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, atol=1e-6), state, expected_state)


def test_norm_activation_leaves_out_blocks_that_are_not_counted():
  """It equals flax's BatchNorm with a mask, whatever the other blocks hold, on one device and on several."""
  x, counted = _normal(8, 5, 6), np.array([True, False, True, True, False, False, False, True])
  x[~counted] *= 1e4
  alone, mapped = layers.NormActivation(nn.glu), layers.NormActivation(nn.glu, axis_name="devices")
  variables = alone.init(jax.random.key(0), x, train=False)
  flax = nn.BatchNorm(False, momentum=layers.BATCH_NORM_MOMENTUM, epsilon=layers.BATCH_NORM_EPSILON)

  def loss(apply, x):
    y, state = apply(x)
    return jnp.sum(jnp.sin(jnp.where(counted[:, None, None], y, 0.0))), (y, state["batch_stats"])

  def by_flax(x):
    params = {name: dict(variables[name]) for name in ("params", "batch_stats")}
    y, state = flax.apply(params, x, mask=counted[:, None, None], mutable=["batch_stats"])
    return nn.glu(y), state

  def by_one(x):
    return alone.apply(variables, x, train=True, counted=counted, mutable=["batch_stats"])

  def by_four(x):
    step = functools.partial(mapped.apply, variables, train=True, mutable=["batch_stats"])
    parts = x.reshape(4, 2, 5, 6), counted.reshape(4, 2)
    y, state = jax.vmap(lambda x, counted: step(x, counted=counted), axis_name="devices")(*parts)
    return y.reshape(8, 5, 3), jax.tree.map(lambda leaf: leaf[0], state)

  expected, single, distributed = (
    jax.jit(jax.value_and_grad(functools.partial(loss, f), has_aux=True))(x) for f in (by_flax, by_one, by_four)
  )
  for (_, (y, stats)), gradient in (single, distributed):
    np.testing.assert_allclose(y[counted], expected[0][1][0][counted], atol=1e-5)
    np.testing.assert_allclose(gradient, expected[1], atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), stats, expected[0][1][1])
    np.testing.assert_array_equal(gradient[~counted], 0)


def test_without_counted_blocks_the_running_statistics_are_used_and_unchanged():
  module, x = layers.NormActivation(nn.relu), _normal(4, 6)
  variables = {
    "params": {"scale": _normal(6), "bias": _normal(6)},
    "batch_stats": {"mean": _normal(6), "var": 1 + RNG.random(6).astype(np.float32)},
  }
  y, state = module.apply(variables, x, train=True, counted=np.zeros(4, bool), mutable=["batch_stats"])
  np.testing.assert_allclose(y, module.apply(variables, x, train=False), atol=1e-6)
  jax.tree.map(np.testing.assert_array_equal, state["batch_stats"], variables["batch_stats"])


def test_dropout_depends_on_the_place_of_a_block():
  x, places = np.ones((4, 50), np.float32), np.array([2, 0, 3, 1])
  module, rngs = layers.Dropout(0.5), {"dropout": jax.random.key(0)}
  expected = module.apply({}, x, train=True, rngs=rngs)
  actual = module.apply({}, x, train=True, places=places, rngs=rngs)
  np.testing.assert_array_equal(actual, expected[places])


def test_batch_variance_is_not_negative_for_a_constant_channel():
  module = layers.NormActivation(nn.relu)
  x = jnp.full((64, 1), 1000.1)
  y, state = module.apply(module.init(jax.random.key(0), x, train=False), x, train=True, mutable=["batch_stats"])
  assert np.isfinite(y).all()
  assert (state["batch_stats"]["var"] >= 0).all()


def test_gru_equals_flax_cell():
  x = _normal(2, 4, 3)
  gru = layers.BatchedGru(num_grus=2, units=5)
  params = jax.tree.map(lambda a: jnp.asarray(_normal(*a.shape)), _shapes(gru, x)["params"])
  actual = jax.jit(gru.apply)({"params": params}, x)
  step = jax.jit(nn.GRUCell(5).apply)
  for g in range(2):
    kernel, bias, recurrent, recurrent_bias = (
      np.split(np.asarray(params[name][g]), 3, axis=-1)
      for name in ("input_kernel", "input_bias", "recurrent_kernel", "recurrent_bias")
    )
    cell = {f"i{name}": {"kernel": kernel[i], "bias": bias[i] + recurrent_bias[i]} for i, name in enumerate("rz")}
    cell |= {f"h{name}": {"kernel": recurrent[i]} for i, name in enumerate("rz")}
    cell |= {"in": {"kernel": kernel[2], "bias": bias[2]}, "hn": {"kernel": recurrent[2], "bias": recurrent_bias[2]}}
    state = jnp.zeros((2, 5))
    for t in range(4):
      state, _ = step({"params": cell}, state, x[:, t])
    np.testing.assert_allclose(actual[:, g], state, atol=1e-6)


def test_parameters_are_initialized_as_by_keras():
  gru = layers.BatchedGru(num_grus=2, units=4)
  params = jax.jit(gru.init)(jax.random.key(0), jnp.zeros((1, 2, 30)))["params"]
  for matrix in params["recurrent_kernel"]:
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-5)
  # Uniform in +-sqrt(6 / (inputs + outputs)): the largest is close to that bound.
  largest = np.abs(params["input_kernel"]).max(axis=(1, 2)) / np.sqrt(6 / (30 + 3 * 4))
  assert (largest > 0.97).all()
  assert (largest <= 1).all()
  assert not params["input_bias"].any()
  assert not params["recurrent_bias"].any()


def test_event_dense_is_a_separate_layer_for_each_event():
  x = _normal(2, 3, 4)
  module = layers.EventDense(5)
  params = {"kernel": _normal(3, 4, 5), "bias": _normal(3, 5)}
  assert jax.tree.map(jnp.shape, _shapes(module, x)["params"]) == jax.tree.map(jnp.shape, params)
  y = module.apply({"params": params}, x)
  for e in range(3):
    np.testing.assert_allclose(y[:, e], x[:, e] @ params["kernel"][e] + params["bias"][e], atol=1e-5)


def test_differences_are_between_unmasked_images():
  images = RNG.random((2, 4, 3, 5)).astype(np.float32)
  mask = np.array([[True, True, True, True], [True, False, True, True]])
  actual = np.asarray(layers.differences(images, mask))
  for b in range(2):
    for n in range(3):
      expected = abs(images[b, n + 1] - images[b, n]) if mask[b, n] and mask[b, n + 1] else np.zeros((3, 5))
      np.testing.assert_allclose(actual[b, n], expected, atol=1e-7)


def test_running_statistics_take_one_tenth_of_each_batch():
  module, x = layers.NormActivation(nn.relu), jnp.array([[0.0], [4.0]])  # mean 2, variance 4
  _, state = module.apply(module.init(jax.random.key(0), x, train=False), x, train=True, mutable=["batch_stats"])
  # 0.9 x 0 + 0.1 x 2, and 0.9 x 1 + 0.1 x 4.
  np.testing.assert_allclose([state["batch_stats"]["mean"][0], state["batch_stats"]["var"][0]], [0.2, 1.3], rtol=1e-6)


def test_a_variance_of_0_divides_by_the_root_of_epsilon():
  variables = {
    "params": {"scale": np.ones(1, np.float32), "bias": np.zeros(1, np.float32)},
    "batch_stats": {"mean": np.zeros(1, np.float32), "var": np.zeros(1, np.float32)},
  }
  y = layers.NormActivation(nn.relu).apply(variables, jnp.array([[1e-3]]), train=False)
  np.testing.assert_allclose(y, [[1e-3 / np.sqrt(1e-5)]], rtol=1e-5)


def test_dropout_keeps_the_mean():
  y = layers.Dropout(0.2).apply({}, np.ones((1, 10_000), np.float32), train=True, rngs={"dropout": jax.random.key(0)})
  np.testing.assert_allclose(sorted(set(np.asarray(y).ravel().tolist())), [0.0, 1.25], rtol=1e-6)
  np.testing.assert_allclose(y.mean(), 1.0, atol=0.02)  # four standard errors
