import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attavvad_jax.loss_weights import constant, cosine, cyclic, exponential, linear, piecewise, warm_up


@pytest.mark.parametrize(
  ("schedule", "expected"),
  [
    # At steps 0, 1, 2, 3, 4, 6.
    (constant(0.5), [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
    (linear(0.0, 1.0, 4), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]),
    (linear(1.0, 0.5, 2), [1.0, 0.75, 0.5, 0.5, 0.5, 0.5]),
    # (1 - cos(pi t / 4)) / 2, times 2.
    (cosine(0.0, 2.0, 4), [0.0, 1 - np.sqrt(0.5), 1.0, 1 + np.sqrt(0.5), 2.0, 2.0]),
    (exponential(1.0, 0.01, 4), [1.0, np.sqrt(0.1), 0.1, 0.1**1.5, 0.01, 0.01]),
    (piecewise({0: 1.0, 2: 0.5, 4: 0.0}), [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]),
    (warm_up(2.0, 4), [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]),
    (cyclic(1.0, 3.0, 4), [1.0, 2.0, 3.0, 2.0, 1.0, 3.0]),
  ],
)
def test_values_by_hand(schedule, expected):
  steps = jnp.array([0, 1, 2, 3, 4, 6])
  values = jax.jit(jax.vmap(lambda step: jnp.asarray(schedule(step), jnp.float32)))(steps)
  np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize("kind", [linear, cosine, exponential])
def test_schedules_are_differentiable_with_respect_to_both_ends(kind):
  """Half-way, the value is the mean of both ends, or sqrt(start end) for the exponential schedule."""
  gradient = jax.grad(lambda start, end: kind(start, end, 10)(jnp.asarray(5)), argnums=(0, 1))(1.0, 4.0)
  np.testing.assert_allclose(gradient, (1.0, 0.25) if kind is exponential else (0.5, 0.5), rtol=1e-6)


@pytest.mark.parametrize("make", [lambda: linear(0, 1, 0), lambda: warm_up(1, -3), lambda: cyclic(0, 1, 0)])
def test_a_schedule_over_no_steps_is_refused(make):
  with pytest.raises(ValueError, match=r"schedule over (0|-3) steps; expected at least 1"):
    make()


@pytest.mark.parametrize(
  ("start", "end", "message"),
  [
    (0.0, 1.0, r"start is 0\.0.*above 0"),
    (1.0, 0, "end is 0;.*above 0"),
    (-1.0, -0.5, r"start is -1\.0"),
    (1.0, float("nan"), "end is nan"),
  ],
)
def test_exponential_schedules_from_or_to_0_are_refused(start, end, message):
  with pytest.raises(ValueError, match=message):
    exponential(start, end, 10)


@pytest.mark.parametrize("values", [{}, {10: 1.0}, {0: 1.0, 20: 0.5, 10: 2.0}])
def test_pieces_out_of_order_are_refused(values):
  with pytest.raises(ValueError, match=r"piecewise.*0 first"):
    piecewise(values)
