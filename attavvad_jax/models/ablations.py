"""ATT-AVVAD with one of its senses taken away (Table 3).

Axes: B blocks, T audio frames, F mel bands, N images, H, W height and width, E events, D embedding.
"""

from flax import linen as nn
import jax.numpy as jnp

from attavvad_jax.models.att_avvad import AudioBranch, Sizes, VisualBranch
from attavvad_jax.models.fusion import spread
from attavvad_jax.models.layers import EVERY_ROW, Dtype, EventHeads, Rows
from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float


class AudioOnly(nn.Module):
  """The audio branch by itself (Table 3, "audio"): Section 2.1's logits are the decision.

  Call and attributes as `AttAvvad`'s; the images are not looked at.
  """

  num_events: int = 4
  embedding_dim: int = 128
  filters: int = 32
  gru_units: int = 64
  audio_kernel_sizes: Sizes = AudioBranch.kernel_sizes
  dropout_rate: float = 0.2
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(
    self,
    log_mel: Float[Array, "B T F"],
    images: Float[Array, "B N H W"],
    image_mask: Bool[Array, "B N"],
    *,
    train: bool,
    rows: Rows = EVERY_ROW,
  ) -> Outputs:
    del images, image_mask
    events, logits = AudioBranch(
      num_events=self.num_events,
      embedding_dim=self.embedding_dim,
      filters=self.filters,
      kernel_sizes=self.audio_kernel_sizes,
      gru_units=self.gru_units,
      dropout_rate=self.dropout_rate,
      axis_name=self.axis_name,
      dtype=self.dtype,
      name="audio",
    )(log_mel, train=train, rows=rows)
    return Outputs(audio_logits=logits, audio_embeddings=events)


class VisualOnly(nn.Module):
  """The visual branch by itself (Table 3, "visual"): each event is told from the vocalisation vector K alone.

  Call and attributes as `AttAvvad`'s; the sound is not heard. The events stand where ATT-AVVAD has those after fusion
  (`audio_visual_logits`), made by the same layers with K in the place of the fused vectors. Where a block has no image,
  they are what the events' frequencies make likely.

  Differences: the paper does not say how its visual branch, which has one output, decides among four events.
  """

  num_events: int = 4
  embedding_dim: int = 128
  filters: int = 32
  motion: bool = False
  visual_kernel_sizes: Sizes = VisualBranch.kernel_sizes
  visual_strided_kernel_sizes: Sizes = VisualBranch.strided_kernel_sizes
  visual_strides: Sizes = VisualBranch.strides
  dropout_rate: float = 0.2
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(
    self,
    log_mel: Float[Array, "B T F"],
    images: Float[Array, "B N H W"],
    image_mask: Bool[Array, "B N"],
    *,
    train: bool,
    rows: Rows = EVERY_ROW,
  ) -> Outputs:
    del log_mel
    visual, visual_logit = VisualBranch(
      embedding_dim=self.embedding_dim,
      filters=self.filters,
      motion=self.motion,
      kernel_sizes=self.visual_kernel_sizes,
      strided_kernel_sizes=self.visual_strided_kernel_sizes,
      strides=self.visual_strides,
      dropout_rate=self.dropout_rate,
      axis_name=self.axis_name,
      dtype=self.dtype,
      name="visual",
    )(images, image_mask, train=train, rows=rows)
    heads = EventHeads(self.embedding_dim, self.axis_name, self.dtype, name="events")
    logits = heads(spread(visual, self.num_events), train=train, counted=rows.counted)
    return Outputs(audio_visual_logits=logits, visual_logit=visual_logit, visual_embedding=visual)
