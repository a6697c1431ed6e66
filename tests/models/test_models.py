"""Properties of every model of the registry, and of every fusion of ATT-AVVAD."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.losses import binary_cross_entropies, mean_terms
from attavvad_jax.models import MODELS, AttAvvad, AudioBranch, VisualBranch, build, field_names, with_fields
from attavvad_jax.models.fusion import FUSIONS
from attavvad_jax.timeline import EVENTS

# Small values of all fields; each model takes those that it has.
_SMALL = dict(
  embedding_dim=6,
  filters=4,
  gru_units=3,
  audio_kernel_sizes=((3, 5),),
  kernel_sizes=((3, 3),),
  pool_bands=(5,),
  visual_kernel_sizes=((3, 7),),
  visual_strided_kernel_sizes=((5, 5),),
  visual_strides=((3, 3),),
)


def _small(name, **fields):
  has = field_names(MODELS[name]())
  return build(name, **{key: value for key, value in _SMALL.items() if key in has}, **fields)


ALL = {name: _small(name) for name in MODELS}
WITH_FUSIONS = ALL | {f"att_avvad, {name}": _small("att_avvad", fusion=name) for name in FUSIONS if name != "attention"}
ALL_OUTPUTS = {
  "audio_logits": (4, 4),
  "visual_logit": (4,),
  "audio_visual_logits": (4, 4),
  "audio_embeddings": (4, 4, 6),
  "visual_embedding": (4, 6),
  "attention": (4, 4),
  "fused_embeddings": (4, 4, 6),
  "sync_logit": None,
}


@pytest.fixture(scope="module")
def inputs():
  rng = np.random.default_rng(1)
  mask = np.ones((4, 3), bool)
  mask[0] = False  # no image at all
  mask[1, 1] = False
  return rng.normal(size=(4, 5, 12)).astype(np.float32), rng.random((4, 3, 14, 10)).astype(np.float32), mask


@functools.cache
def _shapes(model):
  shapes = (jnp.zeros((4, 5, 12)), jnp.zeros((4, 3, 14, 10)), jnp.ones((4, 3), bool))
  return jax.eval_shape(lambda: model.init(jax.random.key(0), *shapes, train=False))


@functools.cache
def _variables(model):
  """Random variables away from 0 and 1, so that no layer is an identity, and large enough for every input to matter."""
  rng = np.random.default_rng(0)

  def noise(leaf):
    deviation = 2.0 * np.prod(leaf.shape[:-1]) ** -0.5 if len(leaf.shape) > 1 else 0.5
    return (deviation * rng.normal(size=leaf.shape)).astype(np.float32)

  shapes = _shapes(model)
  return {
    "params": jax.tree.map(noise, shapes["params"]),
    "batch_stats": jax.tree.map(lambda leaf: 0.5 + np.abs(noise(leaf)), shapes["batch_stats"]),
  }


@functools.partial(jax.jit, static_argnames=("model", "train"))
def _apply_with_key(model, variables, seed, *inputs, train):
  rngs = {"dropout": jax.random.key(seed)}
  return model.apply(variables, *inputs, train=train, mutable=["batch_stats"], rngs=rngs)


def _apply(model, variables, *inputs, train, seed=0):
  """Applies a model; the seed is always an argument, so that tests share one program."""
  return _apply_with_key(model, variables, seed, *inputs, train=train)


def _decision(outputs):
  return outputs.audio_logits if outputs.audio_visual_logits is None else outputs.audio_visual_logits


@pytest.mark.parametrize(
  ("case", "outputs"),
  [
    ("att_avvad", {}),
    ("att_avvad, concatenation", {"attention": None, "fused_embeddings": (4, 4, 12)}),
    ("att_avvad, decision", {"attention": None, "fused_embeddings": None}),
    ("att_avvad, rule", {"attention": None}),
    ("audio_only", dict.fromkeys(set(ALL_OUTPUTS) - {"audio_logits", "audio_embeddings"})),
    ("visual_only", dict.fromkeys(set(ALL_OUTPUTS) - {"visual_logit", "audio_visual_logits", "visual_embedding"})),
    ("base_a", dict.fromkeys(set(ALL_OUTPUTS) - {"audio_logits"})),
    ("base_av", dict.fromkeys(set(ALL_OUTPUTS) - {"audio_visual_logits"})),
  ],
)
def test_named_outputs(inputs, case, outputs):
  model = WITH_FUSIONS[case]
  actual = jax.eval_shape(functools.partial(model.apply, train=False), _shapes(model), *inputs)
  shapes = {name: None if value is None else value.shape for name, value in vars(actual).items()}
  assert shapes == ALL_OUTPUTS | outputs


@pytest.mark.parametrize("model", ALL.values(), ids=ALL)
def test_a_masked_image_changes_nothing(inputs, model):
  log_mel, images, mask = inputs
  others = np.where(mask[..., None, None], images, np.float32(np.nan))
  expected = _apply(model, _variables(model), log_mel, images, mask, train=True)
  actual = _apply(model, _variables(model), log_mel, others, mask, train=True)
  jax.tree.map(np.testing.assert_array_equal, actual, expected)


@functools.partial(jax.jit, static_argnames="model")
def _apply_and_gradient(model, variables, *inputs):
  """Outputs and statistics of a training step without dropout, and the gradient of a loss on blocks 1 to 3."""

  def loss(params):
    outputs, state = model.apply({**variables, "params": params}, *inputs, train=True, mutable=["batch_stats"])
    return sum(jnp.sum(jnp.sin(x[1:4])) for x in jax.tree.leaves(outputs)), (outputs, state["batch_stats"])

  (_, kept), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
  return (*kept, gradient)


# Indices of blocks of `inputs`: three with and three without a face; and those with a face twice, which have the same
# statistics. Both have six blocks, so that they share one program.
_ALL_ROWS, _SEEN_ROWS = np.array([0, 1, 2, 3, 0, 0]), np.array([1, 2, 3, 1, 2, 3])

# The purely visual layers of each model, by parameter path; fused layers count all blocks.
_VISUAL_LAYERS = {
  "att_avvad": ("visual",),
  "visual_only": ("visual",),
  "base_av": ("conv_0_norm", "visual_features_norm"),
  "att_avvad, decision": ("visual", "fusion"),
}


@pytest.mark.parametrize("case", _VISUAL_LAYERS)
def test_visual_statistics_leave_out_blocks_without_a_face(inputs, case):
  """They equal those of a batch of the blocks with a face; audio statistics are those of all blocks."""
  model = with_fields(WITH_FUSIONS[case], dropout_rate=0.0)
  log_mel, images, mask = (x[_ALL_ROWS] for x in inputs)
  variables = _variables(model)
  outputs, stats, _ = _apply_and_gradient(model, variables, log_mel, images, mask)
  seen, seen_stats, _ = _apply_and_gradient(model, variables, *(x[_SEEN_ROWS] for x in inputs))
  visual = {name: values for name, values in stats.items() if name in _VISUAL_LAYERS[case]}
  assert len(visual) == len(_VISUAL_LAYERS[case])
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), visual, {name: seen_stats[name] for name in visual}
  )
  if outputs.visual_logit is not None:
    np.testing.assert_allclose(outputs.visual_logit[1:4], seen.visual_logit[:3], atol=1e-4)
    np.testing.assert_allclose(outputs.visual_embedding[1:4], seen.visual_embedding[:3], atol=1e-4)
  audio = {name: values for name, values in stats.items() if name.startswith("audio")}
  unmasked_stats = _apply_and_gradient(model, variables, log_mel, images, np.ones_like(mask))[1]
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), audio, {name: unmasked_stats[name] for name in audio}
  )
  assert audio or case == "visual_only"


@pytest.mark.parametrize("case", _VISUAL_LAYERS)
def test_a_batch_without_any_face_is_finite_and_leaves_visual_layers_unchanged(inputs, case):
  model = with_fields(WITH_FUSIONS[case], dropout_rate=0.0)
  log_mel, images, mask = (x[_ALL_ROWS] for x in inputs)
  variables = _variables(model)
  results = _apply_and_gradient(model, variables, log_mel, images, np.zeros_like(mask))
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(results))
  for name in _VISUAL_LAYERS[case]:
    jax.tree.map(np.testing.assert_array_equal, results[1][name], variables["batch_stats"][name])
  convolutions = results[2]["visual"]["block_0"] if "visual" in results[2] else results[2]["conv_0"]
  jax.tree.map(lambda gradient: np.testing.assert_array_equal(gradient, 0), convolutions)


@pytest.mark.parametrize("model", ALL.values(), ids=ALL)
def test_evaluation_leaves_statistics_unchanged_and_treats_each_block_alone(inputs, model):
  variables = _variables(model)
  outputs, state = _apply(model, variables, *inputs, train=False)
  jax.tree.map(np.testing.assert_array_equal, state["batch_stats"], variables["batch_stats"])
  rows = np.array([2, 2, 0, 0])
  other_batch, _ = _apply(model, variables, *(x[rows] for x in inputs), train=False)
  np.testing.assert_allclose(_decision(outputs)[rows], _decision(other_batch), atol=1e-5)


@pytest.mark.parametrize("model", ALL.values(), ids=ALL)
def test_dropout_in_training_depends_on_the_key(inputs, model):
  variables = _variables(model)
  (first, state), (again, _), (other, _) = (_apply(model, variables, *inputs, train=True, seed=i) for i in (0, 0, 1))
  np.testing.assert_array_equal(_decision(first), _decision(again))
  assert np.abs(_decision(first) - _decision(other)).max() > 1e-4
  changed = jax.tree.map(lambda a, b: bool((a != b).any()), state["batch_stats"], variables["batch_stats"])
  assert all(jax.tree.leaves(changed))


@pytest.mark.slow
@pytest.mark.parametrize("model", ALL.values(), ids=ALL)
def test_bfloat16_is_finite_and_close(inputs, model):
  variables = _variables(model)
  narrow = with_fields(model, dtype=jnp.bfloat16)

  def loss(params):
    outputs, _ = narrow.apply(
      {**variables, "params": params},
      *inputs,
      train=True,
      mutable=["batch_stats"],
      rngs={"dropout": jax.random.key(0)},
    )
    return jnp.sum(_decision(outputs) ** 2), outputs

  (value, outputs), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])
  assert np.isfinite(value)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
  assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(gradient))
  # Logits and attention are float32; only embeddings are bfloat16.
  types = {name: value.dtype for name, value in vars(outputs).items() if value is not None}
  assert types == {name: jnp.bfloat16 if "embedding" in name else jnp.float32 for name in types}
  expected, _ = _apply(model, variables, *inputs, train=True)
  # The mean is compared, since the normalization of a unit that hardly varies over the batch magnifies rounding.
  errors = np.abs(jax.nn.sigmoid(_decision(outputs)) - jax.nn.sigmoid(_decision(expected)))
  assert 0 < errors.mean() < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("case", WITH_FUSIONS)
def test_overfits_one_batch(case):
  """The loss of every output falls to nearly 0."""
  model = with_fields(WITH_FUSIONS[case], dropout_rate=0.0)
  rng = np.random.default_rng(1)
  log_mel = rng.normal(size=(8, 5, 12)).astype(np.float32)
  images = rng.random((8, 3, 14, 10)).astype(np.float32)
  mask, labels = np.ones((8, 3), bool), np.arange(8) % len(EVENTS)
  variables = jax.jit(lambda key: model.init(key, log_mel, images, mask, train=False))(jax.random.key(0))
  optimizer = optax.adam(0.03)

  @jax.jit
  def step(params, state):
    def loss(params):
      outputs, _ = model.apply(
        {**variables, "params": params}, log_mel, images, mask, train=True, mutable=["batch_stats"]
      )
      terms = mean_terms(binary_cross_entropies(outputs, labels, mask, np.ones(8, bool)))
      return sum(terms.values()) / len(terms)

    value, gradient = jax.value_and_grad(loss)(params)
    changes, state = optimizer.update(gradient, state)
    return optax.apply_updates(params, changes), state, value

  params, state = variables["params"], optimizer.init(variables["params"])
  values = []
  for _ in range(150):
    params, state, value = step(params, state)
    values.append(float(value))
  assert values[0] > 0.4
  assert values[-1] < 0.05


def test_unknown_models_and_fields_are_refused_with_the_known_ones():
  assert build("att_avvad", filters=8) == AttAvvad(AudioBranch(filters=8), VisualBranch(filters=8))
  with pytest.raises(ValueError, match=r"'att_avad'.*att_avvad, audio_only, visual_only, base_a, base_av"):
    build("att_avad")
  with pytest.raises(ValueError, match=r"field filter;.* filters"):
    build("att_avvad", filter=8)
