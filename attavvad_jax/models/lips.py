"""A visual branch for measures of the lips over time, in place of pictures of the face.

Axes: B blocks, N images, M measures in an image's row, D embedding.
"""

from flax import linen as nn
import jax.numpy as jnp

from attavvad_jax.models.layers import EVERY_ROW, Dtype, GluBlock, NormActivation, Rows, vector_and_logit
from attavvad_jax.shapes import Array, Bool, Float

Sizes = tuple[tuple[int, int], ...]


class LipBranch(nn.Module):
  """Maps the measures of the lips to the vocalization vector and its logit. [B,N,1,M], [B,N] -> [B,D], [B].

  It is called as `att_avvad.VisualBranch` and follows the audio branch: each measure is normalized over time and
  blocks, GLU blocks convolve over time, and a fully connected layer with a sigmoid gives the vector. Masked images
  count as zeros; a block without any image has the zero vector and is left out of the batch statistics.

  Differences: the paper's visual branch takes three pictures of the face (Section 2.2). Syllables come at 2 to 8 Hz,
  which measures at the video's own rate show.

  Attributes:
    embedding_dim: length of the vocalization vector (D).
    filters: number of filters of every convolution.
    kernel_sizes: kernel sizes of the gated convolutions, time x 1.
    strided_kernel_sizes: kernel sizes of the strided convolutions that follow them.
    strides: strides of the strided convolutions.
    dropout_rate: rate of the dropout before the fully connected layer of the vocalization vector.
    axis_name: mapped axis for global batch statistics; see `NormActivation`.
    dtype: type of the computation, float32 or bfloat16. Parameters, statistics and logit are float32.
  """

  embedding_dim: int = 128
  filters: int = 32
  kernel_sizes: Sizes = ((5, 1), (5, 1), (5, 1))
  strided_kernel_sizes: Sizes = ((3, 1), (3, 1), (3, 1))
  strides: Sizes = ((2, 1), (2, 1), (2, 1))
  dropout_rate: float = 0.2
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "B N 1 M"], image_mask: Bool[Array, "B N"], *, train: bool, rows: Rows = EVERY_ROW
  ) -> tuple[Float[Array, "B D"], Float[Array, " B"]]:
    seen = image_mask.any(axis=1)
    counted = rows.where(seen).counted
    # Time is the first axis of the convolutions, the measures are their channels: [B,N,1,M].
    x = normalize_measures(images, image_mask, self.axis_name, self.dtype, train=train, rows=rows)
    for i, size in enumerate(zip(self.kernel_sizes, self.strided_kernel_sizes, self.strides, strict=True)):
      block = GluBlock(self.filters, *size, self.axis_name, self.dtype, name=f"block_{i}")
      x = block(x, train=train, counted=counted)

    ends = self.embedding_dim, self.dropout_rate, self.axis_name, self.dtype
    return vector_and_logit(x.reshape(x.shape[0], -1), seen, *ends, train=train, rows=rows)


def normalize_measures(
  images: Float[Array, "B N 1 M"],
  image_mask: Bool[Array, "B N"],
  axis_name: str | None,
  dtype: Dtype,
  *,
  train: bool,
  rows: Rows,
) -> Float[Array, "B N 1 M"]:
  """Normalizes each measure over the seen images; masked ones are zeros. Call it inside a module's compact call."""
  counted = image_mask if rows.counted is None else image_mask & rows.counted[:, None]
  x = NormActivation(_identity, 1, axis_name, name="norm")(images, train=train, counted=counted)
  return jnp.where(image_mask[:, :, None, None], x, 0.0).astype(dtype)


def _identity(x: Array) -> Array:
  return x
