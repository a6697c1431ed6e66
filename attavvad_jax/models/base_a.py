"""Base-A, the paper's audio-only baseline (Table 2).

Axes: B blocks, T audio frames, F mel bands, N images, H, W height and width (T and F in a `ConvBlock`), C and O input
and output channels, E events, D embedding, U units of a GRU.
"""

from flax import linen as nn
import jax.numpy as jnp

from attavvad_jax.models.layers import (
  BLOCK_OUTPUT,
  EVERY_ROW,
  KERNEL_INIT,
  BatchedGru,
  Conv,
  Counted,
  Dropout,
  Dtype,
  NormActivation,
  Rows,
  named,
)
from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float


class BaseA(nn.Module):
  """A convolutional recurrent network that is trained in two stages: on clean voices, then on the mixtures.

  The network follows Hou, Soong, Luan and Li, "Transfer learning for improving singing-voice detection in polyphonic
  instrumental music", Interspeech 2020 (arXiv 2008.04658). Convolutions over the log-mel precede a recurrent layer; the
  first three, L1 to L3, are transferred, and either fixed or fine-tuned. The two stages are two runs, of which the
  second starts from the first's checkpoint: `configs.base_a`.

  The call signature is that of `AttAvvad`; the images are ignored. `Outputs.audio_logits` is the decision.

  Attributes:
    num_events: number of events (E).
    embedding_dim: width of the fully connected layer (D).
    filters: number of filters of every convolution.
    kernel_sizes: kernel sizes of L1 to L3, time x frequency; their parameters are below "block_0" to "block_2".
    pool_bands: number of neighboring bands that are max-pooled after each convolution; time is not pooled.
    gru_units: number of units of the GRU in each direction (U).
    dropout_rate: rate of the dropout before the fully connected layer.
    axis_name: mapped axis for global batch statistics; see `NormActivation`.
    dtype: type of the computation, float32 or bfloat16. Parameters, statistics and logits are float32.

  Differences: the source detects one singing voice in each frame of a song; here, four independent events are decided
  for a block of 15 frames, from the last states of the GRUs. The source's first task is speech with added music. The
  numbers of filters and units, and what makes the network "compound", are not in the sources that we had: the number
  and order of the layers are those of a plain convolutional recurrent network, after Cakir et al., "Convolutional
  recurrent neural networks for polyphonic sound event detection", 2017.
  """

  num_events: int = 4
  embedding_dim: int = 128
  filters: int = 64
  kernel_sizes: tuple[tuple[int, int], ...] = ((3, 3), (3, 3), (3, 3))
  pool_bands: tuple[int, ...] = (4, 4, 4)
  gru_units: int = 64
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
    x = log_mel.astype(self.dtype)[..., None]
    for i, (kernel_size, bands) in enumerate(zip(self.kernel_sizes, self.pool_bands, strict=True)):
      block = ConvBlock(self.filters, kernel_size, bands, self.axis_name, self.dtype, name=f"block_{i}")
      x = block(x, train=train, counted=rows.counted)
    x = x.reshape(*x.shape[:2], -1)  # [B,T,bands x filters]

    # The last states belong to the block's end in the forward direction and to its beginning in the backward one.
    forward = BatchedGru(1, self.gru_units, self.dtype, name="gru_forward")(x)
    backward = BatchedGru(1, self.gru_units, self.dtype, name="gru_backward")(x[:, ::-1])
    x = jnp.concatenate([forward, backward], axis=-1)[:, 0]  # [B,2U]
    x = Dropout(self.dropout_rate)(x, train=train, places=rows.places)
    x = nn.Dense(self.embedding_dim, dtype=self.dtype, kernel_init=KERNEL_INIT, name="embedding")(x)
    norm = NormActivation(nn.relu, 1, self.axis_name, self.dtype, name="embedding_norm")
    x = norm(x, train=train, counted=rows.counted)
    return Outputs(audio_logits=nn.Dense(self.num_events, dtype=jnp.float32, kernel_init=KERNEL_INIT, name="logits")(x))


class ConvBlock(nn.Module):
  """Convolution, normalization, ReLU and max-pooling over bands. [B,T,F,C] -> [B,T,ceil(F/bands),O]."""

  filters: int
  kernel_size: tuple[int, int]
  bands: int
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "B H W C"], *, train: bool, counted: Counted = None) -> Float[Array, "B _ _ O"]:
    x = Conv(self.filters, self.kernel_size, dtype=self.dtype, name="conv")(x)
    norm = NormActivation(nn.relu, axis_name=self.axis_name, dtype=self.dtype, name="norm")
    x = norm(x, train=train, counted=counted)
    # A maximum over an axis, since the gradient of a pooling window is slow on CPUs. After ReLU, the padding of 0 is
    # never larger than a value.
    x = jnp.pad(x, ((0, 0), (0, 0), (0, -x.shape[2] % self.bands), (0, 0)))
    return named(x.reshape(*x.shape[:2], -1, self.bands, x.shape[-1]).max(axis=3), BLOCK_OUTPUT)
