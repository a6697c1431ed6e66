"""What every model returns. Axes: B blocks, E events, D embedding."""

from flax import struct

from attavvad_jax.shapes import Array, Float


@struct.dataclass
class Outputs:
  """Named outputs of a model; what a model lacks is None. Logits are float32, before the sigmoid.

  Attributes:
    audio_logits: [B,E], the audio branch's events (Section 2.1).
    visual_logit: [B], the performer vocalizes (Section 2.2).
    audio_visual_logits: [B,E], the events after fusion (Section 2.3), or of images alone where there is no sound.
    audio_embeddings: [B,E,D], the core representation vectors q_i.
    visual_embedding: [B,D], the vocalization vector K; zeros where a block has no image.
    attention: [B,E] float32, Eq. 1; sums to 1 over E.
    fused_embeddings: [B,E,D], the audio-visual event vectors: q_i times its attention, or what another fusion makes of
      q_i and K ([B,E,2D] where it puts them side by side).
  """

  audio_logits: Float[Array, "B E"] | None = None
  visual_logit: Float[Array, " B"] | None = None
  audio_visual_logits: Float[Array, "B E"] | None = None
  audio_embeddings: Float[Array, "B E D"] | None = None
  visual_embedding: Float[Array, "B D"] | None = None
  attention: Float[Array, "B E"] | None = None
  fused_embeddings: Float[Array, "B E _"] | None = None
