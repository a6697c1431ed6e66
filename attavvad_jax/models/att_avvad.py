"""ATT-AVVAD, the paper's network (Section 2, Figure 1).

Axes: B blocks, T audio frames, F mel bands, N images, H, W height and width, E events, D embedding.
"""

import dataclasses

from flax import linen as nn
import jax.numpy as jnp

from attavvad_jax.models.fusion import Fusion, StreamWeight, by_decision, find_fusion
from attavvad_jax.models.layers import (
  EVERY_ROW,
  KERNEL_INIT,
  BatchedGru,
  Dropout,
  Dtype,
  EventDense,
  EventHeads,
  GluBlock,
  NormActivation,
  Rows,
  differences,
)
from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float

Sizes = tuple[tuple[int, int], ...]


class AudioBranch(nn.Module):
  """Log-mel to each event's core vector and logit (Section 2.1). [B,T,F] -> [B,E,D], [B,E].

  Parameters from the released code: 15x64x1 -> 15x4x32 -> 15x128 through four GLU blocks, then for each event two
  GRUs of which one gates the other's last state, and a fully connected layer with a sigmoid.

  Attributes:
    num_events: E, the paper's four.
    embedding_dim: D of the core vectors.
    filters: of every convolution.
    kernel_sizes: time x frequency, of the gated convolutions.
    gru_units: of each of the 2 E GRUs.
    dropout_rate: before the fully connected layer that makes a core vector.
    axis_name: mapped axis for global batch statistics; see `NormActivation`.
    dtype: of the computation, float32 or bfloat16. Parameters, statistics and logits are float32.
  """

  num_events: int = 4
  embedding_dim: int = 128
  filters: int = 32
  kernel_sizes: Sizes = ((3, 7), (3, 7), (3, 5), (3, 5))
  gru_units: int = 64
  dropout_rate: float = 0.2
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(
    self, log_mel: Float[Array, "B T F"], *, train: bool, rows: Rows = EVERY_ROW
  ) -> tuple[Float[Array, "B E D"], Float[Array, "B E"]]:
    counted = rows.counted
    x = log_mel.astype(self.dtype)[..., None]
    for i, kernel_size in enumerate(self.kernel_sizes):
      block = GluBlock(self.filters, kernel_size, (3, 3), (1, 2), self.axis_name, self.dtype, name=f"block_{i}")
      x = block(x, train=train, counted=counted)
    x = x.reshape(*x.shape[:2], -1)  # [B,T,bands x filters]

    x = BatchedGru(2 * self.num_events, self.gru_units, self.dtype, name="gru")(x)
    # An event's two GRUs side by side are what `nn.glu` splits: [B,E,2 x units].
    x = x.reshape(x.shape[0], self.num_events, 2 * self.gru_units)
    x = NormActivation(nn.glu, 2, self.axis_name, self.dtype, name="gru_norm")(x, train=train, counted=counted)
    x = Dropout(self.dropout_rate)(x, train=train, places=rows.places)
    x = EventDense(self.embedding_dim, self.dtype, name="embedding")(x)
    x = NormActivation(nn.sigmoid, 2, self.axis_name, self.dtype, name="embedding_norm")(
      x, train=train, counted=counted
    )
    return x, EventDense(1, jnp.float32, name="logits")(x)[..., 0]


class VisualBranch(nn.Module):
  """Images to the vocalization vector and its logit (Section 2.2). [B,N,H,W], [B,N] -> [B,D], [B].

  The images are the channels of the first convolution. A masked image is zeros whatever it holds; a block without any
  image has the vector 0, and no part in the batch statistics. One with some of its images has: it is what the branch
  will be given where a face is lost for a moment.

  With `motion`, how far each image differs from the one before, pixel by pixel and whatever the sign, makes further
  channels: what moves is then told from what stands still by one layer.

  Differences: the paper does not say what happens where no face is found. It has no motion.

  Attributes:
    embedding_dim: D of the vocalization vector.
    filters: of every convolution.
    motion: whether the branch is given differences of images beside them.
    kernel_sizes: height x width, of the gated convolutions.
    strided_kernel_sizes: of the convolutions that follow them.
    strides: of the same.
    dropout_rate: before the fully connected layer that makes the vocalization vector.
    axis_name: mapped axis for global batch statistics; see `NormActivation`.
    dtype: of the computation, float32 or bfloat16. Parameters, statistics and logit are float32.
  """

  embedding_dim: int = 128
  filters: int = 32
  motion: bool = False
  kernel_sizes: Sizes = ((5, 13), (5, 13), (3, 11), (3, 7))
  strided_kernel_sizes: Sizes = ((5, 5), (5, 5), (3, 3), (3, 3))
  strides: Sizes = ((3, 3), (3, 3), (2, 2), (2, 2))
  dropout_rate: float = 0.2
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "B N H W"], image_mask: Bool[Array, "B N"], *, train: bool, rows: Rows = EVERY_ROW
  ) -> tuple[Float[Array, "B D"], Float[Array, " B"]]:
    seen = image_mask.any(axis=1)
    counted = rows.where(seen).counted
    x = jnp.where(image_mask[:, :, None, None], images, 0.0).astype(self.dtype)
    if self.motion:
      x = jnp.concatenate([x, differences(x, image_mask)], axis=1)
    x = x.transpose(0, 2, 3, 1)  # [B,H,W,N]
    sizes = zip(self.kernel_sizes, self.strided_kernel_sizes, self.strides, strict=True)
    for i, size in enumerate(sizes):
      block = GluBlock(self.filters, *size, self.axis_name, self.dtype, name=f"block_{i}")
      x = block(x, train=train, counted=counted)

    x = Dropout(self.dropout_rate)(x.reshape(x.shape[0], -1), train=train, places=rows.places)
    x = nn.Dense(self.embedding_dim, dtype=self.dtype, kernel_init=KERNEL_INIT, name="embedding")(x)
    x = NormActivation(nn.sigmoid, 1, self.axis_name, self.dtype, name="embedding_norm")(
      x, train=train, counted=counted
    )
    x = jnp.where(seen[:, None], x, 0.0)
    return x, nn.Dense(1, dtype=jnp.float32, kernel_init=KERNEL_INIT, name="logit")(x)[..., 0]


class AttAvvad(nn.Module):
  """The audio branch, the visual branch and their fusion (Section 2, Figure 1).

  Call: log_mel [B,T,F] as `features.scale_log_mel` leaves it, images [B,N,H,W] float in [0, 1], image_mask [B,N] bool;
  `train` takes batch statistics and drops out (needs the `dropout` random key), by what `rows` says of the blocks
  (`layers.Rows`). Returns `Outputs`. Where a block has no image, attention is uniform and nothing of the visual
  branch reaches the result.

  Attributes:
    audio: a module that is called as `AudioBranch` is; its parameters are below "audio".
    visual: a module that is called as `VisualBranch` is; its parameters are below "visual".
    fusion: a name of `fusion.FUSIONS`, package.module:Name of a function like those, or such a function. Layers that
      the function creates have their own names as paths. Parameters of the heads are below "fusion".
    axis_name: mapped axis for global batch statistics of the heads; `models.with_fields` sets it in the branches too.
    dtype: of the heads' computation, float32 or bfloat16. Parameters, statistics, softmax and logits are float32.

  Differences: the paper names dropout (Section 3.1) but neither place nor rate.
  """

  audio: nn.Module = dataclasses.field(default_factory=lambda: AudioBranch(parent=None))
  visual: nn.Module = dataclasses.field(default_factory=lambda: VisualBranch(parent=None))
  fusion: str | Fusion = "attention"
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  def __post_init__(self) -> None:
    find_fusion(self.fusion)
    super().__post_init__()

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
    events, audio_logits = self.audio(log_mel, train=train, rows=rows)
    visual, visual_logit = self.visual(images, image_mask, train=train, rows=rows)

    seen = image_mask.any(axis=1)
    fuse = find_fusion(self.fusion)
    fused, attention = fuse(events, visual, seen)
    heads = EventHeads(events.shape[-1], self.axis_name, self.dtype, name="fusion")
    # What is fused decides about blocks without an image as well; a visual decision is of those that have one.
    decided = rows.where(seen) if fuse is by_decision else rows
    logits = heads(fused, train=train, counted=decided.counted)
    if fuse is by_decision:
      logits = StreamWeight(name="stream_weight")(audio_logits, logits, seen)
    return Outputs(
      audio_logits=audio_logits,
      visual_logit=visual_logit,
      audio_visual_logits=logits,
      audio_embeddings=events,
      visual_embedding=visual,
      attention=attention,
      fused_embeddings=None if fuse is by_decision else fused,
    )
