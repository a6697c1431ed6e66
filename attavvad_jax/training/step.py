"""The training state and the pure step that advances it. Compilation and placement happen outside.

When a step is mapped over devices, each has a part of the batch, and all have the same state before and after it: batch
statistics, losses and gradients are those of the whole batch. The devices exchange one array of statistics forward and
one of their gradients backward for each normalization, one array of losses, and one of gradients.

Axes: B blocks of the device; M microbatches.
"""

from collections.abc import Callable
import functools
from typing import Any

from flax import linen as nn
from flax import struct
import jax
from jax import lax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp
import optax

from attavvad_jax.blocks import HostBatch
from attavvad_jax.checkpoints import leaf_name
from attavvad_jax.features.augmentation import Batch, augment
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.loss_weights import Losses, LossWeights, State, Weights
from attavvad_jax.loss_weights.base import Schedule
from attavvad_jax.loss_weights.schedules import constant
from attavvad_jax.losses import SYNC_TERM, Terms, binary_cross_entropies, mean_terms, total_loss
from attavvad_jax.models.layers import BLOCK_OUTPUT, STATISTICS, Rows, block_keys
from attavvad_jax.settings import Augmentation
from attavvad_jax.timeline import Clock
from attavvad_jax.training.averaging import AverageState

# A batch after augmentation and front end.
Inputs = dict[str, jax.Array]

_NO_AUGMENTATION = Augmentation()
_ONE = constant(1.0)
# The layers of every model in whose parameters GradNorm compares the terms' gradients: the last of a branch, before the
# branch's own output and the fusion.
_SHARED_LAYER = "embedding"


@struct.dataclass
class TrainState:
  """Everything that a step changes.

  Attributes:
    step: number of finished steps, int32 [].
    params: parameters of the network.
    batch_stats: batch statistics of the network.
    optimizer: state of the optimizer.
    loss_weights: state of the weight function.
  """

  step: jax.Array
  params: Any
  batch_stats: Any
  optimizer: optax.OptState
  loss_weights: State

  @property
  def variables(self) -> dict[str, Any]:
    """What validation scores and checkpoints offer: the average of the parameters where one is kept, and statistics."""
    params = self.optimizer.average if isinstance(self.optimizer, AverageState) else self.params
    return {"params": params, "batch_stats": self.batch_stats}


@struct.dataclass
class StepLog:
  """The losses of a step, computed before its update.

  Attributes:
    terms: the nine losses as sums and counts; fewer if the model lacks a branch.
    weights: the weight of each of the nine.
    total: Eq. 2, the minimized loss, float32 [].
  """

  terms: Terms
  weights: Weights
  total: jax.Array


def create_state(
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  loss_weights: LossWeights,
  batch: Batch | HostBatch,
  clock: Clock,
  seed: int,
) -> TrainState:
  """Returns a fresh `TrainState` for batches shaped like `batch`.

  Raises:
    ValueError: the weight function uses gradient norms and the model has no layer called `embedding`.
  """
  shapes = jax.eval_shape(functools.partial(network_inputs, clock=clock), batch)
  # One program draws the parameters without running the network. It runs once, so it is compiled without optimization.
  options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
  initialize = jax.jit(lambda key: model.lazy_init(key, *shapes, train=False), compiler_options=options)
  variables = initialize(jax.random.key(seed))
  params, batch_stats = variables["params"], variables.get("batch_stats", {})
  if loss_weights.uses_gradient_norms and not _shared(params):
    raise ValueError(
      f"config.loss_weights compares gradients in layers called {_SHARED_LAYER!r}, and the model has none; use other "
      "weights"
    )
  return TrainState(jnp.zeros((), jnp.int32), params, batch_stats, optimizer.init(params), loss_weights.init())


def train_step(
  state: TrainState,
  batch: Batch,
  *,
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  loss_weights: LossWeights,
  clock: Clock,
  seed: int | jax.Array,
  sync_weight: Schedule = _ONE,
  augmentation: Augmentation = _NO_AUGMENTATION,
  audio_label: str = "label",
  num_microbatches: int = 1,
  remat: bool = False,
  has_padding: bool = False,
  axis_name: str | None = None,
) -> tuple[TrainState, StepLog]:
  """Makes one step of gradient descent on Eq. 2.

  Args:
    state: the state before the step.
    batch: a batch of `datasets.loader.training_batches`, [B, ...]. On several devices, it may have place int32 [B], the
      index of each block in the whole batch (`placement.shared_out`); without it, blocks are in the devices' order.
    model: a network of the registry, with the same `axis_name`.
    optimizer: an optax transformation.
    loss_weights: the nine weights. Functions that use gradient norms receive those of each term with respect to the
      parameters of the `embedding` layers of both branches, at the cost of a backward pass through the later layers.
    clock: the clock of the blocks.
    seed: seed of dropout and augmentation. It is folded with the step, so that a resumed run draws the same as an
      uninterrupted one, and with a block's index in the whole batch, so that several devices draw the same as one.
    sync_weight: weight of the term of a sync branch, as a function of the step.
    augmentation: changes to the batch.
    audio_label: entry of the batch with the targets of the audio branch, "label" or "audio_label".
    num_microbatches: M, the number of parts, each with every M-th block, in which the batch is processed one after
      another. Only the inputs of a part are kept for its backward pass, which recomputes the rest: memory for one part,
      4/3 of the time, and the gradient of the whole batch under any loss weights. Batch statistics are those of a part.
    remat: whether the backward pass keeps only the outputs of convolution blocks and recomputes the rest.
    has_padding: whether block_mask may be false. If not, batch statistics ignore it.
    axis_name: the mapped axis of the devices; None without one.

  Returns:
    The state after the step and the step's log, which are the same on every device.
  """
  dropout_key, augmentation_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), state.step))
  places = _places(batch, axis_name)
  augmented = augment(block_keys(augmentation_key, places), batch, clock, augmentation, places, axis_name)
  # The visual targets are those of the recorded blocks: dropping the audio does not change the mouth.
  inputs = {**augmented, "visual_label": jnp.asarray(batch["label"]), "place": places}

  def part_losses(params: Any, batch_stats: Any, part: Inputs, key: jax.Array) -> tuple[Terms, Any]:
    outputs, updates = model.apply(
      {"params": params, "batch_stats": batch_stats},
      *(part[name] for name in ("log_mel", "images", "image_mask")),
      train=True,
      rows=Rows(part["place"], part["block_mask"] if has_padding else None),
      mutable=["batch_stats"],
      rngs={"dropout": key},
    )
    terms = binary_cross_entropies(
      outputs,
      *(part[name] for name in ("label", "image_mask", "block_mask")),
      audio_labels=part[audio_label],
      visual_labels=part["visual_label"],
    )
    return terms, updates.get("batch_stats", {})

  if remat:
    kept = jax.checkpoint_policies.save_only_these_names(BLOCK_OUTPUT, STATISTICS)
    part_losses = jax.checkpoint(part_losses, policy=kept)

  def losses(params: Any) -> tuple[Terms, Any]:
    if num_microbatches == 1:
      return part_losses(params, state.batch_stats, inputs, dropout_key)

    def next_part(batch_stats: Any, part_and_key: tuple[Inputs, jax.Array]) -> tuple[Any, Terms]:
      terms, batch_stats = jax.checkpoint(part_losses)(params, batch_stats, *part_and_key)
      return batch_stats, terms

    keys = jax.random.split(dropout_key, num_microbatches)
    batch_stats, terms = lax.scan(next_part, state.batch_stats, (_parts(inputs, num_microbatches), keys))
    return jax.tree.map(lambda values: values.sum(axis=0), terms), batch_stats

  terms, pull_back, batch_stats = jax.vjp(losses, state.params, has_aux=True)
  terms = _sum_over(terms, axis_name)
  norms = _gradient_norms(terms, pull_back, axis_name) if loss_weights.uses_gradient_norms else None
  weights, weights_state = loss_weights.update(state.step, state.loss_weights, Losses(mean_terms(terms), norms))
  if SYNC_TERM in terms.sums:
    weights = {**weights, SYNC_TERM: jnp.asarray(sync_weight(state.step), jnp.float32)}
  total, terms_gradient = jax.value_and_grad(total_loss)(terms, weights)
  # The sums of the whole batch are sums over devices, so their gradient is also that of each device's sums.
  (gradients,) = pull_back(terms_gradient)
  gradients = _sum_over(gradients, axis_name)
  changes, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
  new_state = TrainState(
    state.step + 1,
    optax.apply_updates(state.params, changes),
    batch_stats,
    optimizer_state,
    weights_state,
  )
  return new_state, StepLog(terms, weights, total)


def _places(batch: Batch, axis_name: str | None) -> jax.Array:
  """Returns the blocks' indices in the whole batch, [B] int32."""
  if "place" in batch:
    return jnp.asarray(batch["place"])
  num_blocks = len(batch["label"])
  first = 0 if axis_name is None else lax.axis_index(axis_name) * num_blocks
  return first + jnp.arange(num_blocks)


def _parts(batch: Inputs, num_parts: int) -> Inputs:
  """Divides a batch into parts of every M-th block, the same on any number of devices, [M, B / M, ...]."""
  return {name: value.reshape(-1, num_parts, *value.shape[1:]).swapaxes(0, 1) for name, value in batch.items()}


def _sum_over(tree: Any, axis_name: str | None) -> Any:
  """Sums float32 arrays over devices in one operation."""
  if axis_name is None:
    return tree
  flat, restore = ravel_pytree(tree)
  return restore(lax.psum(flat, axis_name))


def _gradient_norms(terms: Terms, pull_back: Callable[[Terms], tuple[Any]], axis_name: str | None) -> Weights:
  """Returns the norm of each term's gradient in the shared parameters, float32 []; NaN if no block was counted."""
  names = list(terms.sums)

  def gradients(weights: jax.Array) -> list[jax.Array]:
    # Few of the gradients are used, so XLA leaves out the backward pass through the layers before the shared ones.
    (gradients,) = pull_back(jax.grad(total_loss)(terms, dict(zip(names, weights, strict=True))))
    return _shared(gradients)

  norms = jax.vmap(optax.global_norm)(_sum_over(jax.vmap(gradients)(jnp.eye(len(names))), axis_name))
  return {name: jnp.where(terms.counts[name] > 0, norms[i], jnp.nan) for i, name in enumerate(names)}


def _shared(params: Any) -> list[jax.Array]:
  leaves, _ = jax.tree_util.tree_flatten_with_path(params)
  return [leaf for path, leaf in leaves if _SHARED_LAYER in leaf_name(path).split("/")]
