"""Layers that the models share. Layers that the paper repeats for each event or gate are computed as one batched array.

Axes: B blocks, T audio frames, N images, H and W height and width (T and F for a spectrogram), C channels, E events, D
embedding, G GRUs, U units of a GRU, I and O inputs and outputs, h and w height and width of a kernel, s stride.
Parameters are float32; `dtype` is the type of the computation.
"""

from collections.abc import Callable
import functools
import math
from typing import Any, NamedTuple

from flax import linen as nn
import jax
from jax import lax
from jax.ad_checkpoint import checkpoint_name
import jax.numpy as jnp

from attavvad_jax.shapes import Array, Bool, Float, Int, Key

Dtype = Any
Activation = Callable[[Array], Array]
# Which blocks (bool [B]) or which of their images (bool [B,N]) the batch statistics count; None counts all.
Counted = Bool[Array, "B *N"] | None

# Names of the values that rematerialization keeps: the outputs of convolution blocks, which are small compared with the
# values inside a block; and batch statistics, so that devices exchange them only once.
BLOCK_OUTPUT, STATISTICS = "block_output", "statistics"
# Gives a value one of these names. Annotated here because jax does not.
named: Callable[[Array, str], Array] = checkpoint_name

# Running statistics with a momentum of 0.99 lag a hundred steps behind, too long for a short training. Keras uses 0.99
# and 1e-3.
BATCH_NORM_MOMENTUM = 0.9
BATCH_NORM_EPSILON = 1e-5

# Keras's defaults, which the released network uses, together with orthogonal recurrent kernels and zero biases.
KERNEL_INIT = nn.initializers.glorot_uniform()
BATCHED_KERNEL_INIT = nn.initializers.glorot_uniform(batch_axis=(0,))


class Rows(NamedTuple):
  """Places of the blocks in the whole batch and the blocks that count; a device may hold only some of the batch.

  Attributes:
    places: int32 [B], place of each block in the batch over all devices and processes; None for 0, 1, 2 and so on.
    counted: bool [B], False for padding, which is left out of the batch statistics; None if there is no padding.
  """

  places: Int[Array, " B"] | None = None
  counted: Counted = None

  def where(self, mask: Bool[Array, " B"]) -> "Rows":
    """Counts only those of the counted blocks that are in a mask [B]."""
    return self._replace(counted=mask if self.counted is None else mask & self.counted)


EVERY_ROW = Rows()


def differences(images: Float[Array, "B N H W"], image_mask: Bool[Array, "B N"]) -> Float[Array, "B N-1 H W"]:
  """Absolute difference of each image from the previous one; 0 where either is masked.

  Args:
    images: float [B,N,H,W].
    image_mask: bool [B,N].

  Returns:
    [B,N-1,H,W].
  """
  both = image_mask[:, 1:] & image_mask[:, :-1]
  return jnp.where(both[:, :, None, None], jnp.abs(images[:, 1:] - images[:, :-1]), 0.0)


class NormActivation(nn.Module):
  """Batch normalization over the leading axes, then an activation. [B, ..., C] -> [B, ..., C'].

  The backward pass keeps only the input and recomputes the normalized values, which is twice as fast at the first
  visual layer and saves most of the memory. Sums over a batch, here and in the gradients, are `_sum`.

  In training, the statistics are those of the blocks in `counted`. If no block is counted, the running statistics are
  used and stay unchanged.

  Differences: the released network uses Keras's defaults, a momentum of 0.99 and an epsilon of 1e-3; here they are 0.9
  and 1e-5.

  Attributes:
    activation: function applied after the normalization, such as `nn.glu` or `nn.relu`.
    feature_axes: number of trailing axes with statistics of their own: 1 for [..., C], 2 for [..., E, C].
    axis_name: name of the mapped axis (shard_map, pmap) over which batch statistics are taken; None without one.
    dtype: type of the result; statistics and normalization are float32.
  """

  activation: Activation
  feature_axes: int = 1
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "B ..."], *, train: bool, counted: Counted = None) -> Float[Array, "B ..."]:
    shape = x.shape[-self.feature_axes :]
    scale = self.param("scale", nn.initializers.ones_init(), shape)
    bias = self.param("bias", nn.initializers.zeros_init(), shape)
    running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
    running_var = self.variable("batch_stats", "var", jnp.ones, shape)
    if not train:
      return _normalize(x, running_mean.value, running_var.value, scale, bias, self.activation, self.dtype)

    mean, var, count = _batch_statistics(x, self.feature_axes, self.axis_name, counted)
    if counted is not None:
      mean = jnp.where(count > 0, mean, running_mean.value)
      var = jnp.where(count > 0, var, running_var.value)
    if not self.is_initializing():
      for running, current in ((running_mean, mean), (running_var, var)):
        updated = BATCH_NORM_MOMENTUM * running.value + (1 - BATCH_NORM_MOMENTUM) * current
        running.value = updated if counted is None else jnp.where(count > 0, updated, running.value)
    normalize = jax.checkpoint(_normalize, static_argnums=(5, 6))
    result: Array = normalize(x, mean, var, scale, bias, self.activation, self.dtype)
    return result


def _batch_statistics(
  x: Array, feature_axes: int, axis_name: str | None, counted: Counted
) -> tuple[Array, Array, Array | float]:
  """Mean and biased variance over all but the feature axes, float32, and the number of blocks or images counted.

  The variance takes a second pass, since the mean of squares minus the squared mean loses the small variance of a
  sigmoid's outputs. Each device computes both for its own blocks, and one exchange combines them (Chan et al.,
  "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
  """
  num_axes = 1 if counted is None else counted.ndim
  positions = math.prod(x.shape[num_axes : x.ndim - feature_axes])
  count = float(len(x)) if counted is None else counted.sum(dtype=jnp.float32)
  mask = None if counted is None else counted.reshape(*counted.shape, *[1] * (x.ndim - num_axes))

  def own_mean(values: Array) -> Array:
    values = values if mask is None else jnp.where(mask, values, 0)
    return _sum(values, feature_axes) / (jnp.maximum(count, 1.0) * positions)

  mean = own_mean(x)
  var = own_mean((x - _spread(mean, x.shape)) ** 2)
  if axis_name is None:
    return mean, var, count
  own = jnp.stack([mean, var, jnp.broadcast_to(count, mean.shape)])
  means, variances, counts = named(lax.all_gather(own, axis_name, axis=1), STATISTICS)
  total = counts.sum(axis=0)
  fractions = counts / jnp.maximum(total, 1.0)
  mean = (fractions * means).sum(axis=0)
  return mean, (fractions * (variances + (means - mean) ** 2)).sum(axis=0), total


def _normalize(
  x: Array,
  mean: Array,
  var: Array,
  scale: Array,
  bias: Array,
  activation: Activation,
  dtype: Dtype,
) -> Array:
  factor = scale * lax.rsqrt(var + BATCH_NORM_EPSILON)
  centered = x - _spread(mean, x.shape)
  return activation(centered * _spread(factor, x.shape) + _spread(bias, x.shape)).astype(dtype)


def _sum(x: Array, feature_axes: int) -> Array:
  """Sum over all but the feature axes, float32. [B, ..., C] -> [C].

  The blocks are summed first, which XLA vectorizes on a CPU, and the rest by a product with ones. This is 5 to 15 times
  as fast as a single sum, which XLA does not vectorize; it would merge two nested sums into one.
  """
  rows = x.astype(jnp.float32).sum(axis=0).reshape(-1, *x.shape[x.ndim - feature_axes :])
  return jnp.tensordot(jnp.ones(len(rows)), rows, 1, precision=lax.Precision.HIGHEST)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _spread(values: Array, shape: tuple[Any, ...]) -> Array:
  """Broadcasts to a shape, which may have symbolic sizes; the gradient is `_sum`. [C] -> [B, ..., C]."""
  return jnp.broadcast_to(values, shape)


def _spread_forward(values: Array, shape: tuple[Any, ...]) -> tuple[Array, int]:
  return _spread(values, shape), values.ndim


def _spread_backward(shape: tuple[Any, ...], feature_axes: int, gradient: Array) -> tuple[Array]:
  return (_sum(gradient, feature_axes).astype(gradient.dtype),)


_spread.defvjp(_spread_forward, _spread_backward)


class Conv(nn.Module):
  """Convolution with SAME padding and gradients that are fast on CPUs. [B,H,W,C] -> [B,ceil(H/s),ceil(W/s),O]."""

  features: int
  kernel_size: tuple[int, int]
  strides: tuple[int, int] = (1, 1)
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B _ _ O"]:
    shape = (*self.kernel_size, x.shape[-1], self.features)
    kernel = self.param("kernel", KERNEL_INIT, shape)
    bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
    x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
    x = _conv(x, kernel, self.strides, "SAME") if self.strides == (1, 1) else strided_conv(x, kernel, self.strides)
    return x + _spread(bias, x.shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def strided_conv(
  x: Float[Array, "B H W C"], kernel: Float[Array, "h w C O"], strides: tuple[int, int]
) -> Float[Array, "B _ _ O"]:
  """Strided convolution with SAME padding. x [B,H,W,C], kernel [h,w,C,O] -> [B,ceil(H/s),ceil(W/s),O].

  The gradient of x is computed from the same convolution over a space-to-depth input. On a CPU, this is 3 times as fast
  as autodiff's dilated convolution.
  """
  return _conv(x, kernel, strides, "SAME")


def _strided_conv_forward(x: Array, kernel: Array, strides: Any) -> tuple[Array, tuple[Array, Array]]:
  return strided_conv(x, kernel, strides), (x, kernel)


def _strided_conv_backward(strides: Any, kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
  x, kernel = kept
  (x_gradient,) = jax.linear_transpose(lambda x: _space_to_depth_conv(x, kernel, strides), x)(gradient)
  (kernel_gradient,) = jax.linear_transpose(lambda kernel: _conv(x, kernel, strides, "SAME"), kernel)(gradient)
  return x_gradient, kernel_gradient


strided_conv.defvjp(_strided_conv_forward, _strided_conv_backward)


def _conv(x: Array, kernel: Array, strides: tuple[int, int], padding: Any) -> Array:
  return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _space_to_depth_conv(x: Array, kernel: Array, strides: tuple[int, int]) -> Array:
  """Computes `strided_conv` as a convolution of stride 1 over tiles of `strides` pixels of the input."""
  pads = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, "SAME")
  # To cover whole tiles, the kernel is padded at its end, and the input as far as the padded kernel reaches.
  tiles = [-(-size // stride) for size, stride in zip(kernel.shape[:2], strides, strict=True)]
  outputs = [-(-size // stride) for size, stride in zip(x.shape[1:3], strides, strict=True)]
  reach = [(o + t - 1) * s for o, t, s in zip(outputs, tiles, strides, strict=True)]
  x_pads = [(low, r - low - n) for (low, _), r, n in zip(pads, reach, x.shape[1:3], strict=True)]
  kernel_pads = [(0, t * s - n) for t, s, n in zip(tiles, strides, kernel.shape[:2], strict=True)]
  x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in x_pads), (0, 0, 0)])
  kernel = jnp.pad(kernel, (*kernel_pads, (0, 0), (0, 0)))
  (s, t), (_, _, channels, features) = strides, kernel.shape
  x = x.reshape(len(x), reach[0] // s, s, reach[1] // t, t, channels).transpose(0, 1, 3, 2, 4, 5)
  kernel = kernel.reshape(tiles[0], s, tiles[1], t, channels, features).transpose(0, 2, 1, 3, 4, 5)
  return _conv(
    x.reshape(*x.shape[:3], s * t * channels),
    kernel.reshape(*tiles, s * t * channels, features),
    (1, 1),
    "VALID",
  )


class GluBlock(nn.Module):
  """Gated convolution followed by a strided one with ReLU. [B,H,W,C] -> [B,ceil(H/s),ceil(W/s),filters].

  One convolution with twice the filters computes both the linear part and the gate (Section 2.1; Dauphin et al. 2017).
  """

  filters: int
  kernel_size: tuple[int, int]
  strided_kernel_size: tuple[int, int]
  strides: tuple[int, int]
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "B H W C"], *, train: bool, counted: Counted = None) -> Float[Array, "B _ _ O"]:
    def norm(activation: Activation, name: str, x: Array) -> Array:
      layer = NormActivation(activation, axis_name=self.axis_name, dtype=self.dtype, name=name)
      return layer(x, train=train, counted=counted)

    x = Conv(2 * self.filters, self.kernel_size, dtype=self.dtype, name="gated_conv")(x)
    x = norm(nn.glu, "gated_norm", x)
    x = Conv(self.filters, self.strided_kernel_size, self.strides, self.dtype, name="strided_conv")(x)
    return named(norm(nn.relu, "strided_norm", x), BLOCK_OUTPUT)


class BatchedGru(nn.Module):
  """Last states of G GRUs that run over the same sequence in one scan. [B,T,I] -> [B,G,U].

  Differences: conventions and results are those of flax's GRUCell. The reset and update gates have a second, recurrent
  bias besides, as in the released network (the default of Keras and cuDNN); it adds 2 U parameters and nothing else.
  """

  num_grus: int
  units: int
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "B T I"]) -> Float[Array, "B G U"]:
    shape = (self.num_grus, x.shape[-1], 3 * self.units)
    kernel = self.param("input_kernel", BATCHED_KERNEL_INIT, shape)
    bias = self.param("input_bias", nn.initializers.zeros_init(), (self.num_grus, 3 * self.units))
    recurrent_kernel = self.param("recurrent_kernel", _orthogonal, (self.num_grus, self.units, 3 * self.units))
    recurrent_bias = self.param("recurrent_bias", nn.initializers.zeros_init(), (self.num_grus, 3 * self.units))
    x, kernel, bias, recurrent_kernel, recurrent_bias = nn.dtypes.promote_dtype(
      x, kernel, bias, recurrent_kernel, recurrent_bias, dtype=self.dtype
    )

    def step(state: Array, inputs: Array) -> tuple[Array, None]:
      recurrent = jnp.einsum("gbu,guo->gbo", state, recurrent_kernel) + recurrent_bias[:, None]
      input_reset, input_update, input_new = jnp.split(inputs, 3, axis=-1)
      reset, update, new = jnp.split(recurrent, 3, axis=-1)
      reset, update = nn.sigmoid(input_reset + reset), nn.sigmoid(input_update + update)
      new = jnp.tanh(input_new + reset * new)
      return (1 - update) * new + update * state, None

    # The input products of all frames and GRUs are computed at once, so that the scan has only the recurrence.
    inputs = jnp.einsum("bti,gio->tgbo", x, kernel) + bias[:, None]
    state, _ = lax.scan(step, jnp.zeros((self.num_grus, x.shape[0], self.units), x.dtype), inputs)
    return state.swapaxes(0, 1)


def _orthogonal(key: Array, shape: tuple[int, int, int]) -> Array:
  """Initializes each GRU's kernel with rows that are orthonormal over all gates, as Keras does. [G,U,3U]."""
  keys = jax.random.split(key, shape[0])
  return jax.vmap(lambda key: nn.initializers.orthogonal()(key, shape[1:]))(keys)


def block_keys(key: Key[Array, ""], places: Int[Array, " B"]) -> Key[Array, " B"]:
  """Derives a key for each block from its place in the whole batch. [B] -> [B] keys."""
  return jax.vmap(functools.partial(jax.random.fold_in, key))(places)


class Dropout(nn.Module):
  """Drops each value with probability `rate` and scales the rest by 1 / (1 - rate). [B, ...] -> [B, ...].

  The values that a block loses depend on the key "dropout" and on its place in the whole batch (`Rows.places`), so that
  a batch loses the same values on one device as on several.
  """

  rate: float

  @nn.compact
  def __call__(
    self, x: Float[Array, "B ..."], *, train: bool, places: Int[Array, " B"] | None = None
  ) -> Float[Array, "B ..."]:
    if not train or self.rate == 0.0:
      return x
    keys = block_keys(self.make_rng("dropout"), jnp.arange(len(x)) if places is None else places)
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1.0 - self.rate, x.shape[1:]))(keys)
    return jnp.where(kept, x / (1.0 - self.rate), 0.0).astype(x.dtype)


class EventDense(nn.Module):
  """A separate fully connected layer for each event. [B,E,I] -> [B,E,O]."""

  features: int
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "B E I"]) -> Float[Array, "B E O"]:
    num_events, inputs = x.shape[1:]
    shape = (num_events, inputs, self.features)
    kernel = self.param("kernel", BATCHED_KERNEL_INIT, shape)
    bias = self.param("bias", nn.initializers.zeros_init(), (num_events, self.features))
    x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
    result: Array = jnp.einsum("bei,eio->beo", x, kernel) + bias
    return result


def vector_and_logit(
  x: Float[Array, "B _"],
  seen: Bool[Array, " B"],
  embedding_dim: int,
  dropout_rate: float,
  axis_name: str | None,
  dtype: Dtype,
  *,
  train: bool,
  rows: Rows,
) -> tuple[Float[Array, "B D"], Float[Array, " B"]]:
  """Maps features to a vector and its logit (Section 2.2): dropout, a fully connected layer, a sigmoid. -> [B,D], [B].

  Blocks that are not seen have the zero vector and are left out of the statistics. Call it inside a module's compact
  call: the layers are that module's.
  """
  x = Dropout(dropout_rate)(x, train=train, places=rows.places)
  x = nn.Dense(embedding_dim, dtype=dtype, kernel_init=KERNEL_INIT, name="embedding")(x)
  norm = NormActivation(nn.sigmoid, 1, axis_name, dtype, name="embedding_norm")
  x = norm(x, train=train, counted=rows.where(seen).counted)
  x = jnp.where(seen[:, None], x, 0.0)
  return x, nn.Dense(1, dtype=jnp.float32, kernel_init=KERNEL_INIT, name="logit")(x)[..., 0]


class EventHeads(nn.Module):
  """Maps each event's vector to its logit through a fully connected layer with ReLU. [B,E,D] -> [B,E] float32."""

  units: int
  axis_name: str | None = None
  dtype: Dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "B E D"], *, train: bool, counted: Counted = None) -> Float[Array, "B E"]:
    x = EventDense(self.units, self.dtype, name="hidden")(x)
    x = NormActivation(nn.relu, 2, self.axis_name, self.dtype, name="norm")(x, train=train, counted=counted)
    return EventDense(1, jnp.float32, name="logits")(x)[..., 0]
