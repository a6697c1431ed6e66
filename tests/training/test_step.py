import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from prepared import SPEC
import pytest
from tiny import tiny_config

from attavvad_jax import config as config_lib
from attavvad_jax.features.augmentation import Augmentation
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.loss_weights import LossWeights, grad_norm, per_group, per_term
from attavvad_jax.losses import TERMS, binary_cross_entropies, total_loss
from attavvad_jax.models import Outputs, with_fields
from attavvad_jax.training.step import create_state, train_step


@pytest.fixture(scope="module")
def setting():
  """Returns the state of a tiny model, a batch of eight blocks in which the mouth shows the label, and the step."""
  rng = np.random.default_rng(0)
  label = np.arange(8) % 4
  images = rng.integers(90, 110, (8, 3, 32, 32))
  images[(label == 1) | (label == 2), :, 20:28, 10:22] = 0
  batch = {
    "waveform": np.int16(
      rng.normal(0, 1, (8, SPEC.clock.block_samples)) * np.array([10, 500, 3000, 9000])[label, None]
    ),
    "images": images.astype(np.uint8),
    "image_mask": np.ones((8, 3), bool),
    "label": label.astype(np.int32),
    "audio_label": label[::-1].astype(np.int32),
    "block_mask": np.ones(8, bool),
  }
  model = config_lib.model(tiny_config(""))
  optimizer = optax.adam(1e-2)
  state = create_state(model, optimizer, per_group(), batch, SPEC.clock, seed=0)
  return state, batch, _compiled(model, optimizer)


def _compiled(model, optimizer, **options):
  return jax.jit(_step(model, optimizer, **options))


def _losses_alone(**options):
  """Returns a step that gives only the terms, which compiles quickly."""
  step = _step(config_lib.model(tiny_config("")), optax.adam(1e-2), **options)
  return jax.jit(lambda state, batch: step(state, batch)[1].terms)


def _step(model, optimizer, **options):
  options = {
    "model": model,
    "optimizer": optimizer,
    "loss_weights": per_group(),
    "clock": SPEC.clock,
    "seed": 0,
    **options,
  }
  return functools.partial(train_step, **options)


@pytest.mark.slow
def test_one_batch_can_be_memorized(setting):
  state, batch, step = setting
  totals = []
  for _ in range(60):
    state, log = step(state, batch)
    totals.append(float(log.total))
  assert totals[-1] < 0.35 * totals[0]
  assert int(state.step) == 60


def test_step_is_a_pure_function(setting):
  state, batch, step = setting
  first, second = step(state, batch), step(state, batch)
  jax.tree.map(np.testing.assert_array_equal, first, second)


def test_dropout_differs_from_step_to_step(setting):
  state, batch, step = setting
  totals = [float(step(state.replace(step=jnp.asarray(i, jnp.int32)), batch)[1].total) for i in range(3)]
  assert len(set(totals)) == 3


def test_padding_is_not_counted_and_has_no_gradient(setting):
  """A label of padding, which only the loss reads, changes nothing; a label of a real block does."""
  state, batch, step = setting
  mask = np.arange(8) < 6
  relabeled = np.where(mask, batch["label"], (batch["label"] + 1) % 4).astype(np.int32)
  a = step(state, {**batch, "block_mask": mask})
  b = step(state, {**batch, "block_mask": mask, "label": relabeled})
  jax.tree.map(np.testing.assert_array_equal, a, b)
  assert float(a[1].terms.counts["audio_speech"]) == 6
  c = step(state, {**batch, "label": relabeled})
  assert float(c[1].total) != float(a[1].total)


def test_audio_branch_learns_from_the_chosen_labels(setting):
  state, batch, step = setting
  performer = step(state, batch)[1].terms
  changed = _losses_alone(audio_label="audio_label")(state, batch)
  relabeled = step(state, {**batch, "label": batch["audio_label"]})[1].terms
  for i, name in enumerate(TERMS):
    expected = relabeled if i < 4 else performer
    np.testing.assert_allclose(changed.sums[name], expected.sums[name], rtol=1e-6)


def test_dropped_audio_changes_the_audio_targets_but_not_the_visual_one(setting):
  state, batch, step = setting
  for _ in range(10):  # until the loss depends on the targets
    state, _ = step(state, batch)
  dropped = _losses_alone(augmentation=Augmentation(drop_audio_probability=1.0))(state, batch)
  silent = {**batch, "waveform": np.zeros_like(batch["waveform"])}
  as_recorded = step(state, silent)[1].terms.sums
  as_silence = step(state, {**silent, "label": np.zeros(8, np.int32)})[1].terms.sums
  for i, name in enumerate(TERMS):
    expected, other = (as_recorded, as_silence) if i == 4 else (as_silence, as_recorded)
    np.testing.assert_allclose(dropped.sums[name], expected[name], rtol=1e-3)
    assert abs(other[name] - expected[name]) > 0.01 * expected[name]


def test_augmentation_depends_on_the_step_and_the_seed(setting):
  """The test counts the blocks that keep their images, which dropout does not affect."""
  state, batch, _ = setting

  @jax.jit
  def count(i, seed):
    options = dict(seed=seed, augmentation=Augmentation(drop_images_probability=0.5))
    step = _step(config_lib.model(tiny_config("")), optax.adam(1e-2), **options)
    return step(state.replace(step=i), batch)[1].terms.counts["visual_vocalizing"]

  def counts(seed):
    return [int(count(jnp.asarray(i, jnp.int32), seed)) for i in range(20)]

  first, again, other = counts(0), counts(0), counts(1)
  assert len(set(first)) > 3
  assert first == again
  assert first != other


@pytest.mark.slow
def test_rematerialization_changes_nothing(setting, gradients):
  state, batch, _ = setting
  weights = np.ones(len(TERMS), np.float32)
  expected, _ = gradients(state, batch, weights)
  after, _ = jax.jit(functools.partial(_step_to_gradients, remat=True))(state, batch, weights)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), after.optimizer, expected)


@pytest.mark.slow
def test_microbatches_add_up_to_the_gradient_of_the_batch(setting):
  """The slow obvious version takes each part by itself, passes the statistics on, and sums the terms."""
  state, batch, _ = setting
  # The parts have different counts of the visual term.
  batch = {**batch, "image_mask": np.repeat(np.arange(8) % 4 != 1, 3).reshape(8, 3)}
  model = with_fields(config_lib.model(tiny_config("")), dropout_rate=0.0)
  weights = np.linspace(0.5, 1.5, len(TERMS), dtype=np.float32)

  def total(params):
    batch_stats, terms = state.batch_stats, []
    for first in (0, 1):
      part = {name: value[first::2] for name, value in batch.items()}
      outputs, updates = model.apply(
        {"params": params, "batch_stats": batch_stats},
        *network_inputs(part, SPEC.clock),
        train=True,
        mutable=["batch_stats"],
      )
      batch_stats = updates["batch_stats"]
      terms.append(binary_cross_entropies(outputs, part["label"], part["image_mask"], part["block_mask"]))
    return total_loss(jax.tree.map(jnp.add, *terms), dict(zip(TERMS, weights, strict=True))), batch_stats

  expected, batch_stats = jax.jit(jax.grad(total, has_aux=True))(state.params)
  step = functools.partial(_step_to_gradients, model=model, num_microbatches=2)
  after, _ = jax.jit(step)(state, batch, weights)
  # The gradient of a bias before a normalization is 0 except for rounding errors of 2e-5.
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), after.optimizer, expected)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after.batch_stats, batch_stats)


def _gradients(state, batch, weights):
  """Returns the gradients of the total with these weights of the nine terms, and the step's log."""
  after, log = _step_to_gradients(state, batch, weights)
  return after.optimizer, log


def _step_to_gradients(state, batch, weights, **options):
  """Makes a step that changes no parameter and returns the gradients as the optimizer's state."""
  collect = optax.GradientTransformation(
    init=lambda params: params, update=lambda gradients, kept, params: (jax.tree.map(jnp.zeros_like, params), gradients)
  )
  function = per_term(**dict(zip(TERMS, weights, strict=True)))
  options = {"model": config_lib.model(tiny_config("")), "optimizer": collect, "loss_weights": function, **options}
  return _step(**options)(state.replace(optimizer=state.params, loss_weights=function.init()), batch)


@pytest.fixture(scope="module")
def gradients():
  return jax.jit(_gradients)


@pytest.mark.slow
def test_total_is_the_weighted_sum_of_the_nine_means(setting, gradients):
  state, batch, _ = setting
  weights = np.arange(9, dtype=np.float32) / 3
  _, log = gradients(state, batch, weights)
  means = [log.terms.sums[name] / log.terms.counts[name] for name in TERMS]
  np.testing.assert_allclose(log.total, np.dot(means, weights), rtol=1e-6)
  assert [log.weights[name] for name in TERMS] == weights.tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
  ("weights", "module"),
  [
    ([0] * 4 + [1] * 5, ("audio", "logits")),
    ([1] * 4 + [0] + [1] * 4, ("visual", "logit")),
    ([1] * 5 + [0] * 4, ("fusion",)),
  ],
)
def test_zero_weights_leave_a_groups_own_layers_without_gradient(setting, gradients, weights, module):
  state, batch, _ = setting
  by_module, _ = gradients(state, batch, np.float32(weights))
  for name in (("audio", "logits"), ("visual", "logit"), ("fusion",)):
    layer = by_module[name[0]] if len(name) == 1 else by_module[name[0]][name[1]]
    zero = [bool((leaf == 0).all()) for leaf in jax.tree.leaves(layer)]
    assert all(zero) if name == module else not any(zero)


@pytest.mark.slow
def test_gradient_norms_are_those_of_each_term_in_the_embedding_layers(setting, gradients):
  """The oracle computes the gradient of each term separately with respect to all parameters."""
  state, batch, _ = setting
  probe = LossWeights(lambda: (), lambda step, seen, losses: (losses.gradient_norms, seen), uses_gradient_norms=True)
  masked = {**batch, "image_mask": np.zeros((8, 3), bool)}
  step = jax.jit(lambda *args: _step(config_lib.model(tiny_config("")), optax.adam(1e-2), loss_weights=probe)(*args)[1])
  norms = step(state, batch).weights
  for name, one in zip(TERMS, np.eye(9, dtype=np.float32), strict=True):
    whole, _ = gradients(state, batch, one)
    leaves = jax.tree.leaves([whole["audio"]["embedding"], whole["visual"]["embedding"]])
    expected = np.sqrt(sum(np.sum(np.float64(leaf) ** 2) for leaf in leaves))
    np.testing.assert_allclose(norms[name], expected, rtol=1e-4)
  unseen = step(state, masked).weights
  assert [name for name in TERMS if np.isnan(unseen[name])] == ["visual_vocalizing"]


def test_gradient_norms_raise_for_a_model_without_embeddings(setting):
  _, batch, _ = setting

  class Linear(nn.Module):
    @nn.compact
    def __call__(self, log_mel, images, image_mask, *, train):
      return Outputs(audio_logits=nn.Dense(4)(log_mel.mean(axis=1)))

  assert create_state(Linear(), optax.sgd(0.1), per_group(), batch, SPEC.clock, seed=0)
  with pytest.raises(ValueError, match=r"loss_weights.* 'embedding'"):
    create_state(Linear(), optax.sgd(0.1), grad_norm(), batch, SPEC.clock, seed=0)
