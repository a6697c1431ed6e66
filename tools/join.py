"""Joins trained runs that differ only in their seed into one checkpoint, whose network averages their logits.

python -m tools.join --checkpoint=runs/a,runs/b,runs/c --output=runs/joined
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from attavvad_jax.checkpoints import digest, find_checkpoint, read_meta, restore_item
from attavvad_jax.commands.base import Command, Option
from attavvad_jax.notes import note
from tools import app

# What may differ between runs that are joined.
_FREE = ("seed", "data")


def join(checkpoints: Sequence[str | Path], output: Path) -> Path:
  """Writes the joined checkpoint.

  Args:
    checkpoints: two or more workdirs or checkpoint folders.
    output: folder of the joined checkpoint; must be new.

  Returns:
    The output.

  Raises:
    ValueError: there are fewer than two checkpoints, their configurations differ in more than the seed, one is an
      ensemble already, or the output exists.
  """
  if len(checkpoints) < 2:
    raise ValueError(f"--checkpoint: got {len(checkpoints)} checkpoint; expected two or more, separated by commas")
  if output.exists():
    raise ValueError(f"{output}: exists already; choose another folder")
  paths = [find_checkpoint(checkpoint) for checkpoint in checkpoints]
  metas = [read_meta(path) for path in paths]
  first = _settings(metas[0])
  for path, meta in zip(paths, metas, strict=True):
    if meta["config"]["model"].get("members", 1) != 1:
      raise ValueError(f"{path}: is an ensemble of {meta['config']['model']['members']} already; expected single runs")
    if different := [key for key, value in _settings(meta).items() if value != first.get(key)]:
      raise ValueError(f"{path}: differs from {paths[0]} in {', '.join(different)}; expected runs of other seeds only")
  variables = [restore_item(path, "variables") for path in paths]
  stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *variables)
  joined = {collection: {"member": tree} for collection, tree in stacked.items()}
  meta = metas[0] | {
    "config": metas[0]["config"] | {"model": metas[0]["config"]["model"] | {"members": len(paths)}},
    "members": [
      {"seed": m["config"]["seed"], "step": m["step"], "digest": digest(p)} for p, m in zip(paths, metas, strict=True)
    ],
  }
  with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
    items = ocp.args.Composite(variables=ocp.args.StandardSave(joined), meta=ocp.args.JsonSave(meta))
    checkpointer.save(output.absolute(), items)
  return output


def _settings(meta: Mapping[str, Any]) -> dict[str, Any]:
  return {key: value for key, value in meta["config"].items() if key not in _FREE} | {"spec": meta["spec"]}


def run(checkpoint: Sequence[str], output: str) -> None:
  note(f"wrote {join(checkpoint, Path(output))}, a network of {len(checkpoint)} members")


COMMAND = Command(
  "join",
  "join trained runs into an ensemble",
  "Joins trained runs that differ only in their seed into one checkpoint, whose network averages their logits.",
  "python -m tools.join --checkpoint=runs/a,runs/b,runs/c --output=runs/joined",
  (
    Option("checkpoint", "workdirs or checkpoint folders, two or more", "list", required=True, metavar="PATH,…"),
    Option("output", "folder of the joined checkpoint; must be new", "path", required=True),
  ),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
