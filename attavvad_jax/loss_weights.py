"""The nine weights lambda of Eq. 2 as functions of the training step."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from attavvad_jax.losses import AUDIO_TERMS, AUDIO_VISUAL_TERMS, TERMS, VISUAL_TERMS

# Any function of the step: optax's schedules, for instance.
Schedule = Callable[[jax.Array], jax.Array]
# From the step to the weight of every term of the loss.
LossWeights = Callable[[jax.Array], dict[str, jax.Array]]


def per_group(
  audio: float | Schedule = 1.0, visual: float | Schedule = 1.0, audio_visual: float | Schedule = 1.0
) -> LossWeights:
  """One weight, a number or a schedule, for each of the three groups of Table 1; the default is its row 1/1/1.

  >>> weights = per_group(visual=optax.linear_schedule(0.0, 1.0, 1000))
  """
  groups = [(AUDIO_TERMS, audio), (VISUAL_TERMS, visual), (AUDIO_VISUAL_TERMS, audio_visual)]
  schedules = {name: _schedule(value) for names, value in groups for name in names}

  def weights(step: jax.Array) -> dict[str, jax.Array]:
    return {name: jnp.asarray(schedules[name](step), jnp.float32) for name in TERMS}

  return weights


def _schedule(value: float | Schedule) -> Schedule:
  return value if callable(value) else lambda step: jnp.asarray(value, jnp.float32)
