"""Block scores of a network, computed by one pure function that validation, evaluation and detection share.

Axes: B blocks, E events.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flax import linen as nn
from flax import struct
import jax
import numpy as np

from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.models import Outputs
from attavvad_jax.timeline import Clock

Array = jax.Array | np.ndarray
# Blocks per batch: enough to keep two cores busy, few enough that a short clip wastes no time on padding.
BATCH_SIZE = 32


@struct.dataclass
class BlockScores:
  """Probabilities of each block, as independent sigmoids. Scores that the model does not compute are None.

  Attributes:
    audio: [B,E], probability of each event from the audio branch.
    visual: [B], probability that the performer vocalizes.
    audio_visual: [B,E], probability of each event after fusion.
    attention: [B,E], attention of Eq. 1.
  """

  audio: Array | None
  visual: Array | None
  audio_visual: Array | None
  attention: Array | None

  @property
  def decision(self) -> Array:
    """The scores that decide, [B,E]: those after fusion, or the audio branch's if the model has no fusion."""
    decision = self.audio if self.audio_visual is None else self.audio_visual
    assert decision is not None
    return decision


PredictBatch = Callable[[Mapping[str, Array]], BlockScores]


def predict(variables: Any, batch: Mapping[str, Array], *, model: nn.Module, clock: Clock) -> BlockScores:
  """Computes the scores of a batch of blocks. Pure; the caller jits it.

  Args:
    variables: parameters and batch statistics of the model.
    batch: entries that `network_inputs` reads.
    model: the network.
    clock: clock of the blocks.
  """
  outputs = model.apply(variables, *network_inputs(batch, clock), train=False)
  assert isinstance(outputs, Outputs)
  return block_scores(outputs)


def block_scores(outputs: Outputs) -> BlockScores:
  """Converts a model's outputs to probabilities."""
  return BlockScores(
    _probability(outputs.audio_logits),
    _probability(outputs.visual_logit),
    _probability(outputs.audio_visual_logits),
    outputs.attention,
  )


def _probability(logits: jax.Array | None) -> jax.Array | None:
  return None if logits is None else jax.nn.sigmoid(logits)


def score_batches(predict_batch: PredictBatch, batches: Iterable[Mapping[str, np.ndarray]]) -> BlockScores:
  """Scores all blocks of some batches, in their order, as numpy arrays without the padding.

  Raises:
    ValueError: there are no batches.
  """
  parts = []
  for batch in batches:
    inputs = {key: batch[key] for key in ("waveform", "images", "image_mask")}
    parts.append(take(predict_batch(inputs), np.asarray(batch["block_mask"])))
  if not parts:
    raise ValueError("no blocks to score; expected at least one batch")
  scores: BlockScores = jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)
  return scores


def take(scores: BlockScores, blocks: slice | np.ndarray) -> BlockScores:
  """Selects the scores of some blocks by a slice or a mask, as numpy arrays."""
  taken: BlockScores = jax.tree.map(lambda array: np.asarray(array)[blocks], scores)
  return taken
