"""Weights that adapt to the losses. Their states are arrays, which checkpoints store.

A term that the model lacks has weight 1 and is left out of all sums. A term for which no block of a batch counted is
left out at that step.

Axes: K terms of the loss, in the order of `losses.TERMS`.
"""

from collections.abc import Mapping

from flax import struct
import jax
import jax.numpy as jnp
import optax

from attavvad_jax.loss_weights.base import Losses, LossWeights, Weights
from attavvad_jax.losses import TERMS


@struct.dataclass
class UncertaintyState:
  """State of `uncertainty`: s = log sigma^2 [K], and the state of its optimizer."""

  log_variances: jax.Array
  optimizer: optax.OptState


def uncertainty(optimizer: optax.GradientTransformation | None = None) -> LossWeights:
  """Homoscedastic uncertainty (Kendall et al. 2018): weights 1 / sigma^2 with a learned sigma for each term.

  It minimizes the sum of loss / sigma^2 + log sigma, the authors' form for cross-entropies, over s = log sigma^2, as
  they advise. The weight is exp(-s), and the derivative with respect to s is 1/2 - exp(-s) loss; at the minimum, the
  weight is 1 / (2 loss). The logged total leaves out log sigma, since it has no gradient in the network's parameters.

  Args:
    optimizer: optimizer of s; if None, Adam with a learning rate of 1e-3, like the network's default.

  Differences: s has its own optimizer; the authors learn it with the network's.
  """
  optimizer = optax.adam(1e-3) if optimizer is None else optimizer

  def init() -> UncertaintyState:
    log_variances = jnp.zeros(len(TERMS))
    return UncertaintyState(log_variances, optimizer.init(log_variances))

  def update(step: jax.Array, state: UncertaintyState, losses: Losses) -> tuple[Weights, UncertaintyState]:
    weights, means = jnp.exp(-state.log_variances), _vector(losses.means)
    counted = jnp.isfinite(means)
    gradients = jnp.where(counted, 0.5 - weights * jnp.where(counted, means, 0.0), 0.0)
    changes, optimizer_state = optimizer.update(gradients, state.optimizer, state.log_variances)
    # An optimizer with momentum would also move terms that have no gradient.
    log_variances = state.log_variances + jnp.where(counted, changes, 0.0)
    return _named(weights), UncertaintyState(log_variances, optimizer_state)

  return LossWeights(init, update)


@struct.dataclass
class AverageState:
  """State of `dynamic_average`, all [K].

  Attributes:
    sums: sum of each term's means in the current epoch.
    counts: number of steps in the current epoch that counted each term.
    last: mean of each term in the previous epoch; NaN before there is one.
    before_last: mean of each term in the epoch before that; NaN before there is one.
  """

  sums: jax.Array
  counts: jax.Array
  last: jax.Array
  before_last: jax.Array


def dynamic_average(steps_per_epoch: int = 200, temperature: float = 2.0) -> LossWeights:
  """Dynamic weight average (Liu et al. 2019): terms whose loss falls more slowly get more weight.

  With K the number of terms that the model has, the weights are K softmax(r / temperature), where r is a term's mean
  loss over an epoch divided by that of the previous epoch. In the first two epochs all weights are 1. A term that was
  not counted in both epochs has r = 1.

  Args:
    steps_per_epoch: number of steps over which losses are averaged; it need not be a pass over the data.
    temperature: temperature of the softmax; the larger it is, the more equal the weights.
  """

  def init() -> AverageState:
    unknown = jnp.full(len(TERMS), jnp.nan, jnp.float32)
    return AverageState(jnp.zeros(len(TERMS)), jnp.zeros(len(TERMS)), unknown, unknown)

  def update(step: jax.Array, state: AverageState, losses: Losses) -> tuple[Weights, AverageState]:
    present = jnp.array([name in losses.means for name in TERMS])
    ratios = state.last / state.before_last
    ratios = jnp.where(jnp.isfinite(ratios), ratios, 1.0)
    fractions = jax.nn.softmax(ratios / temperature, where=present)
    weights = jnp.where(present, present.sum() * fractions, 1.0)

    means = _vector(losses.means)
    counted = jnp.isfinite(means)
    sums, counts = state.sums + jnp.where(counted, means, 0.0), state.counts + counted
    ends = (step + 1) % steps_per_epoch == 0
    running = AverageState(sums, counts, state.last, state.before_last)
    ended = AverageState(jnp.zeros_like(sums), jnp.zeros_like(counts), sums / counts, state.last)
    return _named(weights), jax.tree.map(lambda a, b: jnp.where(ends, a, b), ended, running)

  return LossWeights(init, update)


@struct.dataclass
class GradNormState:
  """State of `grad_norm`.

  Attributes:
    weights: weights of the next step, [K].
    first: first loss of each term, [K]; NaN before there is one.
    optimizer: state of the weights' optimizer.
  """

  weights: jax.Array
  first: jax.Array
  optimizer: optax.OptState


def grad_norm(alpha: float = 1.5, optimizer: optax.GradientTransformation | None = None) -> LossWeights:
  """GradNorm (Chen et al. 2018, Algorithm 1): gradients of similar norm, larger for terms that train more slowly.

  Let G be the norm of each weighted term's gradient with respect to the shared parameters, and r the term's loss
  divided by its first loss and by the mean of that ratio over the terms. The weights descend on the sum of |G - mean(G)
  r^alpha|, with the second part held constant. The weights of the counted terms are then scaled to keep their sum.

  The shared parameters are those of the layers named `embedding` of both branches (`training.step.train_step`).

  Args:
    alpha: how strongly slower terms are favored; 0 asks for equal norms.
    optimizer: optimizer of the weights; if None, Adam with a learning rate of 0.025.

  Differences: the terms share two last layers, one in each branch, where the authors have one; the gradients of both
  count as one vector. Weights are kept at 0 or above.
  """
  optimizer = optax.adam(0.025) if optimizer is None else optimizer

  def init() -> GradNormState:
    weights = jnp.ones(len(TERMS))
    return GradNormState(weights, jnp.full(len(TERMS), jnp.nan, jnp.float32), optimizer.init(weights))

  def update(step: jax.Array, state: GradNormState, losses: Losses) -> tuple[Weights, GradNormState]:
    means, norms = _vector(losses.means), _vector(losses.gradient_norms or {})
    counted = jnp.isfinite(means) & jnp.isfinite(norms)
    first = jnp.where(counted & jnp.isnan(state.first), means, state.first)

    def mean(values: jax.Array) -> jax.Array:
      return values.mean(where=counted)

    ratios = jnp.where(counted, means / jnp.maximum(first, _TINY), 1.0)
    weighted = state.weights * jnp.where(counted, norms, 0.0)
    targets = mean(weighted) * (ratios / jnp.maximum(mean(ratios), _TINY)) ** alpha
    gradients = jnp.where(counted, jnp.sign(weighted - targets) * norms, 0.0)
    changes, optimizer_state = optimizer.update(gradients, state.optimizer, state.weights)
    moved = jnp.maximum(state.weights + changes, 0.0)
    kept = jnp.where(counted, state.weights, 0.0).sum() / jnp.maximum(jnp.where(counted, moved, 0.0).sum(), _TINY)
    weights = jnp.where(counted, moved * kept, state.weights)
    return _named(state.weights), GradNormState(weights, first, optimizer_state)

  return LossWeights(init, update, uses_gradient_norms=True)


# Smaller than any loss or weight that matters; keeps divisions finite where a term is exactly 0.
_TINY = 1e-12


def _vector(values: Mapping[str, jax.Array]) -> jax.Array:
  """Stacks values in the order of `TERMS`. [K] float32, NaN for absent terms."""
  return jnp.stack([jnp.asarray(values.get(name, jnp.nan), jnp.float32) for name in TERMS])


def _named(values: jax.Array) -> Weights:
  return dict(zip(TERMS, values, strict=True))
