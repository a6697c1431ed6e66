"""Writes and restores checkpoints, which contain all that a run or a detector needs.

They contain parameters, statistics, optimizer, loss weights, data position, config, clock and labels. A run keeps two:
`last`, to resume from, and `best` on validation, to use. Orbax writes a temporary folder and renames it, so a run that
is killed while saving leaves the previous checkpoint intact.
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

# A checkpoint needs at most this factor times the size of its arrays (compression gains little), plus these bytes.
_ROOM_FACTOR, _ROOM_BYTES = 1.1, 300_000
# Version 0.1 used the British spelling for the item and for fields in it.
_OLD_ITEM = "optimiser"


def has_last(workdir: str | Path) -> bool:
  """Returns whether a run has a checkpoint to resume from; creates nothing."""
  return any(child.name.isdigit() for child in (Path(workdir) / "checkpoints" / "last").glob("*"))


def is_better(validation: Mapping[str, float], best_f: float | None) -> bool:
  """Returns whether a checkpoint becomes `best`: its F is higher than the best so far, or the first that is not NaN.

  Args:
    validation: metrics of the checkpoint, with "f"; empty if nothing was validated.
    best_f: F of the best so far; None if there is none.
  """
  if not validation:
    return False
  # F is NaN if the split has no event. No F compares as higher, so a NaN would stay the best.
  return best_f is None or validation["f"] > best_f or (math.isnan(best_f) and not math.isnan(validation["f"]))


def clear_leftovers(workdir: str | Path) -> None:
  """Removes what a killed run left: a half-written checkpoint, or a half-deleted one that precedes the newest.

  Orbax itself removes half-written ones, but in the background, where this may collide with the next save.
  """
  for kind in KINDS:
    folder = Path(workdir) / "checkpoints" / kind
    steps = sorted((child for child in folder.glob("*") if child.name.isdigit()), key=lambda child: int(child.name))
    for child in [*steps[:-1], *folder.glob("*.orbax-checkpoint-tmp*")]:
      shutil.rmtree(child)


class Checkpoints:
  """The `last` and `best` checkpoints of one run, in `<workdir>/checkpoints`."""

  def __init__(self, workdir: str | Path):
    folder = Path(workdir).absolute() / "checkpoints"
    # Saving on a CPU takes milliseconds; a synchronous save is on disk when it returns.
    options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False, create=True)
    self._managers = {name: ocp.CheckpointManager(folder / name, options=options) for name in KINDS}

  def latest_step(self) -> int | None:
    """Returns the step of `last`, or None for a fresh run."""
    return self._managers["last"].latest_step()

  def best_meta(self) -> dict[str, Any] | None:
    """Returns the metadata of `best`, or None."""
    step = self._managers["best"].latest_step()
    return None if step is None else read_meta(self._managers["best"].directory / str(step))

  def save(self, name: str, state: TrainState, iterator: grain.DatasetIterator, meta: Mapping[str, Any]) -> None:
    """Writes `last` or `best` and returns when it is committed. An existing checkpoint of this step is kept.

    Raises:
      ValueError: the checkpoint cannot be written; the previous one is intact.
    """
    manager, step = self._managers[name], int(state.step)
    if manager.latest_step() == step:
      return  # the run was killed after saving `best` and before the `last` that follows
    items = ocp.args.Composite(
      variables=ocp.args.StandardSave(state.variables),
      optimizer=ocp.args.StandardSave(_rest(state)),
      # The state is the number of batches, equal in all processes, so the number of processes may change.
      data=ocp.args.JsonSave(iterator.get_state()),
      meta=ocp.args.JsonSave(dict(meta)),
    )
    try:
      _check_room(manager.directory, state)
      with _silent_threads():
        manager.save(step, args=items, force=True)
        manager.wait_until_finished()
    except jax.errors.JaxRuntimeError:
      raise  # caused by devices or processes, not by files
    except Exception as error:  # the libraries below raise errors of many types
      reason = "no space left on device" if "No space left" in str(error) else str(error).splitlines()[0]
      there = [f"{kind} of step {found}" for kind in self._managers if (found := self._managers[kind].latest_step())]
      raise ValueError(
        f"{manager.directory}: the checkpoint of step {step} could not be written ({reason}); intact: "
        f"{', '.join(there) or 'none yet'}; make room and start again"
      ) from error

  def restore_last(self, state: TrainState, iterator: grain.DatasetIterator) -> TrainState:
    """Returns the state of `last`, shaped and placed like `state`, and sets the iterator to the saved position."""
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
        f"{folder}: the stored state of optimizer or loss weights does not fit ({str(error).splitlines()[0]}); restore "
        "the function that config.loss_weights names, or use another --workdir"
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
  """Raises an OSError if the disk has too little space to begin; it may still fill up while saving."""
  needed = _ROOM_FACTOR * sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + _ROOM_BYTES
  free = shutil.disk_usage(folder).free
  if free < needed:
    raise OSError(f"no space left on device: {needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free")


@contextlib.contextmanager
def _silent_threads() -> Iterator[None]:
  """Suppresses tracebacks of Orbax's threads and tasks, whose errors it also raises; after an error, permanently."""
  before = threading.excepthook
  threading.excepthook = lambda args: None
  try:
    yield
  except Exception:
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    raise
  threading.excepthook = before


def _rest(state: TrainState) -> dict[str, Any]:
  """Returns the state that a run needs to resume, without the variables and the position in the data."""
  rest = {"step": state.step, "optimizer": state.optimizer, "loss_weights": state.loss_weights}
  # If the variables hold an average, training resumes from the parameters themselves.
  return {**rest, "params": state.params} if isinstance(state.optimizer, AverageState) else rest


def _restore_old(folder: Path, abstract: dict[str, Any]) -> dict[str, Any]:
  """Restores `_rest` from a checkpoint of version 0.1.

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
