"""The training state and the pure step that advances it. Compilation and placement happen outside.

Axes: B blocks.
"""

from collections.abc import Callable, Mapping
import functools
from typing import Any

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from attavvad_jax.checkpoints import leaf_name
from attavvad_jax.clock import Clock
from attavvad_jax.features.augmentation import Augmentation, augment
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.loss_weights import Losses, LossWeights, State, Weights
from attavvad_jax.losses import Terms, binary_cross_entropies, mean_terms, total_loss

Batch = Mapping[str, jax.Array | np.ndarray]

_NO_AUGMENTATION = Augmentation()
# The layers, of every model, by whose parameters GradNorm compares the terms' gradients: the last of a branch, after
# which come the branch's own output and the fusion.
_SHARED_LAYER = "embedding"


@struct.dataclass
class TrainState:
  """All that a step changes.

  Attributes:
    step: finished steps, int32 [].
    params: of the network.
    batch_stats: of the network.
    optimiser: state of the optimiser.
    loss_weights: state of the weight function.
  """

  step: jax.Array
  params: Any
  batch_stats: Any
  optimiser: optax.OptState
  loss_weights: State

  @property
  def variables(self) -> dict[str, Any]:
    return {"params": self.params, "batch_stats": self.batch_stats}


@struct.dataclass
class StepLog:
  """What a step found before it changed anything.

  Attributes:
    terms: the nine losses, fewer where the model lacks a branch, as sums and counts.
    weights: the weight of each of the nine.
    total: Eq. 2, what the step descended on, float32 [].
  """

  terms: Terms
  weights: Weights
  total: jax.Array


def create_state(
  model: nn.Module,
  optimiser: optax.GradientTransformation,
  loss_weights: LossWeights,
  batch: Batch,
  clock: Clock,
  seed: int,
) -> TrainState:
  """A fresh `TrainState` for batches shaped like `batch`.

  Raises:
    ValueError: the weight function uses gradient norms and the model has no layer called `embedding`.
  """
  shapes = jax.eval_shape(functools.partial(network_inputs, clock=clock), batch)
  # Draws the parameters without running the network, as one program: run once, so compiled without optimisation.
  options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
  initialise = jax.jit(lambda key: model.lazy_init(key, *shapes, train=False), compiler_options=options)
  variables = initialise(jax.random.key(seed))
  params, batch_stats = variables["params"], variables.get("batch_stats", {})
  if loss_weights.uses_gradient_norms and not _shared(params):
    raise ValueError(
      f"config.loss_weights compares gradients by layers called {_SHARED_LAYER!r}, and the model has none; use other "
      "weights"
    )
  return TrainState(jnp.zeros((), jnp.int32), params, batch_stats, optimiser.init(params), loss_weights.init())


def train_step(
  state: TrainState,
  batch: Batch,
  *,
  model: nn.Module,
  optimiser: optax.GradientTransformation,
  loss_weights: LossWeights,
  clock: Clock,
  seed: int | jax.Array,
  augmentation: Augmentation = _NO_AUGMENTATION,
  audio_label: str = "label",
) -> tuple[TrainState, StepLog]:
  """One step of gradient descent on Eq. 2.

  Args:
    state: the state before.
    batch: as `datasets.loader.training_batches` gives it, [B, ...].
    model: a network of the registry.
    optimiser: an optax transformation.
    loss_weights: the nine weights. Functions that use gradient norms are given those of each term by the parameters of
      the layers called `embedding` of both branches, at the price of a backward pass through what lies after them.
    clock: the clock of the blocks.
    seed: of dropout and augmentation; folded with the step, so that a resumed run draws what an uninterrupted one
      would.
    augmentation: what is changed in the batch.
    audio_label: the entry of the batch that the audio branch learns, "label" or "audio_label".

  Returns:
    The state after, and what the step found.
  """
  dropout_key, augmentation_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), state.step))
  augmented = augment(augmentation_key, batch, clock, augmentation)

  def losses(params):
    outputs, updates = model.apply(
      {"params": params, "batch_stats": state.batch_stats},
      *(augmented[name] for name in ("log_mel", "images", "image_mask")),
      train=True,
      mutable=["batch_stats"],
      rngs={"dropout": dropout_key},
    )
    terms = binary_cross_entropies(
      outputs,
      *(augmented[name] for name in ("label", "image_mask", "block_mask")),
      audio_labels=augmented[audio_label],
      # Of the blocks as recorded: taking the sound away closes no mouth.
      visual_labels=jnp.asarray(batch["label"]),
    )
    return terms, updates

  terms, pull_back, updates = jax.vjp(losses, state.params, has_aux=True)
  norms = _gradient_norms(terms, pull_back) if loss_weights.uses_gradient_norms else None
  weights, weights_state = loss_weights.update(state.step, state.loss_weights, Losses(mean_terms(terms), norms))
  total, terms_gradient = jax.value_and_grad(total_loss)(terms, weights)
  (gradients,) = pull_back(terms_gradient)
  changes, optimiser_state = optimiser.update(gradients, state.optimiser, state.params)
  new_state = TrainState(
    state.step + 1,
    optax.apply_updates(state.params, changes),
    updates.get("batch_stats", {}),
    optimiser_state,
    weights_state,
  )
  return new_state, StepLog(terms, weights, total)


def _gradient_norms(terms: Terms, pull_back: Callable[[Terms], tuple[Any]]) -> Weights:
  """Of each term's gradient by the shared parameters; NaN where no block counted. Float32 []."""
  names = list(terms.sums)

  def norm(weights: jax.Array) -> jax.Array:
    # All the parameters' gradients are asked for and few are used: XLA leaves out what lies before the shared ones.
    (gradients,) = pull_back(jax.grad(total_loss)(terms, dict(zip(names, weights, strict=True))))
    return optax.global_norm(_shared(gradients))

  norms = jax.vmap(norm)(jnp.eye(len(names)))
  return {name: jnp.where(terms.counts[name] > 0, norms[i], jnp.nan) for i, name in enumerate(names)}


def _shared(params: Any) -> list[jax.Array]:
  leaves, _ = jax.tree_util.tree_flatten_with_path(params)
  return [leaf for path, leaf in leaves if _SHARED_LAYER in leaf_name(path).split("/")]
