"""The types of weight functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flax import struct
import jax

# The weight of every loss term, float32 [], by its name in `losses.TERMS`.
Weights = dict[str, jax.Array]
# Arrays that a weight function carries from step to step; () if it carries none.
State = Any
# A number as a function of the step, such as optax's schedules.
Schedule = Callable[[jax.Array], jax.typing.ArrayLike]


@struct.dataclass
class Losses:
  """The losses of a step that adaptive functions read; no gradient flows through them.

  Attributes:
    means: mean of each term over the batch, float32 []. A term that the model lacks is absent; a term for which no
      block counted is NaN.
    gradient_norms: norm of each unweighted term's gradient with respect to the shared parameters (see
      `training.step.train_step`), float32 []; only for functions with `uses_gradient_norms`.
  """

  means: dict[str, jax.Array]
  gradient_norms: dict[str, jax.Array] | None = None


Update = Callable[[jax.Array, State, Losses], tuple[Weights, State]]


class LossWeights(NamedTuple):
  """The nine weights as a pure function of step, state and losses, like an optax transformation.

  Attributes:
    init: returns the state before the first step.
    update: takes the step (int32 [], 0 at the first), the state and the step's `Losses`; returns the weights of this
      step and the next state.
    uses_gradient_norms: whether the training step must compute `Losses.gradient_norms`.
  """

  init: Callable[[], State]
  update: Update
  uses_gradient_norms: bool = False
