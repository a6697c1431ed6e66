"""Reads and checks a config: the data, the network and the step it describes, and their mapping over devices."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import json
from typing import Any

from flax import linen as nn
import grain
import jax
import numpy as np
import optax

from attavvad_jax import checkpoints as checkpoints_lib
from attavvad_jax import config as config_lib
from attavvad_jax.blocks import AUDIO, HostBatch
from attavvad_jax.datasets.loader import PreparedData, training_batches
from attavvad_jax.features.augmentation import Batch
from attavvad_jax.loss_weights import LossWeights
from attavvad_jax.loss_weights.base import Schedule
from attavvad_jax.models import field_names, with_fields
from attavvad_jax.predict import BlockScores, predict
from attavvad_jax.settings import Augmentation, Transfer
from attavvad_jax.training.averaging import averaged
from attavvad_jax.training.optimizer import optimizer
from attavvad_jax.training.placement import (
  AXIS,
  Placement,
  filled_size,
  padded,
  part_of_process,
  shared_out,
)
from attavvad_jax.training.step import StepLog, TrainState, create_state, train_step
from attavvad_jax.training.transfer import describe, freeze, frozen_parameters, load_matching


@dataclasses.dataclass(frozen=True)
class Setup:
  """The objects that a config describes.

  Attributes:
    config: plain values, as JSON returns them.
    data: prepared data set.
    model: network.
    transfer: checkpoint to start from and parameters to freeze.
    optimizer: optimizer of the parameters.
    loss_weights: function that computes the nine weights.
    sync_weight: weight of the term of a sync branch, as a function of the step.
    augmentation: changes to the batches.
    audio_label: entry of a batch with the targets of the audio branch.
    num_steps: number of steps of the whole training.
    checkpoint_interval: number of steps between checkpoints, each preceded by a validation.
  """

  config: dict[str, Any]
  data: PreparedData
  model: nn.Module
  transfer: Transfer
  optimizer: optax.GradientTransformation
  loss_weights: LossWeights
  sync_weight: Schedule
  augmentation: Augmentation
  audio_label: str
  num_steps: int
  checkpoint_interval: int

  @property
  def data_digests(self) -> dict[str, str]:
    """The digests of the splits that training reads (`PreparedData.digest`)."""
    return {split: self.data.digest(split) for split in ("train", "validation") if split in self.data.splits}

  @functools.cached_property
  def source_digest(self) -> str | None:
    """The digest of the checkpoint of `config.transfer`; None if there is none, or it no longer exists."""
    if self.transfer.checkpoint is None:
      return None
    try:
      return checkpoints_lib.parameters_digest(checkpoints_lib.find_checkpoint(self.transfer.checkpoint))
    except (ValueError, OSError):
      return None  # a resumed run does not need it, and a fresh run raises when it loads it

  def open_batches(self) -> grain.DatasetIterator:
    """Returns an iterator of this process's part of the training batches, from the first."""
    shard = (jax.process_index(), jax.process_count())
    return training_batches(self.data, "train", self.config["batch_size"], self.config["seed"], shard=shard)

  def create_state(self, batch: Batch | HostBatch) -> TrainState:
    """Returns a fresh state for batches shaped like `batch`."""
    return create_state(self.model, self.optimizer, self.loss_weights, batch, self.data.spec.clock, self.config["seed"])

  def load_transfer(self, state: TrainState) -> tuple[TrainState, str]:
    """Returns a state with the matching arrays of `config.transfer.checkpoint`, and their description ("" without)."""
    if self.transfer.checkpoint is None:
      return state, ""
    state, loaded = load_matching(state, self.transfer.checkpoint)
    return state, describe(loaded, frozen_parameters(state.params, self.transfer.freeze))

  def step(self, state: TrainState, batch: Batch, **changes: Any) -> tuple[TrainState, StepLog]:
    """Makes a `train_step` with the options of this setup, replaced by `changes`. Pure; the caller jits it."""
    options: dict[str, Any] = dict(
      model=self.model,
      optimizer=self.optimizer,
      loss_weights=self.loss_weights,
      clock=self.data.spec.clock,
      seed=self.config["seed"],
      sync_weight=self.sync_weight,
      augmentation=self.augmentation,
      audio_label=self.audio_label,
      num_microbatches=self.config["num_microbatches"],
      remat=self.config["remat"],
    )
    return train_step(state, batch, **{**options, **changes})

  def map_step(self, placement: Placement) -> Callable[[TrainState, HostBatch], tuple[TrainState, StepLog]]:
    """Returns `step`, compiled and mapped over devices; it takes this process's blocks and donates the state."""
    num_processes, num_parts = jax.process_count(), self.config["num_microbatches"]
    size, num_devices = self.config["batch_size"] // num_processes, placement.num_devices // num_processes
    has_padding = filled_size(size, num_devices, num_parts, num_processes) > size
    has_axis = "axis_name" in field_names(self.model)
    model = with_fields(self.model, axis_name=AXIS) if has_axis else self.model

    # The seed is an argument, so that runs that differ only in it share the compiled program.
    def step(state: TrainState, batch: Batch, seed: jax.Array) -> tuple[TrainState, StepLog]:
      return self.step(state, batch, seed=seed, model=model, axis_name=AXIS, has_padding=has_padding)

    advance = placement.map_step(step)
    seed = np.uint32(self.config["seed"])

    def advance_by(state: TrainState, batch: HostBatch) -> tuple[TrainState, StepLog]:
      share = shared_out(batch, num_devices, num_parts, (jax.process_index(), num_processes))
      return advance(state, placement.put(share), seed)

    return advance_by

  def map_predict(self, placement: Placement) -> Callable[[Any, HostBatch], BlockScores]:
    """Returns `predict`, compiled and mapped over devices; it takes and returns all blocks in every process."""
    run = placement.map_predict(self.predict)

    def predict_batch(variables: Any, batch: HostBatch) -> BlockScores:
      scores = run(variables, placement.put(part_of_process(padded(batch, placement.num_devices))))
      return jax.tree.map(lambda values: np.asarray(values)[: len(batch["image_mask"])], scores)

    return predict_batch

  def predict(self, variables: Any, batch: Batch) -> BlockScores:
    """Returns the scores of a batch. Pure; the caller jits it."""
    return predict(variables, batch, model=self.model, clock=self.data.spec.clock)


def set_up(config: Mapping[str, Any]) -> Setup:
  """Reads a whole config and writes nothing, so that an invalid value leaves no files behind.

  Raises:
    ValueError: the config is invalid or does not fit the data.
  """
  config = config_lib.fill(plain(config))
  config_lib.check_keys(config)
  data = _open_data(config)
  config_lib.smoothing(config)
  config_lib.check_batch(config)
  transfer = config_lib.transfer(config)
  num_blocks = len(data.source("train"))
  return Setup(
    config=config,
    data=data,
    model=config_lib.model(config),
    transfer=transfer,
    optimizer=averaged(freeze(optimizer(config, num_blocks), transfer.freeze), config_lib.optimizer(config).ema_decay),
    loss_weights=config_lib.loss_weights(config),
    sync_weight=config_lib.sync_weight(config),
    augmentation=config_lib.augmentation(config),
    audio_label=_audio_label(data, config),
    num_steps=config_lib.num_steps(config, num_blocks, config["num_epochs"]),
    checkpoint_interval=config_lib.checkpoint_interval(config, num_blocks),
  )


def _open_data(config: Mapping[str, Any]) -> PreparedData:
  if not config["data"]:
    raise ValueError("config.data is not set; give a prepared data set: --config.data=PATH")
  data = PreparedData(config["data"])
  if misfit := data.spec.misfit(config_lib.data_spec(config)):
    raise ValueError(f"{data.path}: prepared with {misfit}, which the config needs; prepare it again")
  return data


def _audio_label(data: PreparedData, config: Mapping[str, Any]) -> str:
  """Returns the entry of a batch with the targets of the audio branch."""
  if config_lib.audio_targets(config) == config_lib.PERFORMER:
    return "label"
  if AUDIO not in data.spec.label_sets:
    raise ValueError(
      f"{data.path}: lacks labels of any voice, which config.audio_targets={config_lib.ANY_VOICE} needs; prepare it "
      f"with them or set {config_lib.PERFORMER}"
    )
  return "audio_label"


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a ConfigDict or nested dict as plain dicts, as JSON would return it."""
  return json.loads(json.dumps(dict(config), default=lambda nested: nested.to_dict()))
