"""The outputs that all models share.

Axes: B blocks, E events, D embedding.
"""

from flax import struct

from attavvad_jax.shapes import Array, Float


@struct.dataclass
class Outputs:
  """Named outputs of a model; outputs that a model lacks are None. Logits are float32, before the sigmoid.

  Attributes:
    audio_logits: [B,E], logits of the events from the audio branch (Section 2.1).
    visual_logit: [B], logit that the performer vocalizes (Section 2.2).
    audio_visual_logits: [B,E], logits of the events after fusion (Section 2.3), or from the images alone in a model
      without audio.
    audio_embeddings: [B,E,D], the core representation vectors q_i.
    visual_embedding: [B,D], the vocalization vector K; zeros for a block without images.
    attention: [B,E] float32, the attention of Eq. 1; sums to 1 over E.
    sync_logit: [B], logit that the audio and the lips belong together (`sync.SyncBranch`).
    fused_embeddings: [B,E,D], the audio-visual event vectors: each q_i times its attention, or the result of another
      fusion of q_i and K ([B,E,2D] for concatenation).
  """

  audio_logits: Float[Array, "B E"] | None = None
  visual_logit: Float[Array, " B"] | None = None
  audio_visual_logits: Float[Array, "B E"] | None = None
  audio_embeddings: Float[Array, "B E D"] | None = None
  visual_embedding: Float[Array, "B D"] | None = None
  attention: Float[Array, "B E"] | None = None
  fused_embeddings: Float[Array, "B E _"] | None = None
  sync_logit: Float[Array, " B"] | None = None
