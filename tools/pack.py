"""Puts a checkpoint into the package, as the weights that ship with it.

python -m tools.pack --checkpoint=runs/detector
"""

from pathlib import Path
import shutil

from attavvad_jax.checkpoints import find_checkpoint
from attavvad_jax.commands.base import Command, Option
from attavvad_jax.weights import FOLDER, ITEMS, LEFT_OUT, MANIFEST, digest
from tools import app


def pack(checkpoint: Path, folder: Path = FOLDER) -> None:
  """Puts the parameters and the metadata of a checkpoint in the place of those that ship, with their manifest.

  Args:
    checkpoint: as `checkpoints.find_checkpoint` gives it.
    folder: of the weights; what else is in it, such as the model card, stays.
  """
  manifest = folder / MANIFEST
  manifest.unlink(missing_ok=True)  # so that half of the weights are never taken for all
  for item in ITEMS:
    shutil.rmtree(folder / item, ignore_errors=True)
    shutil.copytree(checkpoint / item, folder / item, ignore=shutil.ignore_patterns(*LEFT_OUT))
  files = sorted(path for item in ITEMS for path in (folder / item).rglob("*") if path.is_file())
  lines = [f"{digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
  manifest.write_text("".join(lines), encoding="utf-8")


def run(checkpoint: str) -> None:
  pack(find_checkpoint(checkpoint))
  print(f"wrote {FOLDER}")


COMMAND = Command(
  "pack",
  "put a checkpoint into the package",
  "Puts a checkpoint into the package, as the weights that ship with it.",
  "python -m tools.pack --checkpoint=runs/detector",
  (Option("checkpoint", "what training wrote", "path", required=True),),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
