"""How a step is spread over devices: each takes a part of the batch, and all have the same state.

A step works on its device's blocks and says itself what is taken from all devices: batch statistics, losses and one sum
of the gradients (`training.step`). It is mapped over the devices by `jax.shard_map` inside `jax.jit`, with named
shardings, or by `jax.pmap`: the same function, the same numbers, the same calls between devices.

`jit` alone, which shares the step of one device out by itself, sends more: for the small configuration on 8 devices 82
all-reduces and 35 MB a step, one of them in every turn of the GRUs' scan, against 42 calls and 3.8 MB here. On 8
simulated devices of two CPU cores, which have nothing between them, its step took 1.02 times as long, and pmap's 0.88
times (5 rounds; `python -m tools.benchmark --suite=devices`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import numpy as np

from attavvad_jax.blocks import HostBatch

# The mapped axis.
AXIS = "devices"

MESH, PMAP = "mesh", "pmap"

Step = Callable[[Any, Mapping[str, jax.Array], jax.Array], Any]
Forward = Callable[[Any, Mapping[str, jax.Array]], Any]


class Placement(Protocol):
  """Devices of all processes, and how functions are mapped over them.

  Attributes:
    num_devices: of all processes.
  """

  num_devices: int

  def replicate(self, tree: Any) -> Any:
    """Arrays that every process has, as arrays that every device has."""
    ...

  def put(self, batch: HostBatch) -> Mapping[str, jax.Array | np.ndarray]:
    """This process's blocks, as many as its devices divide, as a mapped function takes them."""
    ...

  def map_step(self, step: Step) -> Callable[..., Any]:
    """`step(state, batch, seed)` compiled: of a state that is used up, a batch as `put` gives it, and a number."""
    ...

  def map_predict(self, predict: Forward) -> Callable[..., Any]:
    """`predict(variables, batch)` compiled; every process gets what comes of all blocks, in order."""
    ...


class Mesh:
  """`jax.shard_map` in `jax.jit` over a mesh of all devices; see `Placement`."""

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
    # What a device finds is the same on all: losses and gradients are summed over them by hand.
    return jax.shard_map(function, mesh=self._mesh, in_specs=in_specs, out_specs=everywhere, check_vma=False)


class Pmap:
  """`jax.pmap` over all devices; see `Placement`."""

  def __init__(self) -> None:
    self.num_devices = jax.device_count()
    self._mesh = jax.make_mesh((self.num_devices,), (AXIS,), axis_types=(AxisType.Auto,))

  def replicate(self, tree: Any) -> Any:
    return _replicate(tree, self._mesh)

  def put(self, batch: HostBatch) -> dict[str, jax.Array | np.ndarray]:
    # Left to pmap: jax 0.6 cannot join arrays on this process's devices with a state on those of all.
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
  """A process's share of a batch, as a step on its devices takes it.

  Args:
    batch: the share, equally large for every process.
    num_devices: of the process.
    num_parts: the step's `num_microbatches`. Of every device's blocks, a part is every M-th; in front of a share that
      begins in the middle of a round there is padding, so that the parts are those that one device would take.
    shard: index and number of processes.

  Returns:
    The batch with `place` int32 [B], of each block in the batch of all processes, filled up with blocks of zeros,
    block_mask false, to a number that is the same for every process and that `num_devices * num_parts` divides.
  """
  size, (index, num_processes) = len(batch["image_mask"]), shard
  placed = {**batch, "place": np.arange(index * size, (index + 1) * size, dtype=np.int32)}
  front = index * size % num_parts
  return _filled(placed, front, filled_size(size, num_devices, num_parts, num_processes) - size - front)


def filled_size(size: int, num_devices: int, num_parts: int, num_processes: int) -> int:
  """How many blocks `shared_out` makes of a process's `size`."""
  multiple = num_devices * num_parts
  longest = size + max(index * size % num_parts for index in range(num_processes))
  return -(-longest // multiple) * multiple


def padded(batch: HostBatch, multiple: int) -> dict[str, np.ndarray]:
  """A batch with blocks of zeros behind it, block_mask false, until `multiple` divides their number."""
  return _filled(batch, 0, -len(batch["image_mask"]) % multiple)


def _filled(batch: HostBatch, front: int, behind: int) -> dict[str, np.ndarray]:
  """A batch with so many blocks of zeros in front of it and behind it."""
  return {name: np.pad(value, [(front, behind), *[(0, 0)] * (value.ndim - 1)]) for name, value in batch.items()}


def part_of_process(batch: HostBatch) -> dict[str, np.ndarray]:
  """This process's of the equal parts, in order, of a batch that every process has."""
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
