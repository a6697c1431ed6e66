import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attavvad_jax.models import fusion
from attavvad_jax.models.att_avvad import AttAvvad

# Silence, speech, singing, others; D = 2. The second block has no image, and thus a zero vector.
EVENTS = np.array([[[0.2, 0.4], [1.0, 0.6], [0.8, 0.5], [0.1, 0.3]]] * 2, np.float32)
VISUAL = np.array([[0.9, 0.5], [0.0, 0.0]], np.float32)
SEEN = np.array([True, False])


def test_attention_on_a_worked_example():
  # d_k = 4, so the scores are halved: q.K = 4, 2, 0, 0 -> exp(2), exp(1), 1, 1 over their sum 12.10734.
  visual = np.array([[1.0, 1.0, 1.0, 1.0]])
  events = np.array([[[1, 1, 1, 1], [2, 0, 0, 0], [1, -1, 0, 0], [0, 0, 0, 0]]], np.float32)
  expected = [[0.610296, 0.224515, 0.082595, 0.082595]]
  np.testing.assert_allclose(fusion.semantic_attention(events, visual), expected, atol=1e-6)


def test_the_rule_on_a_worked_example():
  fused = fusion.by_rule(EVENTS, VISUAL, SEEN)
  # Speech and singing times K; others plus both times 1 - K: 0.1 + 0.1 + 0.08, 0.3 + 0.3 + 0.25.
  expected = [[0.2, 0.4], [0.9, 0.3], [0.72, 0.25], [0.28, 0.85]]
  np.testing.assert_allclose(fused.vectors[0], expected, atol=1e-6)
  np.testing.assert_array_equal(fused.vectors[1], EVENTS[1])
  assert fused.attention is None


def test_concatenation_appends_the_visual_vector():
  fused = fusion.by_concatenation(EVENTS, VISUAL, SEEN)
  np.testing.assert_allclose(fused.vectors[0, 2], [0.8, 0.5, 0.9, 0.5])
  np.testing.assert_allclose(fused.vectors[1, 3], [0.1, 0.3, 0.0, 0.0])


def test_streams_are_combined_log_linearly():
  audio, visual = np.array([[0.5, -2.0], [1.0, 3.0]]), np.array([[1.5, 2.0], [-4.0, 0.0]])
  weight = 0.8
  variables = {"params": {"audio_logit": np.log(weight / (1 - weight))}}
  actual = jax.nn.sigmoid(fusion.StreamWeight().apply(variables, audio, visual, SEEN))
  # The weighted product of the probabilities of yes, divided by the sum of that and the product for no.
  yes = [1 / (1 + np.exp(-x)) for x in (audio, visual)]
  products = [p**weight * q ** (1 - weight) for p, q in (yes, [1 - p for p in yes])]
  np.testing.assert_allclose(actual[0], (products[0] / sum(products))[0], atol=1e-6)
  # Without an image, the audio decides.
  np.testing.assert_allclose(actual[1], yes[0][1], atol=1e-6)
  initial = fusion.StreamWeight().init(jax.random.key(0), audio, visual, SEEN)
  np.testing.assert_allclose(fusion.StreamWeight().apply(initial, audio, visual, SEEN)[0], (audio + visual)[0] / 2)


@pytest.mark.parametrize(
  ("name", "more"),
  # In addition to attention's 943,113: 128 inputs from K to four hidden layers of 128; one weight; nothing.
  [("concatenation", 4 * 128 * 128), ("decision", 1), ("rule", 0)],
)
def test_parameter_counts_by_hand(name, more):
  shapes = (jnp.zeros((1, 15, 64)), jnp.zeros((1, 3, 112, 112)), jnp.ones((1, 3), bool))
  tree = jax.eval_shape(lambda key: AttAvvad(fusion=name).init(key, *shapes, train=False), jax.random.key(0))
  assert sum(leaf.size for leaf in jax.tree.leaves(tree)) == 943_113 + more


def test_an_unknown_fusion_is_refused_by_name():
  with pytest.raises(ValueError, match=r"'sum'.*attention, concatenation, decision, rule"):
    AttAvvad(fusion="sum")
