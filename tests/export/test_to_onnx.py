"""Compares the results of converted functions in ONNX Runtime with those of jax."""

import jax
from jax import export, lax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest

from attavvad_jax.export.to_onnx import to_onnx

RNG = np.random.default_rng(0)
KERNEL = np.float32(RNG.normal(size=(3, 2, 2, 4)))
MATRIX = np.float32(RNG.normal(size=(6, 5)))


def cumulative(x, *, reverse):
  def step(state, row):
    state = 0.5 * state + row
    return state, (state.sum(axis=-1), -state)

  state, (sums, rows) = lax.scan(step, jnp.zeros((x.shape[0], x.shape[2])), x.swapaxes(0, 1), reverse=reverse)
  return {"state": state, "sums": sums.T, "rows": rows.swapaxes(0, 1)}


def convolved(x, **kwargs):
  x = x.reshape(-1, 4, 3, 2)
  return lax.conv_general_dilated(x, KERNEL, dimension_numbers=("NHWC", "HWIO", "NHWC"), **kwargs)


# Functions of x [B,4,6].
FUNCTIONS = {
  "smooth": lambda x: jnp.tanh(x) * jax.nn.sigmoid(-x) + jnp.exp(-jnp.abs(x)),
  "roots": lambda x: lax.rsqrt(1 + x**2) + jnp.sqrt(jnp.abs(x)) + jnp.log(2 + x**2) * jnp.sign(x),
  "powers": lambda x: x**3 + lax.square(x),
  "choices": lambda x: jnp.where((x > 0) & ~(x >= 1) | (x < -1), x, jnp.maximum(2 * x, -3)),
  "comparisons": lambda x: (x == x[:, :1]) | (x != x) | (x <= -0.5),
  "finite": lambda x: jnp.isfinite(1 / jnp.where(x > 0, x, 0)),
  "any": lambda x: (x > 1).any(axis=1),
  "sums": lambda x: x.sum(axis=1) + x.max(axis=1) - x.min(axis=1),
  "softmax": lambda x: jax.nn.logsumexp(x, axis=-1),
  "narrow_integers": lambda x: (20 * jnp.abs(x)).astype(jnp.uint8) - (20 * jnp.abs(x)).astype(jnp.uint8).min(),
  "broadcast": lambda x: x + np.float32(np.arange(6)) * jnp.ones((x.shape[0], 4, 1)),
  "repeated": lambda x: jnp.broadcast_to(x[:, None], (x.shape[0], 2, 4, 6)).reshape(-1, 48),
  "zeros": lambda x: jnp.zeros(x.shape) + 1,
  "reordered": lambda x: jnp.concatenate([x[:, ::-1], x[:, ::2].repeat(2, axis=1)[..., 1:3]], axis=2).swapaxes(1, 2),
  "indices": lambda x: x[:, np.array([3, 0, 0])] + x[:, -1:] + x[:, 1, None],
  "rows_of_all": lambda x: x.reshape(-1, 6).reshape(-1, 2, 12),
  "parts": lambda x: jnp.split(x, 3, axis=2)[1],
  "padded": lambda x: jnp.pad(x, ((0, 0), (1, 0), (0, 2)), constant_values=7),
  "products": lambda x: jnp.einsum("bij,jk->kbi", x, MATRIX),
  "products_of_inputs": lambda x: jnp.einsum("bij,bkj->bik", x, x),
  "convolution": lambda x: convolved(x, window_strides=(2, 1), padding="SAME"),
  "dilated": lambda x: convolved(x, window_strides=(1, 1), padding=((2, 1), (0, 2)), rhs_dilation=(2, 1)),
  "spectrum": lambda x: jnp.abs(jnp.fft.rfft(x).real) + jnp.fft.rfft(x).imag,
  "loop": lambda x: cumulative(x, reverse=False),
  "loop_backwards": lambda x: cumulative(x, reverse=True),
  "functions_within": lambda x: jax.jit(jax.nn.relu)(lax.stop_gradient(x)),
  "constants": lambda x: (
    x * jnp.fft.rfft(np.float32(np.arange(10))).imag + lax.fori_loop(0, 3, lambda i, y: y + i, 1.0)
  ),
}


def _convert(function):
  (blocks,) = export.symbolic_shape("blocks")
  return to_onnx(function, {"x": jax.ShapeDtypeStruct((blocks, 4, 6), jnp.float32)})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_equal_those_of_jax_for_any_number_of_blocks(name):
  def function(batch):
    result = FUNCTIONS[name](batch["x"])
    return result if isinstance(result, dict) else {"y": result}

  session = onnxruntime.InferenceSession(_convert(function), providers=["CPUExecutionProvider"])
  names = [output.name for output in session.get_outputs()]
  for blocks in (1, 3):
    batch = {"x": np.float32(RNG.normal(size=(blocks, 4, 6)))}
    expected = function(batch)
    assert names == sorted(expected)
    for key, got in zip(names, session.run(names, batch), strict=True):
      assert got.dtype == expected[key].dtype
      np.testing.assert_allclose(got, expected[key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
  ("function", "operation"),
  [
    (lambda x: jnp.sin(x), "sin is not converted"),
    (lambda x: lax.while_loop(lambda y: y.sum() < 1, lambda y: y + 1, x), "while is not converted"),
    (lambda x: jnp.fft.fft(x).real, "fft is not converted .the transform FFT"),
    (lambda x: x[:, (x.sum() > 0).astype(int)], "dynamic_slice is not converted|gather is not converted .indices that"),
    (lambda x: x / x.shape[0], "dim_as_value is not converted"),
    (lambda x: lax.pad(x, 0.0, ((0, 0, 0), (0, 0, 1), (0, 0, 0))), "pad is not converted .padding between"),
  ],
)
def test_error_names_the_operation_that_cannot_be_converted(function, operation):
  with pytest.raises(ValueError, match=operation):
    _convert(lambda batch: {"y": function(batch["x"])})


def test_graph_contains_only_what_its_outputs_need():
  """Broadcast constants stay small, and unused results are left out."""

  def function(batch):
    jnp.tanh(batch["x"])
    return {"y": batch["x"] + np.float32([1, 2, 3, 4, 5, 6]) + 7}

  graph = onnx.load_from_string(_convert(function)).graph
  assert [node.op_type for node in graph.node] == ["Add", "Add", "Identity"]
  assert [tuple(tensor.dims) for tensor in graph.initializer] == [(1, 1, 6), ()]
