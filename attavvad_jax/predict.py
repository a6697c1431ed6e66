"""Block scores of a network: one pure function, used by validation, evaluation and detection.

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
# Blocks scored at once: enough to keep two cores busy, few enough that a short clip wastes no time on padding.
BATCH_SIZE = 32


@struct.dataclass
class BlockScores:
  """Probabilities of each block: independent sigmoids. A score that a model does not give is None.

  Attributes:
    audio: [B,E], of the audio branch.
    visual: [B], that the performer vocalizes.
    audio_visual: [B,E], after fusion.
    attention: [B,E], Eq. 1.
  """

  audio: Array | None
  visual: Array | None
  audio_visual: Array | None
  attention: Array | None

  @property
  def decision(self) -> Array:
    """The scores that decide, [B,E]: fused where the model fuses, else of the audio branch."""
    decision = self.audio if self.audio_visual is None else self.audio_visual
    assert decision is not None
    return decision


PredictBatch = Callable[[Mapping[str, Array]], BlockScores]


def predict(variables: Any, batch: Mapping[str, Array], *, model: nn.Module, clock: Clock) -> BlockScores:
  """Scores of a batch of blocks; pure, to be jitted by the caller."""
  outputs = model.apply(variables, *network_inputs(batch, clock), train=False)
  assert isinstance(outputs, Outputs)
  return block_scores(outputs)


def block_scores(outputs: Outputs) -> BlockScores:
  """What a model returned, as probabilities."""
  return BlockScores(
    _probability(outputs.audio_logits),
    _probability(outputs.visual_logit),
    _probability(outputs.audio_visual_logits),
    outputs.attention,
  )


def _probability(logits: jax.Array | None) -> jax.Array | None:
  return None if logits is None else jax.nn.sigmoid(logits)


def score_batches(predict_batch: PredictBatch, batches: Iterable[Mapping[str, np.ndarray]]) -> BlockScores:
  """Scores of all the blocks of some batches, in their order, as numpy; padding is left out."""
  parts = []
  for batch in batches:
    inputs = {key: batch[key] for key in ("waveform", "images", "image_mask")}
    parts.append(take(predict_batch(inputs), np.asarray(batch["block_mask"])))
  if not parts:
    raise ValueError("there are no blocks to score")
  scores: BlockScores = jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)
  return scores


def take(scores: BlockScores, blocks: slice | np.ndarray) -> BlockScores:
  """Some of the blocks, as numpy: a slice, or a mask over them."""
  taken: BlockScores = jax.tree.map(lambda array: np.asarray(array)[blocks], scores)
  return taken
