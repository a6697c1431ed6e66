import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attavvad_jax.models.base_av import BaseAV, softmax_log_odds

TINY = BaseAV(
  embedding_dim=6, filters=4, gru_units=3, visual_kernel_sizes=((3, 7),), visual_strides=((3, 3),), dropout_rate=0.0
)


@pytest.mark.parametrize(
  ("height", "width", "flat", "expected"),
  # SAME strides 3, 3, 2, 2: 450 -> 150 -> 50 -> 25 -> 13, 300 -> 100 -> 34 -> 17 -> 9, 112 -> 38 -> 13 -> 7 -> 4.
  [(450, 300, 13 * 9 * 32, 732_708), (112, 112, 4 * 4 * 32, 319_012)],
)
def test_parameter_count_by_hand(height, width, flat, expected):
  def lstm(inputs):
    return 4 * 64 * (inputs + 64 + 1)  # four gates: input, recurrent, bias

  # Each output of a layer has a bias, and scale, bias, mean and variance of its normalization.
  audio = 128 * (64 + 5) + 128 * (128 + 5) + lstm(128)
  convolutions = 32 * (25 * 1 + 5) + 32 * (25 * 32 + 5) + 2 * 32 * (9 * 32 + 5)
  visual = convolutions + 128 * (flat + 5) + lstm(128)
  fusion = lstm(64 + 64) + lstm(64) + 4 * (64 + 1)
  assert audio + visual + fusion == expected
  shapes = (jnp.zeros((1, 15, 64)), jnp.zeros((1, 3, height, width)), jnp.ones((1, 3), bool))
  tree = jax.eval_shape(lambda key: BaseAV().init(key, *shapes, train=False), jax.random.key(0))
  assert sum(leaf.size for leaf in jax.tree.leaves(tree)) == expected


def _lstm(x, params):
  """States of an LSTM by its equations (Hochreiter and Schmidhuber 1997, with a forget gate). [T,I] -> [T,U]."""
  cell = state = np.zeros(3)
  states = []
  for inputs in x:
    gate = {
      g: inputs @ params[f"i{g}"]["kernel"] + state @ params[f"h{g}"]["kernel"] + params[f"h{g}"]["bias"]
      for g in "ifgo"
    }
    i, f, o = (1 / (1 + np.exp(-gate[g])) for g in "ifo")
    cell = f * cell + i * np.tanh(gate["g"])
    state = o * np.tanh(cell)
    states.append(state)
  return np.stack(states)


@pytest.mark.slow
def test_recurrent_layers_equal_their_equations():
  rng = np.random.default_rng(0)
  log_mel, images = rng.normal(size=(2, 6, 12)), rng.random((2, 3, 14, 10))
  mask = np.array([[True, False, True], [True, True, True]])
  inputs = (log_mel, images, mask)
  variables = jax.jit(functools.partial(TINY.init, train=False))(jax.random.key(0), *inputs)
  outputs, kept = jax.jit(functools.partial(TINY.apply, train=False, capture_intermediates=True))(variables, *inputs)
  kept, params = kept["intermediates"], jax.tree.map(lambda x: np.asarray(x, np.float64), variables["params"])
  for block in range(2):
    audio = _lstm(
      np.asarray(kept["audio_features_1_norm"]["__call__"][0][block], np.float64), params["audio_lstm"]["cell"]
    )
    features = np.asarray(kept["visual_features_norm"]["__call__"][0][block], np.float64)
    visual = _lstm(np.where(mask[block][:, None], features, 0.0), params["visual_lstm"]["cell"])
    # With six audio frames and three images, two frames share an image.
    x = np.concatenate([audio, visual[[0, 0, 1, 1, 2, 2]]], axis=1)
    for i in range(2):
      x = _lstm(x, params[f"fusion_lstm_{i}"]["cell"])
    logits = x[-1] @ params["logits"]["kernel"] + params["logits"]["bias"]
    softmax = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(jax.nn.sigmoid(outputs.audio_visual_logits[block]), softmax, atol=1e-5)


def test_log_odds_stay_exact_if_one_event_is_certain():
  logits = jnp.array([[60.0, 0.0, 0.0, -30.0]])
  # p / (1 - p) of the first is e^60 / (2 + e^-30); of the last e^-30 / (e^60 + 2), about e^-90.
  np.testing.assert_allclose(softmax_log_odds(logits), [[60 - np.log(2), -60, -60, -90]], rtol=1e-6)
  gradient = jax.grad(lambda x: softmax_log_odds(x).sum())(logits)
  assert np.isfinite(gradient).all()
