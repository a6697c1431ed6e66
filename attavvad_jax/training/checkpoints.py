"""Checkpoints that are enough: parameters, statistics, optimiser, data position, config, clock and label map.

A run keeps two: `last`, to go on from, and `best` on validation, to use. Orbax writes each aside and renames it, so
that one killed in mid-save leaves the one before it intact.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp

from attavvad_jax.training.step import TrainState

_DETECT = "a checkpoint is the folder that training writes, for example WORKDIR/checkpoints/best"


class Checkpoints:
  """The `last` and the `best` checkpoint of one run, below `<workdir>/checkpoints`."""

  def __init__(self, workdir: str | Path):
    folder = Path(workdir).absolute() / "checkpoints"
    # Synchronous: a save on a CPU takes milliseconds, and what has returned is on disk.
    options = ocp.CheckpointManagerOptions(
      max_to_keep=1, cleanup_tmp_directories=True, enable_async_checkpointing=False, create=True
    )
    self._managers = {name: ocp.CheckpointManager(folder / name, options=options) for name in ("last", "best")}

  def latest_step(self) -> int | None:
    """The step of `last`, or None for a fresh run."""
    return self._managers["last"].latest_step()

  def best_meta(self) -> dict[str, Any] | None:
    """The metadata of `best`, or None."""
    step = self._managers["best"].latest_step()
    return None if step is None else _read_meta(self._managers["best"].directory / str(step))

  def save(self, name: str, state: TrainState, iterator: grain.DatasetIterator, meta: Mapping[str, Any]) -> None:
    """Writes `last` or `best`; returns when it is committed."""
    items = ocp.args.Composite(
      variables=ocp.args.StandardSave(state.variables),
      optimiser=ocp.args.StandardSave({"step": state.step, "optimiser": state.optimiser}),
      data=grain.checkpoint.CheckpointSave(iterator),
      meta=ocp.args.JsonSave(dict(meta)),
    )
    self._managers[name].save(int(state.step), args=items, force=True)
    self._managers[name].wait_until_finished()

  def restore_last(self, state: TrainState, iterator: grain.DatasetIterator) -> TrainState:
    """The state of `last`, shaped and placed like `state`; sets the iterator to the position that was saved."""
    manager = self._managers["last"]
    step = manager.latest_step()
    folder = manager.directory / str(step)
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
    _check_fit(folder, abstract.variables)
    restored = manager.restore(
      step,
      args=ocp.args.Composite(
        variables=ocp.args.StandardRestore(abstract.variables),
        optimiser=ocp.args.StandardRestore({"step": abstract.step, "optimiser": abstract.optimiser}),
        data=grain.checkpoint.CheckpointRestore(iterator),
      ),
    )
    return TrainState(
      restored.optimiser["step"],
      restored.variables["params"],
      restored.variables["batch_stats"],
      restored.optimiser["optimiser"],
    )

  def close(self) -> None:
    for manager in self._managers.values():
      manager.close()


def find_checkpoint(path: str | Path) -> Path:
  """The folder of one step: given itself, the folder above it, or a run's workdir (its `best`, else its `last`).

  Raises:
    ValueError: there is no checkpoint.
  """
  path = Path(path).absolute()
  for folder in (path, path / "checkpoints" / "best", path / "checkpoints" / "last", path / "best", path / "last"):
    steps = [child for child in folder.glob("*") if child.name.isdigit() and (child / "meta").is_dir()]
    if (folder / "meta").is_dir() and (folder / "variables").is_dir():
      return folder
    if steps:
      return max(steps, key=lambda step: int(step.name))
  if not path.exists():
    raise ValueError(f"{path}: no such checkpoint; {_DETECT}")
  raise ValueError(f"{path}: holds no checkpoint; {_DETECT}")


def read_meta(path: str | Path) -> dict[str, Any]:
  """Config, data spec and versions of a checkpoint that `find_checkpoint` found.

  Raises:
    ValueError: the metadata cannot be read.
  """
  return _read_meta(Path(path))


def restore_variables(path: str | Path, abstract: Any) -> Any:
  """Parameters and batch statistics of a checkpoint, shaped like `abstract` (`jax.eval_shape` of the init).

  Raises:
    ValueError: the checkpoint does not fit; lists what is missing, extra and of another shape.
  """
  path = Path(path)
  _check_fit(path, abstract)
  device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  placed = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), abstract)
  return ocp.StandardCheckpointHandler().restore(path / "variables", args=ocp.args.StandardRestore(placed))


def _read_meta(path: Path) -> dict[str, Any]:
  import json

  try:
    return json.loads((path / "meta" / "metadata").read_text(encoding="utf-8"))
  except (OSError, json.JSONDecodeError) as error:
    raise ValueError(f"{path}: not a checkpoint of this package ({error}); {_DETECT}") from error


def _check_fit(path: Path, abstract: Any) -> None:
  """Compares the tree on disk with the one that is expected, before anything is read."""
  stored = ocp.StandardCheckpointHandler().metadata(path / "variables")
  have, want = _shapes(getattr(stored, "tree", stored)), _shapes(abstract)
  missing = sorted(want.keys() - have.keys())
  extra = sorted(have.keys() - want.keys())
  reshaped = [f"{k} {have[k]} (expected {want[k]})" for k in sorted(have.keys() & want.keys()) if have[k] != want[k]]
  if missing or extra or reshaped:
    parts = [
      f"{name}: {_shorten(leaves)}"
      for name, leaves in (("missing", missing), ("extra", extra), ("of another shape", reshaped))
      if leaves
    ]
    raise ValueError(f"{path}: the checkpoint is of another configuration; " + "; ".join(parts))


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return {
    "/".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path): tuple(np.shape(leaf) or leaf.shape)
    for path, leaf in leaves
  }


def _shorten(names: list[str], most: int = 4) -> str:
  return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
