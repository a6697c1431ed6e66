"""A branch that compares the lips with the audio over time: does this mouth make this sound?

Axes: B blocks, T audio frames, F mel bands, N images, M measures in an image's row, L lags, D embedding.
"""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.models.layers import EVERY_ROW, KERNEL_INIT, Dtype, GluBlock, Rows, vector_and_logit
from attavvad_jax.models.lips import normalize_measures
from attavvad_jax.shapes import Array, Bool, Float

Sizes = tuple[tuple[int, int], ...]


class SyncBranch(nn.Module):
  """Maps audio and measures of the lips to a vector and the logit that they belong together. -> [B,D], [B].

  Audio frames and images must cover the same time. Convolutions over time give an embedding for each image and one for
  the audio at its time, both of length 1. Their products, averaged over the images for each lag up to `max_lag` images
  in either direction, are what the rest sees: it knows how well sound and lips fit, but neither of them.

  Differences: the paper has no such branch. Contrastive embeddings of short pieces of audio and video are those of
  Chung and Zisserman, "Out of time: automated lip sync in the wild", ACCV 2016 workshops; here the embeddings keep the
  time axis, and one program compares all lags.

  Attributes:
    embedding_dim: length of the vector (D), and of the embeddings that are compared.
    filters: number of filters of every convolution.
    mel_kernel_size: kernel size of the audio's gated convolutions, time x frequency.
    mel_strides: strides over frequency of the audio's convolutions.
    lip_kernel_size: kernel size of the lips' gated convolutions, in images.
    max_lag: largest lag between audio and lips, in images.
    dropout_rate: rate of the dropout before the vector.
    axis_name: mapped axis for global batch statistics; see `NormActivation`.
    dtype: type of the computation, float32 or bfloat16. Parameters, statistics, products and logit are float32.
  """

  embedding_dim: int = 128
  filters: int = 16
  mel_kernel_size: tuple[int, int] = (3, 5)
  mel_strides: tuple[int, ...] = (4, 4, 2)
  lip_kernel_size: int = 5
  max_lag: int = 4
  dropout_rate: float = 0.2
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(
    self,
    log_mel: Float[Array, "B T F"],
    images: Float[Array, "B N 1 M"],
    image_mask: Bool[Array, "B N"],
    *,
    train: bool,
    rows: Rows = EVERY_ROW,
  ) -> tuple[Float[Array, "B D"], Float[Array, " B"]]:
    seen = image_mask.any(axis=1)
    counted = rows.where(seen).counted

    x = log_mel.astype(self.dtype)[..., None]
    for i, stride in enumerate(self.mel_strides):
      block = GluBlock(
        self.filters, self.mel_kernel_size, (3, 3), (1, stride), self.axis_name, self.dtype, name=f"audio_{i}"
      )
      x = block(x, train=train, counted=counted)
    audio = self._unit(x.reshape(*x.shape[:2], -1), "audio_embedding")
    audio = jnp.einsum("nt,btd->bnd", _interpolation(audio.shape[1], images.shape[1]), audio)

    x = normalize_measures(images, image_mask, self.axis_name, self.dtype, train=train, rows=rows)
    for i in range(len(self.mel_strides)):
      block = GluBlock(
        self.filters, (self.lip_kernel_size, 1), (3, 1), (1, 1), self.axis_name, self.dtype, name=f"lips_{i}"
      )
      x = block(x, train=train, counted=counted)
    lips = self._unit(x[:, :, 0], "lip_embedding")

    fit = self._products(audio, lips, image_mask)
    ends = self.embedding_dim, self.dropout_rate, self.axis_name, self.dtype
    return vector_and_logit(fit, seen, *ends, train=train, rows=rows)

  def _unit(self, x: Float[Array, "B _ C"], name: str) -> Float[Array, "B _ D"]:
    """Projects to `embedding_dim` and scales each vector to length 1."""
    x = nn.Dense(self.embedding_dim, dtype=self.dtype, kernel_init=KERNEL_INIT, name=name)(x).astype(jnp.float32)
    return x * jax.lax.rsqrt((x**2).sum(axis=-1, keepdims=True) + 1e-6)

  def _products(
    self, audio: Float[Array, "B N D"], lips: Float[Array, "B N D"], mask: Bool[Array, "B N"]
  ) -> Float[Array, "B L"]:
    """Averages the products of audio and lips over the seen images, for each lag. -> [B, 2 max_lag + 1]."""
    num_images, most = audio.shape[1], self.max_lag
    lips = jnp.pad(jnp.where(mask[:, :, None], lips, 0.0), ((0, 0), (most, most), (0, 0)))
    shifted = (lips[:, start : start + num_images] for start in range(2 * most + 1))
    sums = jnp.concatenate([(audio * other).sum(axis=(1, 2))[:, None] for other in shifted], axis=1)
    return sums / jnp.maximum(mask.sum(axis=1), 1)[:, None]


def _interpolation(num_frames: int, num_images: int) -> np.ndarray:
  """Returns the weights of linear interpolation from frames to images that cover the same time. float32 [N,T]."""
  position = (np.arange(num_images) + 0.5) * num_frames / num_images - 0.5
  distance = np.abs(position.clip(0, num_frames - 1)[:, None] - np.arange(num_frames))
  weights: np.ndarray = np.maximum(1 - distance, 0).astype(np.float32)
  return weights
