import numpy as np
import pytest

from attavvad_jax.blocks import Block, Crop, DataSpec
from attavvad_jax.timeline import Clock


@pytest.fixture(scope="session")
def spec():
  return DataSpec(Clock(), Crop(height_px=24, width_px=16))


@pytest.fixture(scope="session")
def make_blocks(spec):
  """A function that makes blocks of noise with smooth images; block 1 lacks its last image."""

  def make(num_blocks, seed=0):
    rng = np.random.default_rng(seed)
    clock, crop = spec.clock, spec.crop
    ramp = np.linspace(0, 200, crop.height_px)[:, None] + np.linspace(0, 50, crop.width_px)
    for index in range(num_blocks):
      mask = np.ones(clock.images_per_block, bool)
      mask[-1] = index != 1
      images = np.stack([np.roll(ramp, index + i, axis=0) for i in range(clock.images_per_block)])
      images[~mask] = 0
      yield Block(
        index=index,
        waveform=rng.integers(-(2**15), 2**15, clock.block_samples, dtype=np.int16),
        images=images.astype(np.uint8),
        image_mask=mask,
        boxes=np.zeros((clock.images_per_block, 4), np.float32),
      )

  return make
