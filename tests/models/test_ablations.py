import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attavvad_jax.models import build
from attavvad_jax.models.ablations import AudioOnly, VisualOnly

TINY = build(
  "att_avvad",
  embedding_dim=6,
  filters=4,
  gru_units=3,
  audio_kernel_sizes=((3, 5),),
  visual_kernel_sizes=((3, 7),),
  visual_strided_kernel_sizes=((5, 5),),
  visual_strides=((3, 3),),
  dropout_rate=0.0,
)


def _tiny(name):
  branch = name.removesuffix("_only")
  return build(name, **{branch: getattr(TINY, branch)})


@pytest.fixture(scope="module")
def inputs():
  rng = np.random.default_rng(1)
  mask = np.ones((8, 3), bool)
  mask[0] = False
  return (
    rng.normal(size=(8, 5, 12)).astype(np.float32),
    rng.random((8, 3, 14, 10)).astype(np.float32),
    mask,
  )


@functools.partial(jax.jit, static_argnames="model")
def _init(model, seed, *inputs):
  return model.init(jax.random.key(seed), *inputs, train=False)


@functools.partial(jax.jit, static_argnames="model")
def _apply(model, variables, *inputs):
  return model.apply(variables, *inputs, train=False)


def _count(model, height, width):
  shapes = (jnp.zeros((1, 15, 64)), jnp.zeros((1, 3, height, width)), jnp.ones((1, 3), bool))
  tree = jax.eval_shape(lambda key: model.init(key, *shapes, train=False), jax.random.key(0))
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_parameter_counts_by_hand():
  # ATT-AVVAD's 943,113 parameters at 112 x 112 are the audio branch, the visual branch and four heads of 128 inputs.
  heads = 4 * (128 * (128 + 1 + 4) + (128 + 1))
  gated = [2 * 32 * (area * channels + 5) for area, channels in ((65, 3), (65, 32), (33, 32), (21, 32))]
  strided = [32 * (area * 32 + 5) for area in (25, 25, 9, 9)]
  visual = sum(gated) + sum(strided) + 128 * (4 * 4 * 32 + 5) + 129
  assert _count(VisualOnly(), 112, 112) == visual + heads
  assert _count(AudioOnly(), 112, 112) == 943_113 - visual - heads


def test_audio_only_is_the_audio_branch(inputs):
  log_mel, images, mask = inputs
  variables = _init(TINY, 0, *inputs)
  expected = _apply(TINY, variables, *inputs)
  own = {collection: {"audio": tree["audio"]} for collection, tree in variables.items()}
  outputs = _apply(_tiny("audio_only"), own, log_mel, 1 - images, ~mask)
  np.testing.assert_allclose(outputs.audio_logits, expected.audio_logits, atol=1e-6)
  names = {name for name, value in vars(outputs).items() if value is not None}
  assert names == {"audio_logits", "audio_embeddings"}


def test_visual_only_has_k_in_place_of_the_fused_vectors(inputs):
  log_mel, images, mask = inputs
  model = _tiny("visual_only")
  variables = _init(model, 2, *inputs)
  outputs = _apply(model, variables, 0 * log_mel, images, mask)
  p, s = variables["params"]["events"], variables["batch_stats"]["events"]["norm"]
  k = np.asarray(outputs.visual_embedding, np.float64)
  for event in range(4):
    hidden = k @ np.asarray(p["hidden"]["kernel"][event]) + np.asarray(p["hidden"]["bias"][event])
    normed = (hidden - s["mean"][event]) / np.sqrt(np.asarray(s["var"][event]) + 1e-5)
    relu = np.maximum(normed * p["norm"]["scale"][event] + p["norm"]["bias"][event], 0)
    logit = relu @ np.asarray(p["logits"]["kernel"][event]) + np.asarray(p["logits"]["bias"][event])
    np.testing.assert_allclose(outputs.audio_visual_logits[:, event], logit[:, 0], atol=1e-5)
  assert outputs.audio_logits is None
  # The audio changes nothing and images do; all blocks without images get the same decision.
  again = _apply(model, variables, log_mel, images, mask)
  np.testing.assert_array_equal(outputs.audio_visual_logits, again.audio_visual_logits)
  turned = _apply(model, variables, log_mel, images[:, :, ::-1], mask).audio_visual_logits
  changed = np.abs(turned - outputs.audio_visual_logits).max(axis=1) > 1e-6
  np.testing.assert_array_equal(changed, mask.any(axis=1))
