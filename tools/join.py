"""Joins trained runs that differ only in their seed into one checkpoint, whose network averages their logits.

python -m tools.join --checkpoint=runs/a,runs/b,runs/c --output=runs/joined
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from attavvad_jax.commands.base import Command, Option
from attavvad_jax.notes import note
from attavvad_jax.trained import TrainedModel
from tools import app

# What may differ between the configurations of runs that are joined. Their data are compared by content, not by path.
_FREE = ("seed", "data")


def join(checkpoints: Sequence[str | Path], output: Path) -> Path:
  """Writes the joined checkpoint.

  Args:
    checkpoints: two or more workdirs or checkpoint folders.
    output: folder of the joined checkpoint; must be new.

  Returns:
    The output.

  Raises:
    ValueError: there are fewer than two checkpoints, one is given twice or is an ensemble, their configurations or data
      differ in more than the seed, or the output exists.
  """
  if len(checkpoints) < 2:
    raise ValueError(f"--checkpoint: got {len(checkpoints)} checkpoint; expected two or more, separated by commas")
  if output.exists():
    raise ValueError(f"{output}: exists already; choose another folder")
  models = [TrainedModel(checkpoint) for checkpoint in checkpoints]
  first = models[0]
  for index, model in enumerate(models):
    if model.digest in [other.digest for other in models[:index]]:
      raise ValueError(f"{model.path}: is given twice; expected runs of different seeds")
    if (members := model.meta["config"]["model"]["members"]) != 1:
      raise ValueError(f"{model.path}: is an ensemble of {members} already; expected single runs")
    settings, expected = _settings(model.meta), _settings(first.meta)
    if different := [key for key in expected if settings[key] != expected[key]]:
      raise ValueError(
        f"{model.path}: differs from {first.path} in {', '.join(different)}; expected runs of other seeds only"
      )
  stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *[model.variables for model in models])
  joined = {collection: {"member": tree} for collection, tree in stacked.items()}
  config = first.meta["config"] | {"model": first.meta["config"]["model"] | {"members": len(models)}}
  # The scores on validation are those of a single run.
  meta = {key: value for key, value in first.meta.items() if key != "validation"} | {
    "config": config,
    "members": [
      {"seed": model.meta["config"]["seed"], "step": model.meta["step"], "digest": model.digest} for model in models
    ],
  }
  with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
    items = ocp.args.Composite(variables=ocp.args.StandardSave(joined), meta=ocp.args.JsonSave(meta))
    checkpointer.save(output.absolute(), items)
  return output


def _settings(meta: Mapping[str, Any]) -> dict[str, Any]:
  config = {f"config.{key}": value for key, value in meta["config"].items() if key not in _FREE}
  return {**config, "the clock or the crop": meta["spec"], "the content of the data": meta.get("data")}


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
