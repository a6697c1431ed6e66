"""The nine weights lambda of Eq. 2 as functions that compose, in the style of optax.

A `LossWeights` maps (step, state, losses) to the nine weights and the next state, so that static, scheduled and
adaptive weights share one interface:

>>> visual_later = per_group(visual=linear(0.0, 1.0, steps=1000))
>>> learned_at_the_end = after(5000, uncertainty(), before=visual_later)

All are pure and can be jitted and vmapped. Static and scheduled weights are differentiable with respect to their
numbers.
"""

from attavvad_jax.loss_weights.adaptive import dynamic_average, grad_norm, uncertainty
from attavvad_jax.loss_weights.base import Losses, LossWeights, Schedule, State, Weights
from attavvad_jax.loss_weights.combinators import after, choose, clip, join, normalize, scale
from attavvad_jax.loss_weights.names import TABLE_1, from_name
from attavvad_jax.loss_weights.schedules import constant, cosine, cyclic, exponential, linear, piecewise, warm_up
from attavvad_jax.loss_weights.static import per_event, per_group, per_term
from attavvad_jax.moved import moved_name

__all__ = [
  "TABLE_1",
  "LossWeights",
  "Losses",
  "Schedule",
  "State",
  "Weights",
  "after",
  "choose",
  "clip",
  "constant",
  "cosine",
  "cyclic",
  "dynamic_average",
  "exponential",
  "from_name",
  "grad_norm",
  "join",
  "linear",
  "normalize",
  "per_event",
  "per_group",
  "per_term",
  "piecewise",
  "scale",
  "uncertainty",
  "warm_up",
]


def __getattr__(name: str) -> object:
  return moved_name(__name__, name)
