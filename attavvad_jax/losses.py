"""The nine binary cross-entropies of Eq. 2, and that of a sync branch, as sums and counts.

Axes: B blocks, N images, E events.
"""

from collections.abc import Mapping

from flax import struct
import jax.numpy as jnp
import numpy as np
import optax

from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float, Int, Number
from attavvad_jax.timeline import EVENTS, VOCAL_EVENTS

# The terms in the order of Eq. 2's lambda_1 to lambda_9.
AUDIO_TERMS = tuple(f"audio_{event}" for event in EVENTS)
VISUAL_TERMS = ("visual_vocalizing",)
AUDIO_VISUAL_TERMS = tuple(f"audio_visual_{event}" for event in EVENTS)
TERMS = AUDIO_TERMS + VISUAL_TERMS + AUDIO_VISUAL_TERMS
# The term of a sync branch, which Eq. 2 lacks: it has a weight of its own.
SYNC_TERM = "sync"

_VOCAL = np.array([EVENTS.index(event) for event in VOCAL_EVENTS])


@struct.dataclass
class Terms:
  """Sum and count of each loss term by name; terms of several batches add up: `jax.tree.map(jnp.add, terms, more)`.

  Attributes:
    sums: sum of each term over the blocks that count for it, float32 [].
    counts: number of blocks that count for each term, float32 [].
  """

  sums: dict[str, Array]
  counts: dict[str, Array]


def binary_cross_entropies(
  outputs: Outputs,
  labels: Int[Array, " B"],
  image_mask: Bool[Array, "B N"],
  block_mask: Bool[Array, " B"],
  *,
  audio_labels: Int[Array, " B"] | None = None,
  visual_labels: Int[Array, " B"] | None = None,
) -> Terms:
  """Computes the terms of Eq. 2 for a batch from logits, in float32; with a sync branch, also its term.

  Where somebody's voice is audible and a face is seen, the sync branch learns whether the voice is the performer's.

  Args:
    outputs: outputs of a model; logits that it lacks give no terms.
    labels: [B] int, index of the event in `EVENTS`.
    image_mask: [B,N] bool; the visual term counts only blocks with at least one image.
    block_mask: [B] bool, False for padding, which no term counts.
    audio_labels: [B] int, targets of the audio branch (Section 2.1); `labels` if None.
    visual_labels: [B] int, events of which the visual branch learns whether they are speech or singing (Section 2.2);
      `labels` if None.
  """
  sums: dict[str, Array] = {}
  counts: dict[str, Array] = {}

  def add(
    names: tuple[str, ...],
    logits: Float[Array, "B E"] | None,
    targets: Bool[Array, "B E"],
    mask: Bool[Array, " B"],
  ) -> None:
    if logits is None:
      return
    losses = optax.sigmoid_binary_cross_entropy(logits.astype(jnp.float32), targets)
    for name, loss in zip(names, jnp.where(mask[:, None], losses, 0.0).sum(axis=0), strict=True):
      sums[name], counts[name] = loss, mask.sum(dtype=jnp.float32)

  def one_hot(labels: Int[Array, " B"]) -> Bool[Array, "B E"]:
    return labels[:, None] == jnp.arange(len(EVENTS))

  audio_labels = labels if audio_labels is None else audio_labels
  visual_labels = labels if visual_labels is None else visual_labels
  vocalizing = one_hot(visual_labels)[:, _VOCAL].any(axis=1, keepdims=True)
  visual_logit = None if outputs.visual_logit is None else outputs.visual_logit[:, None]
  add(AUDIO_TERMS, outputs.audio_logits, one_hot(audio_labels), block_mask)
  add(VISUAL_TERMS, visual_logit, vocalizing, block_mask & image_mask.any(axis=1))
  add(AUDIO_VISUAL_TERMS, outputs.audio_visual_logits, one_hot(labels), block_mask)
  if outputs.sync_logit is not None:
    own, any_voice = (one_hot(values)[:, _VOCAL].any(axis=1) for values in (labels, audio_labels))
    paired = block_mask & image_mask.any(axis=1) & any_voice
    add((SYNC_TERM,), outputs.sync_logit[:, None], own[:, None], paired)
  return Terms(sums, counts)


def mean_terms(terms: Terms) -> dict[str, Float[Array, ""]]:
  """Returns each term's mean over the blocks that count for it; NaN if none does."""
  return {name: total / terms.counts[name] for name, total in terms.sums.items()}


def total_loss(terms: Terms, weights: Mapping[str, Number]) -> Float[Array, ""]:
  """Returns the weighted sum of the terms' means (Eq. 2), float32 [].

  A term for which no block counts adds nothing, and a weight of 0 removes its term's gradient exactly.

  Raises:
    ValueError: a term has no weight.
  """
  if missing := [name for name in terms.sums if name not in weights]:
    raise ValueError(f"no loss weight for {', '.join(missing)}; got weights for {', '.join(weights) or 'none'}")
  # Where the count is 0, so is the sum: dividing it by 1 adds nothing and keeps NaN out of the gradient.
  means = {name: total / jnp.maximum(terms.counts[name], 1.0) for name, total in terms.sums.items()}
  return jnp.asarray(sum(weights[name] * mean for name, mean in means.items()), jnp.float32)
