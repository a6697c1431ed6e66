"""Weight functions that are composed of other weight functions."""

from collections.abc import Callable, Sequence
import functools
import itertools

import jax
import jax.numpy as jnp

from attavvad_jax.loss_weights.base import Losses, LossWeights, Schedule, State, Update, Weights
from attavvad_jax.loss_weights.static import per_group


def join(functions: Sequence[LossWeights], boundaries: Sequence[int]) -> LossWeights:
  """Runs one function after another, the i-th from step `boundaries[i - 1]` on, like `optax.join_schedules`.

  Each function counts steps from its own start and sees only the losses between its start and its end.

  Raises:
    ValueError: the boundaries are not above 0 and ascending, or not one fewer than the functions.
  """
  functions, starts = tuple(functions), (0, *boundaries)
  if len(starts) != len(functions) or any(a >= b for a, b in itertools.pairwise(starts)):
    raise ValueError(
      f"join: {len(functions)} functions with boundaries {list(boundaries)}; expected {max(len(functions) - 1, 0)} of "
      "them, above 0 and ascending"
    )

  def update(step: jax.Array, state: State, losses: Losses) -> tuple[Weights, State]:
    results = [
      function.update(jnp.maximum(step - start, 0), before, losses)
      for function, start, before in zip(functions, starts, state, strict=True)
    ]
    current = (step >= jnp.array(starts)).sum() - 1
    states = tuple(
      _where(current == i, after, before) for i, ((_, after), before) in enumerate(zip(results, state, strict=True))
    )
    return _take([weights for weights, _ in results], current), states

  return _combine(functions, update)


def after(steps: int, function: LossWeights, before: LossWeights | None = None) -> LossWeights:
  """Runs `before` for a number of steps, or weights of 1 if it is None; then the function, from its own step 0."""
  return join([per_group() if before is None else before, function], [steps])


def choose(functions: Sequence[LossWeights], index: jax.Array | int) -> LossWeights:
  """Selects one of several functions by an index, which may be traced, as for the members of a vmapped sweep.

  All functions keep their states as if each were the only one; the weights are those of the selected function.
  """
  functions = tuple(functions)

  def update(step: jax.Array, state: State, losses: Losses) -> tuple[Weights, State]:
    results = [function.update(step, before, losses) for function, before in zip(functions, state, strict=True)]
    return _take([weights for weights, _ in results], index), tuple(after for _, after in results)

  return _combine(functions, update)


def scale(function: LossWeights, factor: float | jax.Array | Schedule) -> LossWeights:
  """Multiplies all weights by a number or a schedule."""

  def scaled(step: jax.Array, weights: Weights) -> Weights:
    number = factor(step) if callable(factor) else factor
    return {name: weight * number for name, weight in weights.items()}

  return _map(function, scaled)


def clip(function: LossWeights, low: float = 0.0, high: float = float("inf")) -> LossWeights:
  """Clips all weights to the range from `low` to `high`."""
  return _map(function, lambda step, weights: {name: jnp.clip(weight, low, high) for name, weight in weights.items()})


def normalize(function: LossWeights, total: float = 9.0) -> LossWeights:
  """Scales the nine weights so that they add up to `total`; nine zeros stay zeros.

  The sum includes terms that a model lacks, so that a weight does not depend on the model.
  """

  def normalized(step: jax.Array, weights: Weights) -> Weights:
    given = sum(weights.values(), jnp.zeros(()))
    factor = total / jnp.where(given == 0, 1.0, given)
    return {name: weight * factor for name, weight in weights.items()}

  return _map(function, normalized)


def _map(function: LossWeights, change: Callable[[jax.Array, Weights], Weights]) -> LossWeights:
  def update(step: jax.Array, state: State, losses: Losses) -> tuple[Weights, State]:
    weights, state = function.update(step, state, losses)
    return change(step, weights), state

  return function._replace(update=update)


def _combine(functions: Sequence[LossWeights], update: Update) -> LossWeights:
  return LossWeights(
    init=lambda: tuple(function.init() for function in functions),
    update=update,
    uses_gradient_norms=any(function.uses_gradient_norms for function in functions),
  )


def _take(weights: Sequence[Weights], index: jax.Array | int) -> Weights:
  taken: Weights = jax.tree.map(lambda *values: jnp.stack(values)[index], *weights)
  return taken


def _where(condition: jax.Array, after: State, before: State) -> State:
  return jax.tree.map(functools.partial(jnp.where, condition), after, before)
