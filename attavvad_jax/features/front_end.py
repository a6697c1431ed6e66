"""Computes the inputs of the networks from a batch of blocks, for training, evaluation and detection alike.

Axes: B blocks, S samples, T audio frames, F mel bands, N images, H, W height and width.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from attavvad_jax.features.images import normalize_images
from attavvad_jax.features.log_mel import log_mel, scale_log_mel
from attavvad_jax.shapes import Array, Bool, Float
from attavvad_jax.timeline import Clock


def network_inputs(
  batch: Mapping[str, Array | np.ndarray], clock: Clock
) -> tuple[Float[Array, "*B T F"], Float[Array, "*B N H W"], Bool[Array, "*B N"]]:
  """Computes the log-mel and the normalized images of a batch on the device.

  Args:
    batch: waveform int16 [B,S], images uint8 [B,N,H,W], image_mask bool [B,N]; other entries are ignored.
    clock: the clock of the blocks.

  Returns:
    Scaled log-mel float32 [B,T,F], images float32 [B,N,H,W] in [0, 1], image_mask bool [B,N].
  """
  mask = jnp.asarray(batch["image_mask"])
  scaled = scale_log_mel(log_mel(jnp.asarray(batch["waveform"]), clock))
  return scaled, normalize_images(jnp.asarray(batch["images"]), mask), mask
