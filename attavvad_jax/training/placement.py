"""Maps a step over devices: each takes a part of the batch, and all have the same state.

A step works on its device's blocks and itself combines batch statistics, losses and gradients of all devices
(`training.step`). It is mapped over the devices by `jax.shard_map` inside `jax.jit`, with named shardings, or by
`jax.pmap`. Both run the same function, with the same results and the same collective operations.

`jit` alone, which partitions the step of one device automatically, communicates more. For the small configuration on 8
devices it needs 82 all-reduces and 35 MB a step, one of them in every iteration of the GRUs' scan, against 42
collectives and 3.8 MB here. On 8 simulated devices on two CPU cores, which have no link between them, its step took
1.02 times as long and pmap's 0.88 times (5 rounds; `python -m tools.benchmark --suite=devices`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import numpy as np

from attavvad_jax.blocks import HostBatch

# The name of the mapped axis.
AXIS = "devices"

MESH, PMAP = "mesh", "pmap"

Step = Callable[[Any, Mapping[str, jax.Array], jax.Array], Any]
Forward = Callable[[Any, Mapping[str, jax.Array]], Any]


class Placement(Protocol):
  """A way to map functions over the devices of all processes.

  Attributes:
    num_devices: number of devices of all processes.
  """

  num_devices: int

  def replicate(self, tree: Any) -> Any:
    """Places arrays that every process has on every device."""
    ...

  def put(self, batch: HostBatch) -> Mapping[str, jax.Array | np.ndarray]:
    """Places this process's blocks, whose number its devices divide, as a mapped function takes them."""
    ...

  def map_step(self, step: Step) -> Callable[..., Any]:
    """Compiles `step(state, batch, seed)` for a state that is donated, a batch that `put` returned, and a number."""
    ...

  def map_predict(self, predict: Forward) -> Callable[..., Any]:
    """Compiles `predict(variables, batch)`; every process receives the results of all blocks, in order."""
    ...


class Mesh:
  """Maps by `jax.shard_map` in `jax.jit` over a mesh of all devices; see `Placement`."""

  def __init__(self) -> None:
    self.num_devices = jax.device_count()
    self._mesh = jax.make_mesh((self.num_devices,), (AXIS,), axis_types=(AxisType.Auto,))
    self._shared = NamedSharding(self._mesh, PartitionSpec(AXIS))

  def replicate(self, tree: Any) -> Any:
    return _replicate(tree, self._mesh)

  def put(self, batch: HostBatch) -> dict[str, jax.Array]:
    return {name: jax.make_array_from_process_local_data(self._shared, value) for name, value in batch.items()}

  def map_step(self, step: Step) -> Callable[..., Any]:
    return jax.jit(self._map(step, 2), donate_argnums=0)

  def map_predict(self, predict: Forward) -> Callable[..., Any]:
    return jax.jit(self._map(_gathered(predict), 1))

  def _map(self, function: Callable[..., Any], num_others: int) -> Callable[..., Any]:
    everywhere = PartitionSpec()
    in_specs = (everywhere, PartitionSpec(AXIS), everywhere)[: num_others + 1]
    # All devices return the same values, because the step itself sums losses and gradients over them.
    return jax.shard_map(function, mesh=self._mesh, in_specs=in_specs, out_specs=everywhere, check_vma=False)


class Pmap:
  """Maps by `jax.pmap` over all devices; see `Placement`."""

  def __init__(self) -> None:
    self.num_devices = jax.device_count()
    self._mesh = jax.make_mesh((self.num_devices,), (AXIS,), axis_types=(AxisType.Auto,))

  def replicate(self, tree: Any) -> Any:
    return _replicate(tree, self._mesh)

  def put(self, batch: HostBatch) -> dict[str, jax.Array | np.ndarray]:
    # pmap places the batch: jax 0.6 cannot combine arrays on this process's devices with a state on all devices.
    num_devices = jax.local_device_count()
    return {name: value.reshape(num_devices, -1, *value.shape[1:]) for name, value in batch.items()}

  def map_step(self, step: Step) -> Callable[..., Any]:
    return jax.pmap(step, AXIS, in_axes=(None, 0, None), out_axes=None, donate_argnums=0)

  def map_predict(self, predict: Forward) -> Callable[..., Any]:
    return jax.pmap(_gathered(predict), AXIS, in_axes=(None, 0), out_axes=None)


PLACEMENTS: dict[str, Callable[[], Placement]] = {MESH: Mesh, PMAP: Pmap}


def shared_out(
  batch: HostBatch, num_devices: int, num_parts: int = 1, shard: tuple[int, int] = (0, 1)
) -> dict[str, np.ndarray]:
  """Prepares a process's part of a batch for a step on its devices.

  Args:
    batch: the process's part, which has the same size in every process.
    num_devices: number of the process's devices.
    num_parts: M, the step's `num_microbatches`. A microbatch has every M-th block of each device. Padding precedes a
      process's part that does not start at a multiple of M, so that the microbatches are those of a single device.
    shard: index and number of processes.

  Returns:
    The batch with `place` int32 [B], each block's index in the batch of all processes, and padded with blocks of zeros,
    block_mask false, to a size that is the same in every process and that `num_devices * num_parts` divides.
  """
  size, (index, num_processes) = len(batch["image_mask"]), shard
  placed = {**batch, "place": np.arange(index * size, (index + 1) * size, dtype=np.int32)}
  front = index * size % num_parts
  return _filled(placed, front, filled_size(size, num_devices, num_parts, num_processes) - size - front)


def filled_size(size: int, num_devices: int, num_parts: int, num_processes: int) -> int:
  """Returns the number of blocks to which `shared_out` pads the `size` blocks of a process."""
  multiple = num_devices * num_parts
  longest = size + max(index * size % num_parts for index in range(num_processes))
  return -(-longest // multiple) * multiple


def padded(batch: HostBatch, multiple: int) -> dict[str, np.ndarray]:
  """Appends blocks of zeros, block_mask false, until `multiple` divides the size of the batch."""
  return _filled(batch, 0, -len(batch["image_mask"]) % multiple)


def _filled(batch: HostBatch, front: int, behind: int) -> dict[str, np.ndarray]:
  """Pads a batch with blocks of zeros at its front and its end."""
  return {name: np.pad(value, [(front, behind), *[(0, 0)] * (value.ndim - 1)]) for name, value in batch.items()}


def part_of_process(batch: HostBatch) -> dict[str, np.ndarray]:
  """Returns this process's part of a batch that every process has, divided equally and in order."""
  size = len(batch["image_mask"]) // jax.process_count()
  start = jax.process_index() * size
  return {name: value[start : start + size] for name, value in batch.items()}


def _gathered(predict: Forward) -> Forward:
  def predict_all(variables: Any, batch: Mapping[str, jax.Array]) -> Any:
    return jax.tree.map(lambda x: lax.all_gather(x, AXIS, tiled=True), predict(variables, batch))

  return predict_all


def _replicate(tree: Any, mesh: jax.sharding.Mesh) -> Any:
  everywhere = NamedSharding(mesh, PartitionSpec())

  def place(leaf: Any) -> jax.Array:
    if isinstance(leaf, jax.Array) and leaf.sharding == everywhere:
      return leaf
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, everywhere, lambda index: values[index])

  return jax.tree.map(place, tree)
