"""Networks and random blocks for figures of a network's internals."""

from collections.abc import Sequence
import dataclasses
from pathlib import Path
from typing import Any

from flax import linen as nn
import jax
import numpy as np

from attavvad_jax.blocks import HostBatch
from attavvad_jax.datasets.loader import PreparedData, batches_in_order
from attavvad_jax.datasets.records import to_example
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.models import Outputs
from attavvad_jax.predict import BATCH_SIZE
from attavvad_jax.timeline import EVENTS, Clock
from attavvad_jax.trained import TrainedModel


@dataclasses.dataclass(frozen=True)
class Network:
  """A trained network.

  Attributes:
    name: title with the model's name, its fusion and the step of the checkpoint.
    model: the module.
    variables: its parameters and statistics.
    clock: the clock of its input blocks.
  """

  name: str
  model: nn.Module
  variables: Any
  clock: Clock

  def outputs(self, blocks: Sequence[HostBatch]) -> Outputs:
    """Returns all outputs of the network for some blocks, as numpy arrays."""

    @jax.jit
    def apply(variables, batch):
      return self.model.apply(variables, *network_inputs(batch, self.clock), train=False)

    parts = [
      jax.tree.map(lambda array, mask=batch["block_mask"]: np.asarray(array)[mask], apply(self.variables, batch))
      for batch in batches_in_order(blocks, BATCH_SIZE)
    ]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def draw_blocks(
  checkpoint: str | Path, data: str | Path, split: str, groups: Sequence[Sequence[str]], per_group: int, seed: int
) -> tuple[Network, list[HostBatch]]:
  """Loads the network of a checkpoint and draws equally many random blocks of a split from each group of events.

  Args:
    checkpoint: a checkpoint or workdir that training wrote.
    data: a prepared data set with the checkpoint's clock and crop.
    split: a split of the data set. Blocks without any image are left out.
    groups: events of the performer; the blocks of a group are drawn together.
    per_group: number of blocks of each group; a group with fewer contributes all.
    seed: seed of the draw.

  Returns:
    The network, and the blocks as returned by `to_example`, group after group.

  Raises:
    ValueError: the checkpoint, data set or split does not exist, the checkpoint does not fit the data, or there is no
      block to draw.
  """
  detector, prepared = TrainedModel(checkpoint), PreparedData(data)
  if misfit := prepared.spec.misfit(detector.spec):
    raise ValueError(f"{prepared.path}: prepared with {misfit}, which the checkpoint needs; prepare it again")
  source = prepared.source(split)
  labels = np.array([EVENTS[record["label"]] if record["image_mask"].any() else "" for record in source])
  rng = np.random.default_rng(seed)
  positions = [
    int(position)
    for group in groups
    for position in rng.permutation(np.flatnonzero(np.isin(labels, group)))[:per_group]
  ]
  if not positions:
    raise ValueError(f"{prepared.path}: no block of split {split!r} shows a face; choose another split or data set")
  blocks: list[HostBatch] = [to_example(source[position], prepared.spec) for position in positions]

  fields = detector.meta["config"]["model"]
  name = f"{fields['name']} with {fields['fusion']}" if fields.get("fusion") else fields["name"]
  title = f"{name}, step {detector.meta['step']}"
  return Network(title, detector.model, detector.variables, detector.spec.clock), blocks
