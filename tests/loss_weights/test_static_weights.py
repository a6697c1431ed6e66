from following import as_list, at, follow
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax.loss_weights import Losses, per_event, per_group, per_term, uncertainty
from attavvad_jax.losses import TERMS


def test_by_default_all_weights_are_1():
  assert at(per_group(), 0) == [1.0] * 9


def test_groups_are_those_of_table_1():
  assert at(per_group(audio=0.5, visual=2.0, audio_visual=3.0), 7) == [0.5] * 4 + [2.0] + [3.0] * 4


def test_an_event_has_the_same_weight_in_the_audio_and_audio_visual_groups():
  weights = at(per_event(silence=0.1, speech=2.0, singing=3.0, others=4.0, vocalizing=5.0), 0)
  np.testing.assert_allclose(weights, [0.1, 2, 3, 4, 5, 0.1, 2, 3, 4], rtol=1e-6)


def test_each_of_the_nine_terms_can_have_its_own_weight():
  values = {name: float(i) for i, name in enumerate(TERMS)}
  assert at(per_term(**values), 0) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
  assert at(per_term(audio_others=0.5), 0) == [1, 1, 1, 0.5, 1, 1, 1, 1, 1]


def test_an_unknown_term_is_refused():
  with pytest.raises(ValueError, match=r"audio_whistling.*audio_silence"):
    per_term(audio_whistling=1.0)


def test_a_schedule_follows_the_step_under_jit():
  function = per_group(visual=optax.linear_schedule(0.0, 1.0, 10))
  update = jax.jit(function.update)
  visual = [as_list(update(jnp.asarray(i), function.init(), Losses({}))[0])[4] for i in (0, 5, 10, 20)]
  np.testing.assert_allclose(visual, [0.0, 0.5, 1.0, 1.0], rtol=1e-6)


def test_a_group_may_have_a_weight_function_of_its_own():
  """The function reads all losses and sets the weights of its own group only."""
  losses = [Losses({name: jnp.asarray(2.0) for name in TERMS})] * 3
  mixed, _ = follow(per_group(audio=uncertainty(optax.sgd(0.1)), visual=0.25), losses)
  alone, _ = follow(uncertainty(optax.sgd(0.1)), losses)
  np.testing.assert_array_equal(mixed[:, :4], alone[:, :4])
  np.testing.assert_array_equal(mixed[:, 4:], [[0.25, 1, 1, 1, 1]] * 3)


def test_weights_are_differentiable_with_respect_to_their_numbers():
  def weighted(audio, end):
    function = per_group(audio=audio, visual=optax.linear_schedule(0.0, end, 10))
    weights, _ = function.update(jnp.asarray(5), function.init(), Losses({}))
    return sum(weights.values())

  # There are four audio terms; the visual weight is half of `end` at step 5.
  assert jax.grad(weighted, argnums=(0, 1))(1.0, 1.0) == (4.0, 0.5)
