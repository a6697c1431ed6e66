"""The exponential moving average of parameters, as a wrapper of any optimizer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class AverageState(NamedTuple):
  """The state of an `averaged` optimizer.

  Attributes:
    num_updates: updates so far, int32 [].
    average: average of the parameters after each update, shaped like them; before the first update, the parameters.
    optimizer: state of the wrapped optimizer.
  """

  num_updates: jax.Array
  average: Any
  optimizer: optax.OptState


def averaged(optimizer: optax.GradientTransformation, decay: float) -> optax.GradientTransformation:
  """Wraps an optimizer so that its state also holds an average of the parameters.

  The average is a plain mean over the first 1 / (1 - decay) updates and decays exponentially from then on, so it does
  not depend on the parameters before the first update.

  Args:
    optimizer: the optimizer, whose updates do not change.
    decay: weight of the previous average in the next one, from 0 up to but not including 1; 0 returns the optimizer
      unwrapped.
  """
  if not decay:
    return optimizer

  def init(params: Any) -> AverageState:
    # Copies, as a training step donates its buffers and cannot donate one twice.
    return AverageState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.copy, params), optimizer.init(params))

  def update(gradients: Any, state: AverageState, params: Any = None) -> tuple[Any, AverageState]:
    changes, inner = optimizer.update(gradients, state.optimizer, params)
    num_updates = state.num_updates + 1
    weight = jnp.maximum(1 - decay, 1 / num_updates)
    average = optax.incremental_update(optax.apply_updates(params, changes), state.average, weight)
    return changes, AverageState(num_updates, average, inner)

  return optax.GradientTransformation(init, update)
