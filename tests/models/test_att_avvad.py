import functools

import jax
import jax.numpy as jnp
import numpy as np
from optimized import optimized_jit
import pytest

from attavvad_jax.models import build, with_fields
from tools.benchmarks.separate_form import SeparateForm, separate_variables

SMALL = build(
  "att_avvad",
  embedding_dim=6,
  filters=4,
  gru_units=3,
  audio_kernel_sizes=((3, 7), (3, 5)),
  visual_kernel_sizes=((5, 13), (3, 7)),
  visual_strided_kernel_sizes=((5, 5), (3, 3)),
  visual_strides=((3, 3), (2, 2)),
)

# One block per branch, for programs that are compiled with gradients.
TINY = with_fields(
  SMALL,
  audio_kernel_sizes=((3, 5),),
  visual_kernel_sizes=((3, 7),),
  visual_strided_kernel_sizes=((5, 5),),
  visual_strides=((3, 3),),
  dropout_rate=0.0,
)


def _inputs(num_blocks=4):
  rng = np.random.default_rng(1)
  log_mel = rng.normal(size=(num_blocks, 5, 12)).astype(np.float32)
  images = rng.random((num_blocks, 3, 14, 10)).astype(np.float32)
  mask = np.ones((num_blocks, 3), bool)
  mask[0] = False  # no image at all
  mask[1, 1] = False
  return log_mel, images, mask


@pytest.fixture(scope="module")
def inputs():
  return _inputs()


def _variables(model, inputs):
  """Random variables away from 0 and 1, so that no layer is an identity, and large enough for every input to matter."""
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs, train=False))
  rng = np.random.default_rng(0)

  def noise(leaf):
    deviation = 2.0 * np.prod(leaf.shape[:-1]) ** -0.5 if len(leaf.shape) > 1 else 0.5
    return (deviation * rng.normal(size=leaf.shape)).astype(np.float32)

  return {
    "params": jax.tree.map(noise, shapes["params"]),
    "batch_stats": jax.tree.map(lambda leaf: 0.5 + np.abs(noise(leaf)), shapes["batch_stats"]),
  }


@pytest.fixture(scope="module")
def variables(inputs):
  return _variables(SMALL, inputs)


# Compiled with optimizations, since rounding exceeds the tolerances of the separate form without them.
@functools.partial(optimized_jit, static_argnames=("model", "train"))
def _apply(model, variables, *inputs, train, seed=0):
  rngs = {"dropout": jax.random.key(seed)}
  return model.apply(variables, *inputs, train=train, mutable=["batch_stats"], rngs=rngs)


def _glu_block(area, channels, strided_area, filters=32):
  norm = 4  # scale, bias, mean, variance
  gated = 2 * filters * (area * channels + 1 + norm)
  return gated + filters * (strided_area * filters + 1 + norm)


@pytest.mark.parametrize(
  ("height", "width", "flat", "expected"),
  # SAME strides 3, 3, 2, 2: 450 -> 150 -> 50 -> 25 -> 13, 300 -> 100 -> 34 -> 17 -> 9, 112 -> 38 -> 13 -> 7 -> 4.
  [(450, 300, 13 * 9 * 32, 1_356_809), (112, 112, 4 * 4 * 32, 943_113)],
)
def test_parameter_count_by_hand(height, width, flat, expected):
  audio = _glu_block(3 * 7, 1, 9) + _glu_block(3 * 7, 32, 9) + 2 * _glu_block(3 * 5, 32, 9)
  gru = 3 * 64 * (128 + 64 + 2)  # each gate: input, recurrent, two biases; the input is 64 / 2**4 bands x 32 filters
  head = 2 * gru + 2 * 64 * 4 + 128 * (64 + 1 + 4) + (128 + 1)
  visual = _glu_block(5 * 13, 3, 25) + _glu_block(5 * 13, 32, 25) + _glu_block(3 * 11, 32, 9) + _glu_block(3 * 7, 32, 9)
  visual += 128 * (flat + 1 + 4) + (128 + 1)
  fusion = 128 * (128 + 1 + 4) + (128 + 1)
  assert audio + 4 * head + visual + 4 * fusion == expected

  model = build("att_avvad")
  shapes = (jnp.zeros((1, 15, 64)), jnp.zeros((1, 3, height, width)), jnp.ones((1, 3), bool))
  tree = jax.eval_shape(lambda key: model.init(key, *shapes, train=False), jax.random.key(0))
  assert sum(leaf.size for leaf in jax.tree.leaves(tree)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("train", [False, True])
def test_equals_the_separate_form(inputs, variables, train):
  config = with_fields(SMALL, dropout_rate=0.0)
  separate = separate_variables(config, variables)
  actual, state = _apply(config, variables, *inputs, train=train)
  expected, expected_state = _apply(SeparateForm(config), separate, *inputs, train=train)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5), actual, expected)
  state = separate_variables(config, {**variables, **state})["batch_stats"]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), state, dict(expected_state["batch_stats"]))


@pytest.mark.slow
def test_gradients_equal_the_separate_form():
  log_mel, images, mask = _inputs(8)
  # The images differ between blocks: with similar ones, variances are so small that rounding shows.
  inputs = log_mel, images * np.linspace(0.2, 1, 8, dtype=np.float32)[:, None, None, None], mask
  variables = _variables(TINY, inputs)
  stats = variables["batch_stats"]

  @functools.partial(optimized_jit, static_argnums=2)
  def gradient(params, stats, model):
    def loss(params):
      variables = {"params": params, "batch_stats": stats}
      outputs, _ = model.apply(variables, *inputs, train=True, mutable=["batch_stats"])
      logits = (outputs.audio_logits, outputs.visual_logit, outputs.audio_visual_logits)
      return sum(jnp.sum(jnp.sin(x)) for x in logits)

    return jax.grad(loss)(params)

  actual = gradient(variables["params"], stats, TINY)
  separate = separate_variables(TINY, variables)
  expected = gradient(separate["params"], separate["batch_stats"], SeparateForm(TINY))

  # Each of the two biases of a reset or update gate has the gate's gradient; GRUCell has a single bias with it.
  gru, both = actual["audio"]["gru"], np.s_[:, : 2 * TINY.audio.gru_units]
  np.testing.assert_allclose(gru["recurrent_bias"][both], gru["input_bias"][both], atol=1e-6)
  gru["recurrent_bias"] = gru["recurrent_bias"].at[both].set(0.0)
  actual = separate_variables(TINY, {"params": actual, "batch_stats": stats})["params"]

  # Rounding scales with the largest summands, not with their sum; the gradient of a bias before a normalization is only
  # rounding.
  def assert_close(a, b):
    np.testing.assert_allclose(a, b, atol=2e-5 + 1e-4 * np.abs(b).max())

  jax.tree.map(assert_close, actual, expected)


def test_named_outputs(inputs, variables):
  outputs, _ = _apply(SMALL, variables, *inputs, train=False)
  shapes = {name: value.shape for name, value in vars(outputs).items() if value is not None}
  assert shapes == {
    "audio_logits": (4, 4),
    "visual_logit": (4,),
    "audio_visual_logits": (4, 4),
    "audio_embeddings": (4, 4, 6),
    "visual_embedding": (4, 6),
    "attention": (4, 4),
    "fused_embeddings": (4, 4, 6),
  }
  np.testing.assert_allclose(outputs.fused_embeddings, outputs.audio_embeddings * outputs.attention[..., None])


def test_an_unmasked_image_changes_the_fusion(inputs, variables):
  log_mel, images, mask = inputs
  before, after = (_apply(SMALL, variables, log_mel, x, mask, train=False)[0] for x in (images, images[:, :, ::-1]))
  assert (np.abs(before.audio_visual_logits - after.audio_visual_logits)[1:].max(axis=1) > 1e-6).all()


def test_motion_adds_channels_only_to_the_first_convolution(inputs):
  models = (SMALL, with_fields(SMALL, motion=True))
  shapes = [jax.eval_shape(lambda m=model: m.init(jax.random.key(0), *inputs, train=False)) for model in models]
  num_images = inputs[1].shape[1]
  for shape, channels in zip(shapes, (num_images, 2 * num_images - 1), strict=True):
    kernel = shape["params"]["visual"]["block_0"]["gated_conv"].pop("kernel")
    assert kernel.shape[2] == channels
  assert shapes[0] == shapes[1]


def test_images_do_not_reach_the_audio_branch(inputs, variables):
  log_mel, images, mask = inputs
  before, _ = _apply(SMALL, variables, log_mel, images, mask, train=False)
  after, _ = _apply(SMALL, variables, log_mel, 1 - images, ~mask, train=False)
  np.testing.assert_array_equal(before.audio_logits, after.audio_logits)
  np.testing.assert_array_equal(before.audio_embeddings, after.audio_embeddings)


def test_a_block_without_images_has_uniform_attention(inputs, variables):
  outputs, _ = _apply(SMALL, variables, *inputs, train=False)
  np.testing.assert_array_equal(outputs.visual_embedding[0], 0)
  np.testing.assert_array_equal(outputs.attention[0], 0.25)


def test_visual_parameters_get_no_gradient_from_blocks_without_images(inputs):
  log_mel, images, mask = inputs
  variables = _variables(TINY, inputs)

  def loss(params):
    changed = {**variables, "params": params}
    return TINY.apply(changed, log_mel, images, np.zeros_like(mask), train=False).audio_visual_logits.sum()

  gradient = jax.jit(jax.grad(loss))(variables["params"])
  jax.tree.map(lambda g: np.testing.assert_array_equal(g, 0), gradient["visual"])
  assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(gradient["audio"])) > 0
