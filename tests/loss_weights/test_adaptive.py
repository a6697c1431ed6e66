"""Adaptive weights against hand-worked examples; the comments show the arithmetic of the papers."""

from following import as_array, follow
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.loss_weights import Losses, dynamic_average, grad_norm, uncertainty
from attavvad_jax.losses import TERMS

# A model with only these two terms.
A, B = "audio_silence", "visual_vocalizing"
COLUMNS = [TERMS.index(A), TERMS.index(B)]
REST = [i for i in range(9) if i not in COLUMNS]
ADAPTIVE = [
  pytest.param(lambda: uncertainty(), id="uncertainty"),
  pytest.param(lambda: dynamic_average(steps_per_epoch=1), id="dynamic_average"),
  pytest.param(lambda: grad_norm(), id="grad_norm"),
]


def _losses(a, b, norms=None):
  named = lambda pair: {A: jnp.asarray(pair[0]), B: jnp.asarray(pair[1])}  # noqa: E731
  return Losses(named((a, b)), None if norms is None else named(norms))


def test_uncertainty_by_hand():
  weights, state = follow(uncertainty(optax.sgd(0.1)), [_losses(2.0, 0.25), _losses(1.0, 0.25), _losses(1.0, 1.0)])
  # s = 0: weights exp(0) = 1. Gradients 1/2 - 1 x 2 = -1.5 and 1/2 - 1 x 0.25 = 0.25.
  # s = 0.15 and -0.025: weights exp(-0.15) = 0.8607080 and exp(0.025) = 1.0253151.
  #   Gradients 0.5 - 0.8607080 = -0.3607080 and 0.5 - 1.0253151 x 0.25 = 0.2436712.
  # s = 0.1860708 and -0.0493671: weights 0.8302146 and 1.0506060.
  expected = [[1.0, 1.0], [0.8607080, 1.0253151], [0.8302146, 1.0506060]]
  np.testing.assert_allclose(weights[:, COLUMNS], expected, rtol=1e-6)
  np.testing.assert_array_equal(weights[:, REST], 1.0)
  assert state.log_variances.shape == (9,)


def test_uncertainty_converges_to_a_weighted_loss_of_one_half():
  weights, _ = follow(uncertainty(optax.sgd(0.5)), [_losses(2.0, 0.1)] * 60)
  np.testing.assert_allclose(weights[-1, COLUMNS], [0.25, 5.0], rtol=1e-4)


def test_dynamic_average_by_hand():
  losses = [_losses(4.0, 1.0), _losses(2.0, 1.0), _losses(2.0, 1.0), _losses(1.0, 0.8), _losses(9.0, 9.0)]
  weights, _ = follow(dynamic_average(steps_per_epoch=2), losses)
  # Means of the first epoch 3 and 1, of the second 1.5 and 0.9: ratios 0.5 and 0.9, halved by the temperature.
  # exp(0.25) = 1.2840254, exp(0.45) = 1.5683122: twice their fractions of 2.8523376 are 0.9003320 and 1.0996680.
  np.testing.assert_array_equal(weights[:4, COLUMNS], 1.0)
  np.testing.assert_allclose(weights[4, COLUMNS], [0.9003320, 1.0996680], rtol=1e-6)
  np.testing.assert_array_equal(weights[:, REST], 1.0)


def test_grad_norm_by_hand():
  norms = (3.0, 1.0)
  losses = [_losses(2.0, 0.5, norms), _losses(0.8, 0.8, norms), _losses(1.0, 1.0, norms)]
  weights, _ = follow(grad_norm(alpha=1.5, optimizer=optax.sgd(0.1)), losses)
  # First step: both losses are their first ones, so the target of both is the mean norm, 2. 3 is above: gradient +3; 1
  # is below: gradient -1. 1 - 0.3 = 0.7 and 1 + 0.1 = 1.1; times 2 / 1.8: 0.7777778 and 1.2222222. Second: losses over
  # their first ones 0.4 and 1.6, mean 1; to the power of 1.5, 0.2529822 and 2.0238577. Weighted norms   2.3333333 and
  # 1.2222222, mean 1.7777778: targets 0.4497461 and 3.5979693. Above and below: 0.4777778 and 1.3222222; times   2 /
  # 1.8: 0.5308642 and 1.4691358.
  expected = [[1.0, 1.0], [0.7777778, 1.2222222], [0.5308642, 1.4691358]]
  np.testing.assert_allclose(weights[:, COLUMNS], expected, rtol=1e-6)
  np.testing.assert_array_equal(weights[:, REST], 1.0)


def test_grad_norm_favors_slower_terms_by_the_power_of_1_5():
  norms = (3.0, 1.0)
  losses = [_losses(2.0, 0.5, norms), _losses(2.8, 0.3, norms), _losses(1.0, 1.0, norms)]
  weights, _ = follow(grad_norm(optimizer=optax.sgd(0.1)), losses)
  # As above up to the second step, where losses over their first ones are 1.4 and 0.6, mean 1; to the power of 1.5,
  #   1.6565024 and 0.4647580. Targets 2.9448931 and 0.8262364: the first norm is below its target (with the root, it
  #   would be above), the second above. 1.0777778 and 1.1222222; times 2 / 2.2: 0.9797980 and 1.0202020.
  np.testing.assert_allclose(weights[2, COLUMNS], [0.9797980, 1.0202020], rtol=1e-6)


def test_grad_norm_moves_by_its_learning_rate():
  weights, _ = follow(grad_norm(), [_losses(2.0, 0.5, (3.0, 1.0))] * 2)
  # Adam's first step has the size of its learning rate, whatever the gradient.
  np.testing.assert_allclose(weights[1, COLUMNS], [0.975, 1.025], rtol=1e-5)


def test_grad_norm_equalizes_norms_of_losses_that_fall_equally():
  weights, _ = follow(grad_norm(optimizer=optax.sgd(0.01)), [_losses(1.0, 1.0, (3.0, 1.0))] * 100)
  np.testing.assert_allclose(weights[-1, COLUMNS], [0.5, 1.5], atol=0.05)  # 3 w = 2 - w, within a step of the descent


@pytest.mark.parametrize("make", [uncertainty, grad_norm])
def test_the_weight_of_an_uncounted_term_stays_unchanged(make):
  """It stays even if the optimizer has momentum from earlier steps, and moves again when the term is counted."""
  nan = float("nan")
  seen, unseen = _losses(2.0, 0.8, (3.0, 1.0)), _losses(1.5, nan, (3.0, nan))
  weights, _ = follow(make(), [seen, seen, unseen, unseen, unseen, seen, seen])
  assert np.isfinite(weights).all()
  np.testing.assert_array_equal(weights[:, REST], 1.0)
  moved = weights[1:] != weights[:-1]
  np.testing.assert_array_equal(moved[:, COLUMNS[1]], [True, True, False, False, False, True])


def test_dynamic_average_takes_an_unknown_ratio_as_1():
  weights, _ = follow(dynamic_average(steps_per_epoch=1), [_losses(2.0, float("nan")), _losses(1.0, 1.0)] * 2)
  # Ratios after the second step: 1 / 2 and unknown. exp(0.25) = 1.2840254, exp(0.5) = 1.6487213, sum 2.9327467.
  np.testing.assert_allclose(weights[2, COLUMNS], [0.8756470, 1.1243530], rtol=1e-6)
  assert np.isfinite(weights).all()


@pytest.mark.parametrize("make", ADAPTIVE)
def test_a_step_without_counted_terms_has_no_lasting_effect(make):
  nan = float("nan")
  weights, _ = follow(make(), [_losses(nan, nan, (nan, nan))] * 3 + [_losses(2.0, 0.5, (3.0, 1.0))] * 3)
  np.testing.assert_array_equal(weights[:3], 1.0)
  assert np.isfinite(weights).all()


@pytest.mark.parametrize("make", ADAPTIVE)
def test_members_of_a_vmap_equal_each_alone(make):
  function = make()
  rng = np.random.default_rng(0)
  values = rng.uniform(0.1, 2.0, (2, 3, 5, 9)).astype(np.float32)  # means and norms, members, steps, terms

  def losses(values):
    return Losses(*(dict(zip(TERMS, jnp.moveaxis(part, -1, 0), strict=True)) for part in values))

  def run(values):
    def step(carry, step_losses):
      index, state = carry
      weights, state = function.update(index, state, step_losses)
      return (index + 1, state), as_array(weights)

    return jax.lax.scan(step, (jnp.zeros((), jnp.int32), function.init()), losses(values))[1]

  together = jax.jit(jax.vmap(run, in_axes=1))(values)
  for member in range(3):
    alone, _ = follow(function, [losses(values[:, member, step]) for step in range(5)])
    np.testing.assert_allclose(together[member], alone, rtol=1e-5)
  assert together.std() > 0.001
