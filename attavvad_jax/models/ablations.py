"""ATT-AVVAD with one of its two modalities removed (Table 3).

Axes: B blocks, T audio frames, F mel bands, N images, H, W height and width, E events, D embedding.
"""

import dataclasses

from flax import linen as nn
import jax.numpy as jnp

from attavvad_jax.models.att_avvad import AudioBranch, VisualBranch
from attavvad_jax.models.fusion import spread
from attavvad_jax.models.layers import EVERY_ROW, Dtype, EventHeads, Rows
from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float


class AudioOnly(nn.Module):
  """The audio branch alone (Table 3, "audio"): Section 2.1's logits are the decision.

  Call signature and branch are those of `AttAvvad`; the images are ignored.
  """

  audio: nn.Module = dataclasses.field(default_factory=lambda: AudioBranch(parent=None))

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
    events, logits = self.audio(log_mel, train=train, rows=rows)
    return Outputs(audio_logits=logits, audio_embeddings=events)


class VisualOnly(nn.Module):
  """The visual branch alone (Table 3, "visual"): the vocalization vector K decides each event.

  Call signature and branch are those of `AttAvvad`; the audio is ignored. The logits are `audio_visual_logits`, as
  after ATT-AVVAD's fusion, and come from the same layers with K in place of the fused vectors. For a block without
  images they reflect only how frequent the events are.

  Differences: the paper does not say how its visual branch, which has one output, decides among four events.
  """

  visual: nn.Module = dataclasses.field(default_factory=lambda: VisualBranch(parent=None))
  num_events: int = 4
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
    visual, visual_logit = self.visual(images, image_mask, train=train, rows=rows)
    heads = EventHeads(visual.shape[-1], self.axis_name, self.dtype, name="events")
    logits = heads(spread(visual, self.num_events), train=train, counted=rows.counted)
    return Outputs(audio_visual_logits=logits, visual_logit=visual_logit, visual_embedding=visual)
