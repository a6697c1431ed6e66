"""The loss terms of Eq. 2 and their total."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attavvad_jax import losses
from attavvad_jax.losses import TERMS, mean_terms
from attavvad_jax.models.outputs import Outputs

SILENCE, SPEECH, SINGING, OTHERS = range(4)
ONES = dict.fromkeys(TERMS, 1.0)
# Compiled for speed. jax sorts the keys of compiled results, so tests of the order of terms call uncompiled functions.
binary_cross_entropies = jax.jit(losses.binary_cross_entropies)
total_loss = jax.jit(losses.total_loss)


def _batch(seed=0, num_blocks=5):
  rng = np.random.default_rng(seed)
  outputs = Outputs(
    audio_logits=jnp.asarray(rng.normal(size=(num_blocks, 4)), jnp.float32),
    visual_logit=jnp.asarray(rng.normal(size=num_blocks), jnp.float32),
    audio_visual_logits=jnp.asarray(rng.normal(size=(num_blocks, 4)), jnp.float32),
  )
  labels = np.array([SILENCE, SPEECH, SINGING, OTHERS, SPEECH])[:num_blocks]
  image_mask = np.ones((num_blocks, 3), bool)
  return outputs, labels, image_mask, np.ones(num_blocks, bool)


def _by_hand(logit, target):
  p = 1 / (1 + np.exp(-float(logit)))
  return -np.log(p) if target else -np.log(1 - p)


def test_names_are_in_the_order_of_eq_2():
  assert " ".join(TERMS) == (
    "audio_silence audio_speech audio_singing audio_others visual_vocalizing "
    "audio_visual_silence audio_visual_speech audio_visual_singing audio_visual_others"
  )


def test_terms_by_hand():
  outputs, labels, image_mask, block_mask = _batch()
  image_mask[1] = False  # a block without images
  image_mask[2, :2] = False  # one image is enough
  block_mask[4] = False  # padding
  terms = losses.binary_cross_entropies(outputs, labels, image_mask, block_mask)
  assert tuple(terms.sums) == TERMS
  for prefix, logits in (("audio", outputs.audio_logits), ("audio_visual", outputs.audio_visual_logits)):
    for e, event in enumerate(("silence", "speech", "singing", "others")):
      expected = sum(_by_hand(logits[b, e], labels[b] == e) for b in range(4))
      np.testing.assert_allclose(terms.sums[f"{prefix}_{event}"], expected, rtol=1e-6)
      assert terms.counts[f"{prefix}_{event}"] == 4
  expected = sum(_by_hand(outputs.visual_logit[b], labels[b] in (SPEECH, SINGING)) for b in (0, 2, 3))
  np.testing.assert_allclose(terms.sums["visual_vocalizing"], expected, rtol=1e-6)
  assert terms.counts["visual_vocalizing"] == 3


def test_each_branch_can_have_its_own_labels():
  outputs, labels, *masks = _batch()
  audio_labels = np.array([SPEECH, SPEECH, OTHERS, OTHERS, SILENCE])
  visual_labels = np.array([SINGING, OTHERS, SPEECH, SILENCE, SPEECH])
  actual = binary_cross_entropies(outputs, labels, *masks, audio_labels=audio_labels, visual_labels=visual_labels)
  groups = ((TERMS[:4], audio_labels), (TERMS[4:5], visual_labels), (TERMS[5:], labels))
  for names, group_labels in groups:
    expected = binary_cross_entropies(outputs, group_labels, *masks)
    for name in names:
      np.testing.assert_array_equal(actual.sums[name], expected.sums[name])


def test_total_is_the_weighted_sum_of_the_means():
  terms = binary_cross_entropies(*_batch())
  weights = {name: 0.5 + i for i, name in enumerate(TERMS)}
  means = mean_terms(terms)
  np.testing.assert_allclose(total_loss(terms, weights), sum(weights[n] * means[n] for n in TERMS), rtol=1e-6)


def test_batches_add_up():
  outputs, labels, image_mask, block_mask = _batch()
  image_mask[0] = False
  whole = binary_cross_entropies(outputs, labels, image_mask, block_mask)
  first, second = (
    binary_cross_entropies(jax.tree.map(lambda x, p=p: x[p], outputs), labels[p], image_mask[p], block_mask[p])
    for p in (slice(0, 2), slice(2, 5))
  )
  added = mean_terms(jax.tree.map(jnp.add, first, second))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), added, mean_terms(whole))


def test_extreme_logits_stay_finite_and_exact():
  outputs = Outputs(audio_logits=jnp.array([[1e4, -1e4, 1e4, -30.0]]))
  terms = losses.binary_cross_entropies(outputs, np.array([0]), np.ones((1, 3), bool), np.ones(1, bool))
  np.testing.assert_allclose(list(terms.sums.values()), [0.0, 0.0, 1e4, np.exp(-30.0)], rtol=1e-6)


def test_a_term_without_blocks_is_nan_and_adds_nothing():
  outputs, labels, image_mask, block_mask = _batch()
  image_mask[:] = False

  def total(outputs):
    return total_loss(binary_cross_entropies(outputs, labels, image_mask, block_mask), ONES)

  terms = binary_cross_entropies(outputs, labels, image_mask, block_mask)
  assert np.isnan(mean_terms(terms)["visual_vocalizing"])
  value, gradient = jax.value_and_grad(total)(outputs)
  means = mean_terms(terms)
  np.testing.assert_allclose(value, sum(means[n] for n in TERMS if n != "visual_vocalizing"), rtol=1e-6)
  np.testing.assert_array_equal(gradient.visual_logit, 0)
  assert np.isfinite(gradient.audio_logits).all()


def test_a_batch_of_padding_has_no_gradient():
  outputs, labels, image_mask, _ = _batch()
  block_mask = np.zeros(len(labels), bool)
  loss = lambda o: total_loss(binary_cross_entropies(o, labels, image_mask, block_mask), ONES)  # noqa: E731
  value, gradient = jax.value_and_grad(loss)(outputs)
  assert value == 0
  for leaf in jax.tree.leaves(gradient):
    np.testing.assert_array_equal(leaf, 0)


@pytest.mark.parametrize("name", TERMS)
def test_a_weight_of_zero_removes_the_gradient_of_its_term_alone(name):
  outputs, *rest = _batch()
  gradient = jax.grad(lambda o: total_loss(binary_cross_entropies(o, *rest), {**ONES, name: 0.0}))(outputs)
  columns = np.concatenate(
    [gradient.audio_logits, gradient.visual_logit[:, None], gradient.audio_visual_logits], axis=1
  ).T
  zero = [bool((column == 0).all()) for column in columns]
  assert zero == [term == name for term in TERMS]


def test_a_model_without_a_branch_has_fewer_terms():
  outputs, *rest = _batch()
  terms = losses.binary_cross_entropies(Outputs(audio_logits=outputs.audio_logits), *rest)
  assert tuple(terms.sums) == TERMS[:4]
  np.testing.assert_allclose(total_loss(terms, ONES), sum(mean_terms(terms).values()), rtol=1e-6)


def test_bfloat16_logits_are_summed_in_float32():
  outputs, *rest = _batch()
  terms = binary_cross_entropies(jax.tree.map(lambda x: x.astype(jnp.bfloat16), outputs), *rest)
  assert {x.dtype for x in jax.tree.leaves(terms)} == {np.dtype("float32")}


def test_error_names_the_missing_weight():
  weights = {name: 1.0 for name in TERMS if name != "audio_speech"}
  with pytest.raises(ValueError, match="loss weight for audio_speech;"):
    total_loss(binary_cross_entropies(*_batch()), weights)
