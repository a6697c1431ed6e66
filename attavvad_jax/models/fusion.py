"""Fusions of the audio branch's event vectors with the vocalization vector, by name.

Each returns, for every event, the vector from which a head decides. For a block without images, nothing of the visual
branch reaches the result.

Axes: B blocks, E events, D embedding.
"""

from collections.abc import Callable
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from attavvad_jax.registry import resolve
from attavvad_jax.shapes import Array, Bool, Float
from attavvad_jax.timeline import BACKGROUND, EVENTS, VOCAL_EVENTS


class Fused(NamedTuple):
  """Fused event vectors, [B,E,D] or [B,E,2D], and the attention [B,E] behind them, if there is one."""

  vectors: Float[Array, "B E _"]
  attention: Float[Array, "B E"] | None = None


# Arguments: events [B,E,D], visual [B,D], seen [B]. A block without images has a visual vector of 0, and seen is False.
Fusion = Callable[[Float[Array, "B E D"], Float[Array, "B D"], Bool[Array, " B"]], Fused]


def semantic_attention(events: Float[Array, "B E D"], visual: Float[Array, "B D"]) -> Float[Array, "B E"]:
  """Softmax(Q^T K / sqrt(d_k)) over the events (Eq. 1). events [B,E,D], visual [B,D] -> [B,E] float32.

  Examples:
    >>> semantic_attention(jnp.eye(4)[None], jnp.zeros((1, 4))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]

  Differences: the released code omits 1 / sqrt(d_k). It also reshapes the four concatenated vectors to [D,E], which
  mixes the events; the paper stacks them as columns.
  """
  events, visual = events.astype(jnp.float32), visual.astype(jnp.float32)
  scores = jnp.einsum("bed,bd->be", events, visual) / jnp.sqrt(visual.shape[-1])
  return jax.nn.softmax(scores, axis=-1)


def by_attention(events: Float[Array, "B E D"], visual: Float[Array, "B D"], seen: Bool[Array, " B"]) -> Fused:
  """Scales each event's vector by its attention (Section 2.3), which is uniform without images. [B,E,D]."""
  del seen
  attention = semantic_attention(events, visual)
  return Fused(events * attention[..., None].astype(events.dtype), attention)


def by_concatenation(events: Float[Array, "B E D"], visual: Float[Array, "B D"], seen: Bool[Array, " B"]) -> Fused:
  """Appends K to each event's vector; without images, K is 0. [B,E,2D]."""
  del seen
  return Fused(jnp.concatenate([events, spread(visual, events.shape[1])], axis=-1))


def by_rule(events: Float[Array, "B E D"], visual: Float[Array, "B D"], seen: Bool[Array, " B"]) -> Fused:
  """Passes speech and singing as far as the images show the performer vocalizing, and adds the rest to others. [B,E,D].

  This is the rule of Hou et al., "Rule-embedded network for audio-visual voice activity detection in live musical video
  streams", ICASSP 2021. A mask from the images multiplies the vectors of speech and singing elementwise; what it
  removes is audible but not the performer's, and is added to others. Silence and others do not depend on the mask
  otherwise. Without images, the mask passes everything.

  Differences: the source has a second visual output for a performer who does not vocalize; here it is 1 - K. The source
  concatenates the products that make up an event and has heads of 256 units; here the products are added, so that every
  event's head is as wide as with attention.
  """
  vocal = jnp.asarray([event in VOCAL_EVENTS for event in EVENTS])[:, None]  # [E,1]
  others = jnp.asarray([event == BACKGROUND for event in EVENTS])[:, None]
  mask = jnp.where(seen[:, None], visual, 1.0).astype(events.dtype)[:, None]  # [B,1,D]
  passed = jnp.where(vocal, events * mask, events)
  held_back = jnp.where(vocal, events - passed, 0.0).sum(axis=1, keepdims=True)
  return Fused(jnp.where(others, passed + held_back, passed))


def by_decision(events: Float[Array, "B E D"], visual: Float[Array, "B D"], seen: Bool[Array, " B"]) -> Fused:
  """Returns K for every event; `StreamWeight` combines the visual stream's decisions with the audio's. [B,E,D]."""
  del seen
  return Fused(spread(visual, events.shape[1]))


FUSIONS: dict[str, Fusion] = {
  "attention": by_attention,
  "concatenation": by_concatenation,
  "decision": by_decision,
  "rule": by_rule,
}


def find_fusion(fusion: str | Fusion) -> Fusion:
  """Returns the function that a key of `FUSIONS` or package.module:Name stands for; returns a function unchanged.

  Raises:
    ValueError: the name is unknown or cannot be loaded.
  """
  function: Fusion = resolve(fusion, FUSIONS, "fusion") if isinstance(fusion, str) else fusion
  return function


class StreamWeight(nn.Module):
  """Log-linear combination of two streams' decisions. audio [B,E], visual [B,E], seen [B] -> [B,E] logits.

  Each stream's probability is raised to the power of its weight, and the weights add up to 1, after Potamianos et al.,
  "Recent advances in the automatic recognition of audiovisual speech", Proc. IEEE 91(9), 2003. For the two outcomes of
  one event, this is the weighted mean of the logits. One weight serves all events and blocks; it is learned with the
  network and starts at 1/2. For a block without images, the audio decides.

  Differences: the source estimates its weights discriminatively on held-out data.
  """

  @nn.compact
  def __call__(
    self, audio: Float[Array, "B E"], visual: Float[Array, "B E"], seen: Bool[Array, " B"]
  ) -> Float[Array, "B E"]:
    weight = nn.sigmoid(self.param("audio_logit", nn.initializers.zeros_init(), ()))
    return jnp.where(seen[:, None], weight * audio + (1 - weight) * visual, audio)


def spread(visual: Float[Array, "B D"], num_events: int) -> Float[Array, "B {num_events} D"]:
  """Repeats a vector for every event. [B,D] -> [B,E,D]."""
  return jnp.broadcast_to(visual[:, None], (visual.shape[0], num_events, visual.shape[-1]))
