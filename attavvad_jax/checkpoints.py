"""Reading checkpoints: where one is, what it says of itself, and its parameters. Training writes them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from attavvad_jax.weights import ITEMS, LEFT_OUT, SHIPPED, shipped_checkpoint

# Of the metadata that a checkpoint has; those of before it was noted have none. It rises where older versions of the
# package would misread a checkpoint.
SCHEMA = 1

_REMEDY = "a checkpoint is the folder that training writes, for example WORKDIR/checkpoints/best"


def find_checkpoint(path: str | Path) -> Path:
  """The folder of one step.

  Args:
    path: itself, the folder above it, or a run's workdir (its `best`, else its `last`); "shipped" for the weights that
      come with the package.

  Raises:
    ValueError: there is no checkpoint, or the one that ships with the package is damaged.
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
  raise ValueError(f"{path}: holds no checkpoint; {_REMEDY}")


def read_meta(path: str | Path) -> dict[str, Any]:
  """Config, data spec and versions of a checkpoint that `find_checkpoint` found.

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
      f"{path}: its schema is {schema}; this version of attavvad_jax reads up to {SCHEMA}: install a newer one"
    )
  return meta


def digest(path: str | Path) -> str:
  """A sha256 of all that detection takes from a checkpoint, wherever it lies: of each file its name and its bytes."""
  path = Path(path)
  whole = hashlib.sha256()
  for file in sorted(file for item in ITEMS for file in (path / item).rglob("*") if file.is_file()):
    if file.name not in LEFT_OUT:
      name, content = file.relative_to(path).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()
      whole.update(f"{content}  {name}\n".encode())
  return whole.hexdigest()


def parameters_digest(path: str | Path) -> str:
  """A sha256 of parameters and statistics by their values: two trainings that end alike, bit for bit, have the same.

  `digest` differs there, as Orbax names its files at random and metadata tell more.
  """
  whole = hashlib.sha256()
  for key, leaf in jax.tree_util.tree_flatten_with_path(restore_item(path, "variables"))[0]:
    values = np.asarray(leaf)
    whole.update(f"{leaf_name(key)} {values.dtype} {values.shape} ".encode() + values.tobytes())
  return whole.hexdigest()


def restore_variables(path: str | Path, abstract: Any) -> Any:
  """Parameters and batch statistics of a checkpoint, shaped like `abstract` (`jax.eval_shape` of the init).

  Raises:
    ValueError: the checkpoint does not fit; lists what is missing, extra and of another shape.
  """
  path = Path(path)
  check_fit(path, abstract)
  return _restore(path / "variables", abstract)


def restore_item(path: str | Path, item: str) -> Any:
  """All arrays of an item of a checkpoint, "variables" or "optimizer", as plain containers that hold them."""
  return _restore(Path(path) / item, _stored(Path(path) / item))


def stored_variables(path: str | Path) -> Any:
  """What a checkpoint holds, as a tree of `jax.ShapeDtypeStruct` that `restore_variables` takes."""
  return _stored(Path(path) / "variables")


def _stored(item: Path) -> Any:
  metadata = ocp.StandardCheckpointHandler().metadata(item)
  return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), getattr(metadata, "tree", metadata))


def _restore(item: Path, abstract: Any) -> Any:
  """To the first device, whichever devices of whichever processes wrote it."""
  device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  placed = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), abstract)
  return ocp.StandardCheckpointHandler().restore(item, args=ocp.args.StandardRestore(placed))


def check_fit(path: Path, abstract: Any) -> None:
  """Compares the tree on disk with the one that is expected, before anything is read.

  Raises:
    ValueError: lists what is missing, extra and of another shape.
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
    raise ValueError(f"{path}: the checkpoint is of another configuration; " + "; ".join(parts))


def leaf_shapes(tree: Any) -> dict[str, tuple[int, ...]]:
  """The shape of each leaf by its path, such as "params/audio/gru/input_kernel"."""
  return {leaf_name(path): leaf.shape for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def leaf_name(path: tuple[Any, ...]) -> str:
  """A path of `jax.tree_util.tree_flatten_with_path` as text, its keys joined by "/"."""
  return "/".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path)


def _shorten(names: list[str], most: int = 4) -> str:
  return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
