"""Ways to bring the events' vectors of the audio branch and the vocalization vector together, by name.

Each gives, for every event, the vector that a head decides from. Where a block has no image, nothing of the visual
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
  """Vectors to decide from, [B,E,D] or [B,E,2D], and the attention [B,E] that made them, if any did."""

  vectors: Float[Array, "B E _"]
  attention: Float[Array, "B E"] | None = None


# Of events [B,E,D], visual [B,D] and seen [B]: False, and a visual vector of 0, where a block has no image.
Fusion = Callable[[Float[Array, "B E D"], Float[Array, "B D"], Bool[Array, " B"]], Fused]


def semantic_attention(events: Float[Array, "B E D"], visual: Float[Array, "B D"]) -> Float[Array, "B E"]:
  """Softmax(Q^T K / sqrt(d_k)) over the events, Eq. 1. events [B,E,D], visual [B,D] -> [B,E] float32.

  Examples:
    >>> semantic_attention(jnp.eye(4)[None], jnp.zeros((1, 4))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]

  Differences: the released code leaves out 1 / sqrt(d_k), and reshapes the four concatenated vectors to [D,E], which
  mixes the events, where the paper stacks them as columns.
  """
  events, visual = events.astype(jnp.float32), visual.astype(jnp.float32)
  scores = jnp.einsum("bed,bd->be", events, visual) / jnp.sqrt(visual.shape[-1])
  return jax.nn.softmax(scores, axis=-1)


def by_attention(events: Float[Array, "B E D"], visual: Float[Array, "B D"], seen: Bool[Array, " B"]) -> Fused:
  """Each event's vector times its attention (Section 2.3). Uniform where there is no image."""
  del seen
  attention = semantic_attention(events, visual)
  return Fused(events * attention[..., None].astype(events.dtype), attention)


def by_concatenation(events: Float[Array, "B E D"], visual: Float[Array, "B D"], seen: Bool[Array, " B"]) -> Fused:
  """Each event's vector with K behind it. [B,E,2D]; K is 0 where there is no image."""
  del seen
  return Fused(jnp.concatenate([events, spread(visual, events.shape[1])], axis=-1))


def by_rule(events: Float[Array, "B E D"], visual: Float[Array, "B D"], seen: Bool[Array, " B"]) -> Fused:
  """The performer's events as far as the images say that the performer vocalizes; what is held back is Others.

  The rule of Hou et al., "Rule-embedded network for audio-visual voice activity detection in live musical video
  streams", ICASSP 2021: a mask from the images multiplies the vectors of speech and singing element by element; what it
  takes from them is heard, but is not the performer's. Silence and Others are what they are whoever is seen. Where
  there is no image, the mask lets everything pass.

  Differences: there, a second visual output of its own says that the performer does not vocalize; here that is 1 - K.
  There, the products that make up an event are concatenated; here they are added, so that every event's head is as wide
  as with attention. Its heads have 256 units.
  """
  vocal = jnp.asarray([event in VOCAL_EVENTS for event in EVENTS])[:, None]  # [E,1]
  others = jnp.asarray([event == BACKGROUND for event in EVENTS])[:, None]
  mask = jnp.where(seen[:, None], visual, 1.0).astype(events.dtype)[:, None]  # [B,1,D]
  passed = jnp.where(vocal, events * mask, events)
  held_back = jnp.where(vocal, events - passed, 0.0).sum(axis=1, keepdims=True)
  return Fused(jnp.where(others, passed + held_back, passed))


def by_decision(events: Float[Array, "B E D"], visual: Float[Array, "B D"], seen: Bool[Array, " B"]) -> Fused:
  """K for every event: the visual stream by itself, whose decisions `StreamWeight` brings to those of the audio."""
  del seen
  return Fused(spread(visual, events.shape[1]))


FUSIONS: dict[str, Fusion] = {
  "attention": by_attention,
  "concatenation": by_concatenation,
  "decision": by_decision,
  "rule": by_rule,
}


def find_fusion(fusion: str | Fusion) -> Fusion:
  """The function of a name of `FUSIONS` or of package.module:Name; a function is returned as it is.

  Raises:
    ValueError: there is no such function.
  """
  found: Fusion = resolve(fusion, FUSIONS, "fusion") if isinstance(fusion, str) else fusion
  return found


class StreamWeight(nn.Module):
  """Decisions of two streams, each to the power of its weight. audio [B,E], visual [B,E], seen [B] -> [B,E] logits.

  Log-linear combination with weights that add up to 1, as Potamianos et al., "Recent advances in the automatic
  recognition of audiovisual speech", Proc. IEEE 91(9), 2003, have it; of the two outcomes of one event, that is the
  weighted mean of the logits. The weight is one number for all events and blocks, and is learned with the rest, from
  equal shares on; they estimate theirs to discriminate on held-out data. A block without an image is decided by sound.
  """

  @nn.compact
  def __call__(
    self, audio: Float[Array, "B E"], visual: Float[Array, "B E"], seen: Bool[Array, " B"]
  ) -> Float[Array, "B E"]:
    weight = nn.sigmoid(self.param("audio_logit", nn.initializers.zeros_init(), ()))
    return jnp.where(seen[:, None], weight * audio + (1 - weight) * visual, audio)


def spread(visual: Float[Array, "B D"], num_events: int) -> Float[Array, "B {num_events} D"]:
  """The same vector for every event. [B,D] -> [B,E,D]."""
  return jnp.broadcast_to(visual[:, None], (visual.shape[0], num_events, visual.shape[-1]))
