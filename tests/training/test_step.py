import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from prepared import SPEC
import pytest
from tiny import tiny_config

from attavvad_jax import config as config_lib
from attavvad_jax.features.augmentation import Augmentation
from attavvad_jax.loss_weights import per_group
from attavvad_jax.losses import TERMS
from attavvad_jax.training.step import create_state, train_step


@pytest.fixture(scope="module")
def setting():
  """A tiny model, a batch of eight blocks that an open mouth explains, and the compiled step."""
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
  optimiser = optax.adam(1e-2)
  state = create_state(model, optimiser, batch, SPEC.clock, seed=0)
  return state, batch, _compiled(model, optimiser)


def _compiled(model, optimiser, **options):
  return jax.jit(_step(model, optimiser, **options))


def _losses_alone(**options):
  """The step's terms; that nothing else is asked for makes it quick to compile."""
  step = _step(config_lib.model(tiny_config("")), optax.adam(1e-2), **options)
  return jax.jit(lambda state, batch: step(state, batch)[1])


def _step(model, optimiser, **options):
  weights = per_group(audio=1.0, visual=1.0, audio_visual=1.0)
  options = {"model": model, "optimiser": optimiser, "loss_weights": weights, "clock": SPEC.clock, "seed": 0, **options}
  return functools.partial(train_step, **options)


def test_one_batch_can_be_learned_by_heart(setting):
  state, batch, step = setting
  totals = []
  for _ in range(60):
    state, _, total = step(state, batch)
    totals.append(float(total))
  assert totals[-1] < 0.35 * totals[0]
  assert int(state.step) == 60


def test_step_is_a_pure_function(setting):
  state, batch, step = setting
  first, second = step(state, batch), step(state, batch)
  jax.tree.map(np.testing.assert_array_equal, first, second)


def test_dropout_differs_from_step_to_step(setting):
  state, batch, step = setting
  totals = [float(step(state.replace(step=jnp.asarray(i, jnp.int32)), batch)[2]) for i in range(3)]
  assert len(set(totals)) == 3


def test_padding_is_not_counted_and_has_no_gradient(setting):
  """The padding's label, which nothing but the loss reads, changes nothing; a real block's does."""
  state, batch, step = setting
  mask = np.arange(8) < 6
  relabelled = np.where(mask, batch["label"], (batch["label"] + 1) % 4).astype(np.int32)
  a = step(state, {**batch, "block_mask": mask})
  b = step(state, {**batch, "block_mask": mask, "label": relabelled})
  jax.tree.map(np.testing.assert_array_equal, a, b)
  assert float(a[1].counts["audio_speech"]) == 6
  c = step(state, {**batch, "label": relabelled})
  assert float(c[2]) != float(a[2])


def test_audio_branch_learns_the_labels_that_it_is_given(setting):
  state, batch, step = setting
  performer = step(state, batch)[1]
  changed = _losses_alone(audio_label="audio_label")(state, batch)
  relabelled = step(state, {**batch, "label": batch["audio_label"]})[1]
  for i, name in enumerate(TERMS):
    expected = relabelled if i < 4 else performer
    np.testing.assert_allclose(changed.sums[name], expected.sums[name], rtol=1e-6)


def test_sound_taken_away_is_silence_and_the_mouth_moves_as_before(setting):
  state, batch, step = setting
  for _ in range(10):  # until it is no longer all the same what the targets are
    state, _, _ = step(state, batch)
  dropped = _losses_alone(augmentation=Augmentation(drop_sound_probability=1.0))(state, batch)
  silent = {**batch, "waveform": np.zeros_like(batch["waveform"])}
  as_recorded = step(state, silent)[1].sums
  as_silence = step(state, {**silent, "label": np.zeros(8, np.int32)})[1].sums
  for i, name in enumerate(TERMS):
    expected, other = (as_recorded, as_silence) if i == 4 else (as_silence, as_recorded)
    np.testing.assert_allclose(dropped.sums[name], expected[name], rtol=1e-3)
    assert abs(other[name] - expected[name]) > 0.01 * expected[name]


def test_augmentation_is_drawn_by_the_step_and_the_seed(setting):
  """By the number of blocks that keep their images, on which dropout has no say."""
  state, batch, _ = setting

  def counts(seed):
    options = dict(seed=seed, augmentation=Augmentation(drop_images_probability=0.5))
    step = _step(config_lib.model(tiny_config("")), optax.adam(1e-2), **options)
    count = jax.jit(lambda i: step(state.replace(step=i), batch)[1].counts["visual_vocalising"])
    return [int(count(jnp.asarray(i, jnp.int32))) for i in range(12)]

  first, again, other = counts(0), counts(0), counts(1)
  assert len(set(first)) > 3
  assert first == again
  assert first != other
