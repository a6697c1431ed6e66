from following import NO_LOSSES, as_array, at, follow
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.loss_weights import (
  Losses,
  after,
  choose,
  clip,
  grad_norm,
  join,
  linear,
  normalize,
  per_group,
  scale,
  uncertainty,
)
from attavvad_jax.losses import TERMS

TWOS = Losses({name: jnp.asarray(2.0) for name in TERMS})
HALVES = Losses({name: jnp.asarray(0.5) for name in TERMS})


def test_joined_functions_count_steps_from_their_own_start():
  rising = per_group(visual=linear(0.0, 1.0, 4))
  joined = join([per_group(visual=5.0), rising, rising], [2, 5])
  visual = [at(joined, step)[4] for step in range(8)]
  np.testing.assert_allclose(visual, [5, 5, 0, 0.25, 0.5, 0, 0.25, 0.5], rtol=1e-6)


def test_a_joined_function_remembers_only_its_own_steps():
  learned = uncertainty(optax.sgd(0.1))
  joined, _ = follow(join([per_group(), learned, per_group()], [2, 4]), [TWOS, TWOS, HALVES, HALVES, TWOS])
  alone, _ = follow(learned, [HALVES, HALVES])
  np.testing.assert_array_equal(joined[2:4], alone)
  np.testing.assert_array_equal(joined[[0, 1, 4]], 1.0)


def test_after_starts_with_ones_or_another_function():
  rising = per_group(visual=linear(0.0, 1.0, 2))
  assert [at(after(2, rising), step)[4] for step in range(5)] == [1, 1, 0, 0.5, 1]
  assert [at(after(2, rising, before=per_group(visual=3.0)), step)[4] for step in range(3)] == [3, 3, 0]


@pytest.mark.parametrize("boundaries", [[], [1, 2], [0], [-1]])
def test_invalid_boundaries_are_refused(boundaries):
  with pytest.raises(ValueError, match=r"join: 2 functions.*expected 1 of them"):
    join([per_group(), per_group()], boundaries)


def test_scale_by_a_number_and_by_a_schedule():
  function = per_group(audio=2.0, visual=1.0, audio_visual=4.0)
  assert at(scale(function, 0.5), 3) == [1.0] * 4 + [0.5] + [2.0] * 4
  assert at(scale(function, linear(0.0, 1.0, 4)), 1) == [0.5] * 4 + [0.25] + [1.0] * 4


def test_clip_bounds_both_sides():
  function = per_group(audio=-1.0, visual=0.5, audio_visual=4.0)
  assert at(clip(function, 0.25, 2.0), 0) == [0.25] * 4 + [0.5] + [2.0] * 4
  assert at(clip(function), 0) == [0.0] * 4 + [0.5] + [4.0] * 4


def test_normalize_keeps_the_sum_of_the_nine():
  weights = at(normalize(per_group(audio=1.0, visual=2.0, audio_visual=3.0)), 0)  # 4 + 2 + 12 = 18
  np.testing.assert_allclose(weights, [0.5] * 4 + [1.0] + [1.5] * 4, rtol=1e-6)
  np.testing.assert_allclose(sum(at(normalize(per_group(visual=0.0), total=1.0), 0)), 1.0, rtol=1e-6)
  assert at(normalize(per_group(0.0, 0.0, 0.0)), 0) == [0.0] * 9


def test_the_need_for_gradient_norms_passes_through_all_combinators():
  for make in (lambda f: join([per_group(), f], [3]), lambda f: normalize(clip(scale(f, 2.0))), lambda f: after(3, f)):
    assert make(grad_norm()).uses_gradient_norms
    assert not make(uncertainty()).uses_gradient_norms
  assert per_group(visual=grad_norm()).uses_gradient_norms
  assert choose([per_group(), grad_norm()], 0).uses_gradient_norms


def test_members_of_a_vmap_can_choose_different_functions():
  functions = [per_group(audio=0.5), uncertainty(optax.sgd(0.1)), per_group(visual=linear(0.0, 1.0, 2))]

  def run(index):
    function = choose(functions, index)
    state, rows = function.init(), []
    for step in range(3):
      weights, state = function.update(jnp.asarray(step), state, TWOS)
      rows.append(as_array(weights))
    return jnp.stack(rows)

  together = jax.jit(jax.vmap(run))(jnp.arange(3))
  for index, function in enumerate(functions):
    alone, _ = follow(function, [TWOS] * 3)
    np.testing.assert_allclose(together[index], alone, rtol=1e-6)


def test_combinators_are_differentiable_with_respect_to_their_numbers():
  def weighted(factor, visual):
    function = normalize(scale(per_group(visual=visual), factor), total=1.0)
    weights, _ = function.update(jnp.asarray(0), function.init(), NO_LOSSES)
    return weights["visual_vocalizing"]

  # The weight is visual / (8 + visual) for any factor; its derivative is 8 / (8 + visual)^2.
  np.testing.assert_allclose(jax.grad(weighted, argnums=(0, 1))(3.0, 2.0), (0.0, 0.08), atol=1e-7)
