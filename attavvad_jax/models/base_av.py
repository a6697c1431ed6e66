"""Base-AV, the paper's audio-visual baseline (Table 2).

Axes: B blocks, T audio frames, F mel bands, N images, H, W height and width, E events, D embedding, U units of an LSTM,
I inputs.
"""

from flax import linen as nn
import jax
import jax.numpy as jnp

from attavvad_jax.models.att_avvad import Sizes, VisualBranch
from attavvad_jax.models.layers import EVERY_ROW, KERNEL_INIT, Conv, Counted, Dropout, Dtype, NormActivation, Rows
from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float


class BaseAV(nn.Module):
  """Recurrent sub-networks for audio and for images, a recurrent network over both, and a softmax over the events.

  The network follows Tao and Busso, "End-to-end audiovisual speech activity detection with bimodal recurrent neural
  models", Speech Communication 113, 2019 (arXiv 1809.04553). Fully connected layers learn features of the spectrum,
  convolutions those of the images; LSTMs model each modality over time, and further LSTMs both together. The softmax
  over four events is from this paper (Section 3.2).

  The call signature is that of `AttAvvad`. `Outputs.audio_visual_logits` is the decision, as log-odds whose sigmoid is
  the softmax's probability, so that losses, scores and timelines work as for every other model. A masked image has zero
  features, whatever it holds.

  Attributes:
    num_events: number of events (E).
    embedding_dim: number of features of an audio frame and of an image (D).
    filters: number of filters of every convolution.
    visual_kernel_sizes: kernel sizes of the convolutions, height x width; all convolutions are strided.
    visual_strides: strides of the convolutions.
    gru_units: number of units of every recurrent layer (U), under the name that all models share.
    dropout_rate: rate of the dropout before the softmax layer.
    axis_name: mapped axis for global batch statistics; see `NormActivation`.
    dtype: type of the computation, float32 or bfloat16. Parameters, statistics and logits are float32.

  Differences: the source has two classes for each frame of a recording; here, the last state decides once for a block,
  and no state passes from one block to the next. An image is repeated for the audio frames of its part of the block.
  The sizes are ours, and the strides are those of ATT-AVVAD's visual branch, since our sources do not give the original
  ones. The losses are those of four independent events (Eq. 2) on the softmax's probabilities.
  """

  num_events: int = 4
  embedding_dim: int = 128
  filters: int = 32
  visual_kernel_sizes: Sizes = VisualBranch.strided_kernel_sizes
  visual_strides: Sizes = VisualBranch.strides
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
    audio = log_mel.astype(self.dtype)
    for i in range(2):
      audio = self._features(audio, f"audio_features_{i}", train, rows.counted)
    audio = self._recurrent(audio, "audio_lstm")  # [B,T,U]

    visual = self._image_features(images, image_mask, train, rows.counted)
    visual = self._recurrent(visual, "visual_lstm")  # [B,N,U]

    num_frames, num_images = audio.shape[1], visual.shape[1]
    shown = jnp.arange(num_frames) * num_images // num_frames
    x = jnp.concatenate([audio, visual[:, shown]], axis=-1)  # [B,T,2U]
    for i in range(2):
      x = self._recurrent(x, f"fusion_lstm_{i}")
    x = Dropout(self.dropout_rate)(x[:, -1], train=train, places=rows.places)
    logits = nn.Dense(self.num_events, dtype=jnp.float32, kernel_init=KERNEL_INIT, name="logits")(x)
    return Outputs(audio_visual_logits=softmax_log_odds(logits))

  def _features(self, x: Float[Array, "B ... _"], name: str, train: bool, counted: Counted) -> Float[Array, "B ... D"]:
    """Fully connected layer, batch normalization, ReLU. [B,...,I] -> [B,...,D]."""
    x = nn.Dense(self.embedding_dim, dtype=self.dtype, kernel_init=KERNEL_INIT, name=name)(x)
    norm = NormActivation(nn.relu, 1, self.axis_name, self.dtype, name=f"{name}_norm")
    return norm(x, train=train, counted=counted)

  def _image_features(
    self, images: Float[Array, "B N H W"], image_mask: Bool[Array, "B N"], train: bool, counted: Counted
  ) -> Float[Array, "B N D"]:
    """Features of each image; masked images are left out of the batch statistics. [B,N,H,W], [B,N] -> [B,N,D]."""
    x = jnp.where(image_mask[..., None, None], images, 0.0).astype(self.dtype)
    x = x.reshape(-1, *x.shape[2:], 1)  # [B N,H,W,1]
    seen = image_mask if counted is None else image_mask & counted[:, None]
    for i, (kernel_size, strides) in enumerate(zip(self.visual_kernel_sizes, self.visual_strides, strict=True)):
      x = Conv(self.filters, kernel_size, strides, self.dtype, name=f"conv_{i}")(x)
      norm = NormActivation(nn.relu, axis_name=self.axis_name, dtype=self.dtype, name=f"conv_{i}_norm")
      x = norm(x, train=train, counted=seen.reshape(-1))
    x = self._features(x.reshape(*image_mask.shape, -1), "visual_features", train, seen)
    return jnp.where(image_mask[..., None], x, 0.0)

  def _recurrent(self, x: Float[Array, "B T _"], name: str) -> Float[Array, "B T U"]:
    """States of an LSTM at every time step. [B,T,I] -> [B,T,U]."""
    cell = nn.OptimizedLSTMCell(self.gru_units, dtype=self.dtype, kernel_init=KERNEL_INIT, parent=None)
    states = nn.RNN(cell, name=name)(x)
    assert isinstance(states, jax.Array)  # with return_carry, it would be a tuple
    return states


def softmax_log_odds(logits: Float[Array, "B E"]) -> Float[Array, "B E"]:
  """Returns log p / (1 - p) of a softmax: each logit minus the log-sum-exp of the others. [B,E] -> [B,E]."""
  others = jnp.where(jnp.eye(logits.shape[-1], dtype=bool), -jnp.inf, logits[:, None])
  return logits - jax.nn.logsumexp(others, axis=-1)
