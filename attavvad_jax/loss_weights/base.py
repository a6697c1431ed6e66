"""What a weight function is.

Axes: K terms of the loss, in the order of `losses.TERMS`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from flax import struct
import jax

# The weight of every term of the loss, float32 [], by its name in `losses.TERMS`.
Weights = dict[str, jax.Array]
# Arrays that a weight function remembers from step to step; () where it remembers nothing.
State = Any
# A number as a function of the step: optax's schedules, for instance.
Schedule = Callable[[jax.Array], jax.typing.ArrayLike]


@struct.dataclass
class Losses:
  """What an adaptive function sees of a step; no gradient flows through it.

  Attributes:
    means: of each term over the batch, float32 []. A term that the model lacks is absent, one that no block counted for
      is NaN.
    gradient_norms: of each term, before it is weighted, with regard to the shared parameters (see
      `training.step.train_step`); only for functions with `uses_gradient_norms`.
  """

  means: dict[str, jax.Array]
  gradient_norms: dict[str, jax.Array] | None = None


Update = Callable[[jax.Array, State, Losses], tuple[Weights, State]]


class LossWeights(NamedTuple):
  """Nine weights as a function of the step, of what it remembers and of the losses; pure, like an optax transformation.

  Attributes:
    init: gives the state before the first step.
    update: from the step (int32 [], 0 at the first), the state and the step's `Losses`, the weights at this step and
      the state after it.
    uses_gradient_norms: the step computes `Losses.gradient_norms` for it.
  """

  init: Callable[[], State]
  update: Update
  uses_gradient_norms: bool = False
