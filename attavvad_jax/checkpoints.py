"""Finds and reads checkpoints: their metadata, parameters and digests. `training.checkpoints` writes them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from attavvad_jax.weights import ITEMS, LEFT_OUT, SHIPPED, shipped_checkpoint

# The version of a checkpoint's metadata; the oldest checkpoints have none. It increases when older versions of the
# package would misread a new checkpoint.
SCHEMA = 1

_REMEDY = "a checkpoint is the folder that training writes, for example WORKDIR/checkpoints/best"


def find_checkpoint(path: str | Path) -> Path:
  """Returns the folder of a checkpoint, which holds one step.

  Args:
    path: this folder, its parent, or a run's workdir (its `best`, else its `last`); "shipped" for the weights in the
      package.

  Raises:
    ValueError: there is no checkpoint, or the shipped one is damaged.
  """
  if str(path) == SHIPPED:
    return shipped_checkpoint()
  path = Path(path).absolute()
  for folder in (path, path / "checkpoints" / "best", path / "checkpoints" / "last", path / "best", path / "last"):
    steps = [child for child in folder.glob("*") if child.name.isdigit() and (child / "meta").is_dir()]
    if (folder / "meta").is_dir() and (folder / "variables").is_dir():
      return folder
    if steps:
      return max(steps, key=lambda step: int(step.name))
  if not path.exists():
    raise ValueError(f"{path}: no such checkpoint; {_REMEDY}")
  raise ValueError(f"{path}: contains no checkpoint; {_REMEDY}")


def read_meta(path: str | Path) -> dict[str, Any]:
  """Returns the metadata of a checkpoint folder, such as its config, data spec and versions.

  Raises:
    ValueError: the metadata cannot be read, or a newer version of the package wrote them.
  """
  path = Path(path)
  try:
    meta: dict[str, Any] = json.loads((path / "meta" / "metadata").read_text(encoding="utf-8"))
  except (OSError, json.JSONDecodeError) as error:
    raise ValueError(f"{path}: not a checkpoint of this package ({error}); {_REMEDY}") from error
  if (schema := meta.get("schema", 0)) > SCHEMA:
    raise ValueError(
      f"{path}: its schema is {schema}; this version of attavvad_jax reads up to {SCHEMA}: install a newer version"
    )
  return meta


def digest(path: str | Path) -> str:
  """Returns a sha256 of the names and bytes of all files that detection reads, wherever the checkpoint lies."""
  path = Path(path)
  whole = hashlib.sha256()
  for file in sorted(file for item in ITEMS for file in (path / item).rglob("*") if file.is_file()):
    if file.name not in LEFT_OUT:
      name, content = file.relative_to(path).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()
      whole.update(f"{content}  {name}\n".encode())
  return whole.hexdigest()


def parameters_digest(path: str | Path) -> str:
  """Returns a sha256 of the values of parameters and statistics, equal for two bit-identical trainings.

  `digest` differs between them, as Orbax names its files at random and metadata contain more.
  """
  whole = hashlib.sha256()
  for key, leaf in jax.tree_util.tree_flatten_with_path(restore_item(path, "variables"))[0]:
    values = np.asarray(leaf)
    whole.update(f"{leaf_name(key)} {values.dtype} {values.shape} ".encode() + values.tobytes())
  return whole.hexdigest()


def restore_variables(path: str | Path, abstract: Any) -> Any:
  """Restores parameters and batch statistics, shaped like `abstract` (`jax.eval_shape` of the init).

  Raises:
    ValueError: the checkpoint does not fit; the message lists missing, extra and reshaped arrays.
  """
  path = Path(path)
  check_fit(path, abstract)
  return _restore(path / "variables", abstract)


def restore_item(path: str | Path, item: str) -> Any:
  """Returns all arrays of a checkpoint's item, "variables" or "optimizer", in plain containers."""
  return _restore(Path(path) / item, _stored(Path(path) / item))


def stored_variables(path: str | Path) -> Any:
  """Returns the variables of a checkpoint as a tree of `jax.ShapeDtypeStruct`, which `restore_variables` takes."""
  return _stored(Path(path) / "variables")


def _stored(item: Path) -> Any:
  metadata = ocp.StandardCheckpointHandler().metadata(item)
  return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), getattr(metadata, "tree", metadata))


def _restore(item: Path, abstract: Any) -> Any:
  """Restores to the first device, whichever devices and processes wrote the checkpoint."""
  device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  placed = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), abstract)
  return ocp.StandardCheckpointHandler().restore(item, args=ocp.args.StandardRestore(placed))


def check_fit(path: Path, abstract: Any) -> None:
  """Compares the tree on disk with the expected one, before any array is read.

  Raises:
    ValueError: the trees differ; the message lists missing, extra and reshaped arrays.
  """
  have, want = leaf_shapes(stored_variables(path)), leaf_shapes(abstract)
  missing = sorted(want.keys() - have.keys())
  extra = sorted(have.keys() - want.keys())
  reshaped = [f"{k} {have[k]} (expected {want[k]})" for k in sorted(have.keys() & want.keys()) if have[k] != want[k]]
  if missing or extra or reshaped:
    parts = [
      f"{name}: {_shorten(leaves)}"
      for name, leaves in (("missing", missing), ("extra", extra), ("of another shape", reshaped))
      if leaves
    ]
    raise ValueError(f"{path}: the checkpoint has another configuration; " + "; ".join(parts))


def leaf_shapes(tree: Any) -> dict[str, tuple[int, ...]]:
  """Returns the shape of each leaf by its path, such as "params/audio/gru/input_kernel"."""
  return {leaf_name(path): leaf.shape for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def leaf_name(path: tuple[Any, ...]) -> str:
  """Returns a path of `jax.tree_util.tree_flatten_with_path` as text, with its keys joined by "/"."""
  return "/".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path)


def _shorten(names: list[str], most: int = 4) -> str:
  return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
