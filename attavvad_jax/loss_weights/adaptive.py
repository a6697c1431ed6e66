"""Weights that follow the losses. Each remembers what it has seen in arrays, which checkpoints keep.

A term that the model lacks has the weight 1 and is left out of all sums; one that no block of a batch counted for is
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
  """s = log sigma^2 [K] and the state of its optimizer."""

  log_variances: jax.Array
  optimizer: optax.OptState


def uncertainty(optimizer: optax.GradientTransformation | None = None) -> LossWeights:
  """Homoscedastic uncertainty (Kendall et al. 2018): weights 1 / sigma^2, with sigma of each term learned.

  Minimizes the sum of loss / sigma^2 + log sigma, the authors' form for cross-entropies, over s = log sigma^2, as they
  advise: the weight is exp(-s), and the derivative by s is 1/2 - exp(-s) loss. Where it settles, the weight is
  1 / (2 loss). The log sigma, of which no parameter of the network has a gradient, are no part of the logged total.

  Args:
    optimizer: of s; Adam with a rate of 1e-3 where None, as the network's is by default.

  Differences: s has an optimizer of its own, where the authors learn it with the network's.
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
    # An optimizer with momentum would move a term also where it has no gradient.
    log_variances = state.log_variances + jnp.where(counted, changes, 0.0)
    return _named(weights), UncertaintyState(log_variances, optimizer_state)

  return LossWeights(init, update)


@struct.dataclass
class AverageState:
  """Sums and counts of the running epoch, and the means of the two before it, NaN before there are any; all [K]."""

  sums: jax.Array
  counts: jax.Array
  last: jax.Array
  before_last: jax.Array


def dynamic_average(steps_per_epoch: int = 200, temperature: float = 2.0) -> LossWeights:
  """Dynamic weight average (Liu et al. 2019): more weight for what falls more slowly.

  Of the K terms that the model has, each has the weight K softmax(r / temperature), where r is a term's mean loss over
  an epoch divided by that of the epoch before. For the first two epochs all weights are 1, and r is 1 for a term that
  was not counted in both.

  Args:
    steps_per_epoch: over which losses are averaged; it need not be a pass over the data.
    temperature: the larger, the more alike the weights.
  """

  def init() -> AverageState:
    unknown = jnp.full(len(TERMS), jnp.nan, jnp.float32)
    return AverageState(jnp.zeros(len(TERMS)), jnp.zeros(len(TERMS)), unknown, unknown)

  def update(step: jax.Array, state: AverageState, losses: Losses) -> tuple[Weights, AverageState]:
    present = jnp.array([name in losses.means for name in TERMS])
    ratios = state.last / state.before_last
    ratios = jnp.where(jnp.isfinite(ratios), ratios, 1.0)
    shares = jax.nn.softmax(ratios / temperature, where=present)
    weights = jnp.where(present, present.sum() * shares, 1.0)

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
  """The weights [K], each term's first loss [K] (NaN before it), and the state of the weights' optimizer."""

  weights: jax.Array
  first: jax.Array
  optimizer: optax.OptState


def grad_norm(alpha: float = 1.5, optimizer: optax.GradientTransformation | None = None) -> LossWeights:
  """GradNorm (Chen et al. 2018, Algorithm 1): gradients of like size, larger for what is behind in training.

  With G the norm of each weighted term's gradient by the shared parameters and r its loss over its first loss, divided
  by the mean of that over the terms, the weights descend on the sum of |G - mean(G) r^alpha|, the second part held
  constant; then those of the terms that were counted are scaled to keep their sum.

  The shared parameters are those of the layers called `embedding` of both branches (`training.step.train_step`).

  Args:
    alpha: how strongly what is behind is favored; 0 asks for equal norms.
    optimizer: of the weights; Adam with a rate of 0.025 where None.

  Differences: there are two layers before which terms part, one a branch, where the authors have one; their gradients
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


# Below any loss or weight that matters: divides where a term is exactly 0.
_TINY = 1e-12


def _vector(values: Mapping[str, jax.Array]) -> jax.Array:
  """[K] float32, NaN for what is absent."""
  return jnp.stack([jnp.asarray(values.get(name, jnp.nan), jnp.float32) for name in TERMS])


def _named(values: jax.Array) -> Weights:
  return dict(zip(TERMS, values, strict=True))
