"""The nine binary cross-entropies of Eq. 2, as sums and counts.

Axes: B blocks, N images, E events.
"""

from collections.abc import Mapping

from flax import struct
import jax.numpy as jnp
import optax

from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float, Int, Number
from attavvad_jax.timeline import EVENTS, VOCAL_EVENTS

# In the order of Eq. 2's lambda_1 to lambda_9.
AUDIO_TERMS = tuple(f"audio_{event}" for event in EVENTS)
VISUAL_TERMS = ("visual_vocalizing",)
AUDIO_VISUAL_TERMS = tuple(f"audio_visual_{event}" for event in EVENTS)
TERMS = AUDIO_TERMS + VISUAL_TERMS + AUDIO_VISUAL_TERMS


@struct.dataclass
class Terms:
  """Named losses before division; terms of several batches add up: `jax.tree.map(jnp.add, terms, more)`.

  Attributes:
    sums: of each term over the blocks that count, float32 [].
    counts: blocks that count for each term, float32 [].
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
  """The terms of Eq. 2 for a batch, computed from logits in float32.

  Args:
    outputs: of a model; a branch that it lacks gives no terms.
    labels: [B] int, index of the event in `EVENTS`.
    image_mask: [B,N] bool; the visual term counts blocks with at least one image.
    block_mask: [B] bool, False for padding, which counts nowhere.
    audio_labels: [B] int, what the audio branch is to tell; `labels` where None (Section 2.1).
    visual_labels: [B] int; the visual branch is to tell whether they are speech or singing (Section 2.2); `labels`
      where None.
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
  vocalizing = one_hot(visual_labels)[:, [EVENTS.index(event) for event in VOCAL_EVENTS]].any(axis=1, keepdims=True)
  visual_logit = None if outputs.visual_logit is None else outputs.visual_logit[:, None]
  add(AUDIO_TERMS, outputs.audio_logits, one_hot(audio_labels), block_mask)
  add(VISUAL_TERMS, visual_logit, vocalizing, block_mask & image_mask.any(axis=1))
  add(AUDIO_VISUAL_TERMS, outputs.audio_visual_logits, one_hot(labels), block_mask)
  return Terms(sums, counts)


def mean_terms(terms: Terms) -> dict[str, Float[Array, ""]]:
  """Each term's mean over the blocks that counted; NaN where none did."""
  return {name: total / terms.counts[name] for name, total in terms.sums.items()}


def total_loss(terms: Terms, weights: Mapping[str, Number]) -> Float[Array, ""]:
  """Eq. 2: the weighted sum of the terms' means. Float32 [].

  A term that no block counted for adds nothing, and a weight of 0 takes away its term's gradient exactly.

  Raises:
    ValueError: a term has no weight.
  """
  if missing := [name for name in terms.sums if name not in weights]:
    raise ValueError(f"no loss weight for {', '.join(missing)}; given are {', '.join(weights) or 'none'}")
  # The sum is 0 where the count is: divided by 1 it neither adds nor makes a NaN of the gradient.
  means = {name: total / jnp.maximum(terms.counts[name], 1.0) for name, total in terms.sums.items()}
  return jnp.asarray(sum(weights[name] * mean for name, mean in means.items()), jnp.float32)
