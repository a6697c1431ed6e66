"""ATT-AVVAD, the paper's network (Section 2, Figure 1).

Axes: B blocks, T audio frames, F mel bands, N images, H, W height and width, E events, D embedding.
"""

import dataclasses

from flax import linen as nn
import jax.numpy as jnp

from attavvad_jax.models.fusion import Fusion, StreamWeight, by_decision, find_fusion, spread
from attavvad_jax.models.layers import (
  EVERY_ROW,
  BatchedGru,
  Dropout,
  Dtype,
  EventDense,
  EventHeads,
  GluBlock,
  NormActivation,
  Rows,
  differences,
  vector_and_logit,
)
from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float

Sizes = tuple[tuple[int, int], ...]


class AudioBranch(nn.Module):
  """Maps a log-mel spectrogram to each event's core vector and logit (Section 2.1). [B,T,F] -> [B,E,D], [B,E].

  The hyperparameters are the released code's: four GLU blocks map 15x64x1 to 15x4x32, which is flattened to 15x128.
  Each event then has two GRUs, of which one gates the other's last state, and a fully connected layer with a sigmoid.

  Attributes:
    num_events: number of events (E), four in the paper.
    embedding_dim: length of the core vectors (D).
    filters: number of filters of every convolution.
    kernel_sizes: kernel sizes of the gated convolutions, time x frequency.
    strides: strides of the strided convolutions that follow them, time x frequency; None for 1 x 2 each.
    gru_units: number of units of each of the 2 E GRUs.
    dropout_rate: rate of the dropout before the fully connected layer of the core vectors.
    axis_name: mapped axis for global batch statistics; see `NormActivation`.
    dtype: type of the computation, float32 or bfloat16. Parameters, statistics and logits are float32.
  """

  num_events: int = 4
  embedding_dim: int = 128
  filters: int = 32
  kernel_sizes: Sizes = ((3, 7), (3, 7), (3, 5), (3, 5))
  strides: Sizes | None = None
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
    all_strides = ((1, 2),) * len(self.kernel_sizes) if self.strides is None else self.strides
    for i, (kernel_size, strides) in enumerate(zip(self.kernel_sizes, all_strides, strict=True)):
      block = GluBlock(self.filters, kernel_size, (3, 3), strides, self.axis_name, self.dtype, name=f"block_{i}")
      x = block(x, train=train, counted=counted)
    x = x.reshape(*x.shape[:2], -1)  # [B,T,bands x filters]

    x = BatchedGru(2 * self.num_events, self.gru_units, self.dtype, name="gru")(x)
    # `nn.glu` splits an event's two GRUs, which stand side by side: [B,E,2 x units].
    x = x.reshape(x.shape[0], self.num_events, 2 * self.gru_units)
    x = NormActivation(nn.glu, 2, self.axis_name, self.dtype, name="gru_norm")(x, train=train, counted=counted)
    x = Dropout(self.dropout_rate)(x, train=train, places=rows.places)
    x = EventDense(self.embedding_dim, self.dtype, name="embedding")(x)
    x = NormActivation(nn.sigmoid, 2, self.axis_name, self.dtype, name="embedding_norm")(
      x, train=train, counted=counted
    )
    return x, EventDense(1, jnp.float32, name="logits")(x)[..., 0]


class VisualBranch(nn.Module):
  """Maps face images to the vocalization vector and its logit (Section 2.2). [B,N,H,W], [B,N] -> [B,D], [B].

  The images are the channels of the first convolution. Masked images count as zeros, whatever they hold. A block
  without any image has the zero vector and is left out of the batch statistics; a block with some of its images is
  counted, since the branch must also handle a face that is lost for a moment.

  With `motion`, the absolute pixel differences between consecutive images are further channels, so that a single layer
  can distinguish moving from still parts.

  Differences: the paper does not say what happens if no face is found. It has no motion channels.

  Attributes:
    embedding_dim: length of the vocalization vector (D).
    filters: number of filters of every convolution.
    motion: whether the branch also gets the differences between images.
    kernel_sizes: kernel sizes of the gated convolutions, height x width.
    strided_kernel_sizes: kernel sizes of the strided convolutions that follow them.
    strides: strides of the strided convolutions.
    dropout_rate: rate of the dropout before the fully connected layer of the vocalization vector.
    axis_name: mapped axis for global batch statistics; see `NormActivation`.
    dtype: type of the computation, float32 or bfloat16. Parameters, statistics and logit are float32.
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

    ends = self.embedding_dim, self.dropout_rate, self.axis_name, self.dtype
    return vector_and_logit(x.reshape(x.shape[0], -1), seen, *ends, train=train, rows=rows)


class AttAvvad(nn.Module):
  """The audio branch, the visual branch and their fusion (Section 2, Figure 1).

  The call takes log_mel [B,T,F] as scaled by `features.log_mel.scale_log_mel`, images [B,N,H,W] float in [0, 1] and
  image_mask [B,N] bool, and returns `Outputs`. With `train`, it uses batch statistics and dropout, which needs the
  random key `dropout`; `rows` (`layers.Rows`) gives the blocks' places in the batch and which of them count. For a
  block without images, attention is uniform and nothing of the visual branch reaches the result.

  Attributes:
    audio: module with the call signature of `AudioBranch`; its parameters are below "audio".
    visual: module with the call signature of `VisualBranch`; its parameters are below "visual".
    sync: None, or a module with the call signature of `sync.SyncBranch`, whose vector every event's head gets in
      addition; its parameters are below "sync".
    fusion: a key of `fusion.FUSIONS`, package.module:Name of a function with the same signature, or such a function.
      The parameters of layers that the function creates are below the layers' own names, those of the heads below
      "fusion".
    axis_name: mapped axis for global batch statistics of the heads; `models.with_fields` sets it in the branches too.
    dtype: type of the heads' computation, float32 or bfloat16. Parameters, statistics, softmax and logits are float32.

  Differences: the paper mentions dropout (Section 3.1) but gives neither its place nor its rate.
  """

  audio: nn.Module = dataclasses.field(default_factory=lambda: AudioBranch(parent=None))
  visual: nn.Module = dataclasses.field(default_factory=lambda: VisualBranch(parent=None))
  sync: nn.Module | None = None
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
    vectors, sync_logit = fused, None
    if self.sync is not None:
      sync, sync_logit = self.sync(log_mel, images, image_mask, train=train, rows=rows)
      vectors = jnp.concatenate([fused, spread(sync.astype(fused.dtype), fused.shape[1])], axis=-1)
    heads = EventHeads(events.shape[-1], self.axis_name, self.dtype, name="fusion")
    # A fused decision exists for every block, a purely visual one only for blocks with an image.
    decided = rows.where(seen) if fuse is by_decision else rows
    logits = heads(vectors, train=train, counted=decided.counted)
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
      sync_logit=sync_logit,
    )
