"""Checkpoints that are enough: parameters, statistics, optimizer, loss weights, data position, config, clock, labels.

A run keeps two: `last`, to go on from, and `best` on validation, to use. Orbax writes each aside and renames it, so
that one killed in mid-save leaves the one before it intact.
"""

from collections.abc import Iterator, Mapping
import contextlib
import logging
import math
from pathlib import Path
import shutil
import threading
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp

from attavvad_jax.checkpoints import check_fit, leaf_name, read_meta, restore_item
from attavvad_jax.training.averaging import AverageState
from attavvad_jax.training.step import TrainState

KINDS = ("last", "best")

# A checkpoint takes that many times its arrays (compression gains little), and so much besides.
_ROOM_FACTOR, _ROOM_BYTES = 1.1, 300_000
# Version 0.1 spelled the item, and fields within it, in the British way.
_OLD_ITEM = "optimiser"


def has_last(workdir: str | Path) -> bool:
  """Whether a run has a checkpoint to go on from; creates nothing."""
  return any(child.name.isdigit() for child in (Path(workdir) / "checkpoints" / "last").glob("*"))


def is_better(validation: Mapping[str, float], best_f: float | None) -> bool:
  """Whether a checkpoint becomes `best`: F is above that of the best so far, or is the first one that is a number.

  Args:
    validation: its figures, with "f"; empty where nothing was validated.
    best_f: of the best so far; None where there is none.
  """
  if not validation:
    return False
  # F is NaN where the split has no event. Compared as it is, such a best would be the last one.
  return best_f is None or validation["f"] > best_f or (math.isnan(best_f) and not math.isnan(validation["f"]))


def clear_leftovers(workdir: str | Path) -> None:
  """Removes what a run left that was killed: a checkpoint half written, or one before the newest, half deleted.

  Orbax would do the former by itself, but in the background, where it may meet the next save.
  """
  for kind in KINDS:
    folder = Path(workdir) / "checkpoints" / kind
    steps = sorted((child for child in folder.glob("*") if child.name.isdigit()), key=lambda child: int(child.name))
    for child in [*steps[:-1], *folder.glob("*.orbax-checkpoint-tmp*")]:
      shutil.rmtree(child)


class Checkpoints:
  """The `last` and the `best` checkpoint of one run, below `<workdir>/checkpoints`."""

  def __init__(self, workdir: str | Path):
    folder = Path(workdir).absolute() / "checkpoints"
    # Synchronous: a save on a CPU takes milliseconds, and what has returned is on disk.
    options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False, create=True)
    self._managers = {name: ocp.CheckpointManager(folder / name, options=options) for name in KINDS}

  def latest_step(self) -> int | None:
    """The step of `last`, or None for a fresh run."""
    return self._managers["last"].latest_step()

  def best_meta(self) -> dict[str, Any] | None:
    """The metadata of `best`, or None."""
    step = self._managers["best"].latest_step()
    return None if step is None else read_meta(self._managers["best"].directory / str(step))

  def save(self, name: str, state: TrainState, iterator: grain.DatasetIterator, meta: Mapping[str, Any]) -> None:
    """Writes `last` or `best`; returns when it is committed. One of this step is kept as it is.

    Raises:
      ValueError: it cannot be written. The one before it is as it was.
    """
    manager, step = self._managers[name], int(state.step)
    if manager.latest_step() == step:
      return  # of a run that was killed after its `best` and before the `last` that follows
    items = ocp.args.Composite(
      variables=ocp.args.StandardSave(state.variables),
      optimizer=ocp.args.StandardSave(_rest(state)),
      # How many batches there were: the same in every process, whose number may change.
      data=ocp.args.JsonSave(iterator.get_state()),
      meta=ocp.args.JsonSave(dict(meta)),
    )
    try:
      _check_room(manager.directory, state)
      with _silent_threads():
        manager.save(step, args=items, force=True)
        manager.wait_until_finished()
    except jax.errors.JaxRuntimeError:
      raise  # about devices and processes, not about files
    except Exception as error:  # whatever the libraries below make of it
      reason = "no space left on device" if "No space left" in str(error) else str(error).splitlines()[0]
      there = [f"{kind} of step {found}" for kind in self._managers if (found := self._managers[kind].latest_step())]
      raise ValueError(
        f"{manager.directory}: the checkpoint of step {step} could not be written ({reason}); intact: "
        f"{', '.join(there) or 'none yet'}; make room and start again"
      ) from error

  def restore_last(self, state: TrainState, iterator: grain.DatasetIterator) -> TrainState:
    """The state of `last`, shaped and placed like `state`; sets the iterator to the position that was saved."""
    manager = self._managers["last"]
    step = manager.latest_step()
    folder = manager.directory / str(step)
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
    check_fit(folder, abstract.variables)
    items = {"variables": ocp.args.StandardRestore(abstract.variables), "data": ocp.args.JsonRestore()}
    if not (is_old := (folder / _OLD_ITEM).exists()):
      items["optimizer"] = ocp.args.StandardRestore(_rest(abstract))
    try:
      restored = manager.restore(step, args=ocp.args.Composite(**items))
      rest = _restore_old(folder, _rest(abstract)) if is_old else restored.optimizer
    except ValueError as error:
      raise ValueError(
        f"{folder}: optimizer or loss weights remember other things than these ({str(error).splitlines()[0]}); restore "
        "what config.loss_weights names to what it was, or use another --workdir"
      ) from error
    iterator.set_state(restored.data)
    return TrainState(
      rest["step"],
      rest.get("params", restored.variables["params"]),
      restored.variables["batch_stats"],
      rest["optimizer"],
      rest["loss_weights"],
    )

  def close(self) -> None:
    for manager in self._managers.values():
      manager.close()


def _check_room(folder: Any, state: TrainState) -> None:
  """Raises an OSError where a disk is too full to begin; it may still fill up meanwhile."""
  needed = _ROOM_FACTOR * sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + _ROOM_BYTES
  free = shutil.disk_usage(folder).free
  if free < needed:
    raise OSError(f"no space left on device: {needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free")


@contextlib.contextmanager
def _silent_threads() -> Iterator[None]:
  """Lets Orbax's threads and tasks keep to themselves what it also raises; where it does, for good."""
  before = threading.excepthook
  threading.excepthook = lambda args: None
  try:
    yield
  except Exception:
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    raise
  threading.excepthook = before


def _rest(state: TrainState) -> dict[str, Any]:
  """What a run needs to go on beside the variables and the position in the data."""
  rest = {"step": state.step, "optimizer": state.optimizer, "loss_weights": state.loss_weights}
  # Where the variables hold an average, training goes on from the parameters themselves.
  return {**rest, "params": state.params} if isinstance(state.optimizer, AverageState) else rest


def _restore_old(folder: Path, abstract: dict[str, Any]) -> dict[str, Any]:
  """`_rest` of a checkpoint of version 0.1.

  Raises:
    ValueError: the checkpoint lacks a leaf of `abstract`, or has it in another shape.
  """
  leaves = jax.tree_util.tree_flatten_with_path(restore_item(folder, _OLD_ITEM))[0]
  stored = {leaf_name(path).replace(_OLD_ITEM, "optimizer"): leaf for path, leaf in leaves}

  def place(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> jax.Array:
    name = leaf_name(path)
    if name not in stored or stored[name].shape != leaf.shape:
      raise ValueError(f"{name} is missing or has another shape")
    return jax.device_put(np.asarray(stored[name]), leaf.sharding)

  restored: dict[str, Any] = jax.tree_util.tree_map_with_path(place, abstract)
  return restored
