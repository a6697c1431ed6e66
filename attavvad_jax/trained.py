"""Loads a trained network with the settings that it was trained with."""

from collections.abc import Mapping
import functools
from pathlib import Path
from typing import Any

from flax import linen as nn
import jax
import numpy as np

from attavvad_jax import config as config_lib
from attavvad_jax.blocks import DataSpec
from attavvad_jax.checkpoints import digest, find_checkpoint, read_meta, restore_variables
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.predict import PredictBatch, predict
from attavvad_jax.timeline import EVENTS, Smoothing
from attavvad_jax.weights import SHIPPED


class TrainedModel:
  """A checkpoint's network, with the clock, crop and smoothing that it was trained with.

  It needs no video library, so machines that only train and evaluate do not need OpenCV, PyAV and mediapipe.

  Args:
    checkpoint: a checkpoint or workdir that training wrote, or "shipped" for the weights in the package. It is kept as
      `name`.
    smoothing: fields of `Smoothing` that replace those of the checkpoint, such as {"min_duration_s": 1.0}.

  Raises:
    ValueError: there is no checkpoint at the path, its parameters do not fit its own configuration, or a field of the
      smoothing is unknown or out of range.
  """

  def __init__(self, checkpoint: str | Path = SHIPPED, smoothing: Mapping[str, Any] | None = None):
    self.name = str(checkpoint)
    self.path = find_checkpoint(checkpoint)
    self.meta: dict[str, Any] = read_meta(self.path)
    if missing := {"config", "spec"} - set(self.meta):
      raise ValueError(
        f"{self.path}: its metadata lack {', '.join(sorted(missing))}; expected a checkpoint that training wrote"
      )
    # Older checkpoints lack some keys.
    self.meta["config"] = config_lib.fill(self.meta["config"])
    self.spec = DataSpec.from_dict(self.meta["spec"])
    if self.spec.events != EVENTS:
      raise ValueError(f"{self.path}: the labels are {self.spec.events}; expected {EVENTS}")
    stored = self.meta["config"]["smoothing"]
    self.smoothing: Smoothing = config_lib.smoothing({"smoothing": {**stored, **(smoothing or {})}})

  @functools.cached_property
  def digest(self) -> str:
    """The digest of the checkpoint's content, see `checkpoints.digest`."""
    return digest(self.path)

  @functools.cached_property
  def model(self) -> nn.Module:
    """The network."""
    return config_lib.model(self.meta["config"])

  @functools.cached_property
  def variables(self) -> Any:
    """The network's parameters and statistics, read at first use."""
    abstract = jax.eval_shape(functools.partial(_init, self.model, self.spec.clock), empty_batch(self.spec, 1))
    return restore_variables(self.path, abstract)

  @functools.cached_property
  def predict(self) -> PredictBatch:
    """The jitted function from batches of blocks to scores."""
    compiled = jax.jit(functools.partial(predict, model=self.model, clock=self.spec.clock))
    return functools.partial(compiled, self.variables)


def empty_batch(spec: DataSpec, size: int) -> dict[str, np.ndarray]:
  """Returns a batch of `size` blocks of zeros: waveform int16 [B,S], images uint8 [B,M,H,W], image_mask bool [B,M]."""
  clock, crop = spec.clock, spec.crop
  return {
    "waveform": np.zeros((size, clock.block_samples), np.int16),
    "images": np.zeros((size, clock.num_images, crop.height_px, crop.width_px), np.uint8),
    "image_mask": np.zeros((size, clock.num_images), bool),
  }


def _init(model, clock, batch):
  return model.init(jax.random.key(0), *network_inputs(batch, clock), train=False)
