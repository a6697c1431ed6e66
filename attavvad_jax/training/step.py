"""The training state and the pure step that advances it. Compilation and placement happen outside.

Axes: B blocks.
"""

from collections.abc import Mapping
import functools
from typing import Any

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from attavvad_jax.clock import Clock
from attavvad_jax.features.augmentation import Augmentation, augment
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.loss_weights import LossWeights
from attavvad_jax.losses import Terms, binary_cross_entropies, total_loss

Batch = Mapping[str, jax.Array | np.ndarray]

_NO_AUGMENTATION = Augmentation()


@struct.dataclass
class TrainState:
  """All that a step changes. `step` counts finished steps, int32 []."""

  step: jax.Array
  params: Any
  batch_stats: Any
  optimiser: optax.OptState

  @property
  def variables(self) -> dict[str, Any]:
    return {"params": self.params, "batch_stats": self.batch_stats}


def create_state(
  model: nn.Module, optimiser: optax.GradientTransformation, batch: Batch, clock: Clock, seed: int
) -> TrainState:
  """A fresh `TrainState` for batches shaped like `batch`."""
  shapes = jax.eval_shape(functools.partial(network_inputs, clock=clock), batch)
  # Draws the parameters without running the network, as one program: run once, so compiled without optimisation.
  options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
  initialise = jax.jit(lambda key: model.lazy_init(key, *shapes, train=False), compiler_options=options)
  variables = initialise(jax.random.key(seed))
  params, batch_stats = variables["params"], variables.get("batch_stats", {})
  return TrainState(jnp.zeros((), jnp.int32), params, batch_stats, optimiser.init(params))


def train_step(
  state: TrainState,
  batch: Batch,
  *,
  model: nn.Module,
  optimiser: optax.GradientTransformation,
  loss_weights: LossWeights,
  clock: Clock,
  seed: int,
  augmentation: Augmentation = _NO_AUGMENTATION,
  audio_label: str = "label",
) -> tuple[TrainState, Terms, jax.Array]:
  """One step of gradient descent on Eq. 2.

  Args:
    state: the state before.
    batch: as `datasets.loader.training_batches` gives it, [B, ...].
    model: a network of the registry.
    optimiser: an optax transformation.
    loss_weights: the nine weights as a function of the step.
    clock: the clock of the blocks.
    seed: of dropout and augmentation; folded with the step, so that a resumed run draws what an uninterrupted one
      would.
    augmentation: what is changed in the batch.
    audio_label: the entry of the batch that the audio branch learns, "label" or "audio_label".

  Returns:
    The state after, the nine losses as sums and counts, and the weighted total, float32 [].
  """
  weights = loss_weights(state.step)
  dropout_key, augmentation_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), state.step))
  augmented = augment(augmentation_key, batch, clock, augmentation)

  def loss(params):
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
    return total_loss(terms, weights), (terms, updates)

  (total, (terms, updates)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
  changes, optimiser_state = optimiser.update(gradients, state.optimiser, state.params)
  new_state = TrainState(
    state.step + 1, optax.apply_updates(state.params, changes), updates.get("batch_stats", {}), optimiser_state
  )
  return new_state, terms, total
