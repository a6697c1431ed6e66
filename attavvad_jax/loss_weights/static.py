"""Weights for parts of the loss, each given by a number, a schedule or another weight function."""

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp

from attavvad_jax.loss_weights.base import Losses, LossWeights, Schedule, State, Weights
from attavvad_jax.losses import AUDIO_TERMS, AUDIO_VISUAL_TERMS, TERMS, VISUAL_TERMS
from attavvad_jax.timeline import EVENTS

Value = float | jax.Array | Schedule | LossWeights


def per_group(audio: Value = 1.0, visual: Value = 1.0, audio_visual: Value = 1.0) -> LossWeights:
  """Takes a number, schedule or weight function for each of Table 1's three groups; the default is its row 1/1/1.

  From a weight function, a group takes the weights of its own terms.

  >>> import optax
  >>> weights = per_group(visual=optax.linear_schedule(0.0, 1.0, 1000))
  """
  return _parts([(AUDIO_TERMS, audio), (VISUAL_TERMS, visual), (AUDIO_VISUAL_TERMS, audio_visual)])


def per_event(
  silence: Value = 1.0, speech: Value = 1.0, singing: Value = 1.0, others: Value = 1.0, vocalizing: Value = 1.0
) -> LossWeights:
  """Takes a value, as in `per_group`, for each event in the audio and audio-visual groups, and for the visual term."""
  values = dict(zip(EVENTS, (silence, speech, singing, others), strict=True))
  parts: list[tuple[tuple[str, ...], Value]] = [
    ((f"audio_{event}", f"audio_visual_{event}"), value) for event, value in values.items()
  ]
  return _parts([*parts, (VISUAL_TERMS, vocalizing)])


def per_term(**values: Value) -> LossWeights:
  """Takes a value, as in `per_group`, for each of the nine terms (Eq. 2's lambda_1 to lambda_9); the default is 1.

  Raises:
    ValueError: a name is not in `losses.TERMS`.
  """
  if unknown := [name for name in values if name not in TERMS]:
    raise ValueError(f"unknown loss term {', '.join(unknown)}; expected some of {', '.join(TERMS)}")
  return _parts([((name,), values.get(name, 1.0)) for name in TERMS])


def _parts(parts: Sequence[tuple[tuple[str, ...], Value]]) -> LossWeights:
  """Combines weight functions, each for its own terms, which together are all nine."""
  functions = [(names, _function(value)) for names, value in parts]

  def update(step: jax.Array, state: State, losses: Losses) -> tuple[Weights, State]:
    weights, states = {}, []
    for (names, function), before in zip(functions, state, strict=True):
      given, after = function.update(step, before, losses)
      weights.update({name: given[name] for name in names})
      states.append(after)
    return {name: weights[name] for name in TERMS}, tuple(states)

  return LossWeights(
    init=lambda: tuple(function.init() for _, function in functions),
    update=update,
    uses_gradient_norms=any(function.uses_gradient_norms for _, function in functions),
  )


def _function(value: Value) -> LossWeights:
  if isinstance(value, LossWeights):
    return value
  schedule = value if callable(value) else functools.partial(_constant, value)

  def update(step: jax.Array, state: State, losses: Losses) -> tuple[Weights, State]:
    return dict.fromkeys(TERMS, jnp.asarray(schedule(step), jnp.float32)), state

  return LossWeights(init=lambda: (), update=update)


def _constant(value: float | jax.Array, step: jax.Array) -> float | jax.Array:
  return value
