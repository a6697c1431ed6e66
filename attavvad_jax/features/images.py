"""Normalization of face images for the networks.

Axes: B blocks, N images, H, W height and width.
"""

import jax.numpy as jnp

from attavvad_jax.shapes import Array, Bool, Float, UInt8


def normalize_images(images: UInt8[Array, "*B N H W"], mask: Bool[Array, "*B N"]) -> Float[Array, "*B N H W"]:
  """Scales each image from its own minimum and maximum to [0, 1], as the released code does. Jittable.

  Args:
    images: [B,N,H,W] uint8, gray; B may be no axis or several axes.
    mask: [B,N] bool, False where there is no image.

  Returns:
    [B,N,H,W] float32; masked and uniform images are zeros.
  """
  low = images.min(axis=(-2, -1), keepdims=True)
  high = images.max(axis=(-2, -1), keepdims=True)
  # The subtraction is in integers and the division by a reciprocal, so that the image is read and written once.
  scale = jnp.where(mask[..., None, None], 1.0 / jnp.maximum(high - low, 1), 0.0)
  return (images - low).astype(jnp.float32) * scale
