"""Schedules: numbers as functions of the step, between any two values, including 0.

Any other function of the step works as well. These are optax's schedules where it has them, with uniform
arguments.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from attavvad_jax.loss_weights.base import Schedule


def constant(value: float) -> Schedule:
  """Stays at `value`."""
  schedule: Schedule = optax.constant_schedule(value)
  return schedule


def linear(start: float, end: float, steps: int) -> Schedule:
  """Moves linearly from `start` to `end`, then stays at `end`."""
  schedule: Schedule = optax.linear_schedule(start, end, _positive(steps))
  return schedule


def cosine(start: float, end: float, steps: int) -> Schedule:
  """Moves from `start` to `end` along half a cosine wave, slowly at both ends, then stays at `end`."""
  falling = optax.cosine_decay_schedule(1.0, _positive(steps))
  return lambda step: end + (start - end) * falling(step)


def exponential(start: float, end: float, steps: int) -> Schedule:
  """Moves from `start` to `end`, both above 0, by the same factor at every step, then stays at `end`.

  Raises:
    ValueError: `start` or `end` is not above 0; no factor leads from or to 0.
  """
  _positive(steps)
  for name, value in (("start", start), ("end", end)):
    if not isinstance(value, jax.core.Tracer) and not value > 0:
      raise ValueError(
        f"exponential: {name} is {value}; expected a number above 0, since no factor leads from or to 0; use a small "
        "number, or linear or cosine"
      )
  return lambda step: start * (end / start) ** jnp.clip(step / steps, 0.0, 1.0)


def piecewise(values: Mapping[int, float]) -> Schedule:
  """Is constant from each of the given steps to the next: `{0: 1.0, 1000: 0.5}`.

  Raises:
    ValueError: the steps are not in order, or the first is not 0.
  """
  starts = list(values)
  if not starts or starts[0] != 0 or starts != sorted(starts):
    raise ValueError(f"piecewise: steps are {starts}; expected 0 first and then ascending")
  schedule: Schedule = optax.join_schedules([constant(value) for value in values.values()], starts[1:])
  return schedule


def warm_up(value: float, steps: int) -> Schedule:
  """Rises linearly from 0 to `value`, then stays at `value`."""
  schedule: Schedule = optax.warmup_constant_schedule(0.0, value, _positive(steps))
  return schedule


def cyclic(low: float, high: float, period: int) -> Schedule:
  """Moves linearly from `low` to `high` and back every `period` steps (triangular policy, Smith 2017)."""
  _positive(period)

  def schedule(step: jax.Array) -> jax.Array:
    phase = jnp.mod(step, period) / period
    return low + (high - low) * (1 - jnp.abs(2 * phase - 1))

  return schedule


def _positive(steps: int) -> int:
  """Validates that a number of steps is at least 1; optax would stay at the first value forever."""
  if steps < 1:
    raise ValueError(f"a schedule over {steps} steps; expected at least 1")
  return steps
