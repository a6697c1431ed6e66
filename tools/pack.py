"""Copies a checkpoint into the package as its weights.

python -m tools.pack --checkpoint=runs/detector
"""

from pathlib import Path
import shutil

from attavvad_jax.checkpoints import find_checkpoint
from attavvad_jax.commands.base import Command, Option
from attavvad_jax.weights import FOLDER, ITEMS, LEFT_OUT, MANIFEST, digest
from tools import app


def pack(checkpoint: Path, folder: Path = FOLDER) -> None:
  """Replaces the weights of the package by the parameters and metadata of a checkpoint, and writes their manifest.

  Args:
    checkpoint: folder of the checkpoint, as returned by `checkpoints.find_checkpoint`.
    folder: folder of the weights; its other files, such as the model card, stay.
  """
  manifest = folder / MANIFEST
  manifest.unlink(missing_ok=True)  # an interrupted copy must not pass as complete weights
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
  "copy a checkpoint into the package",
  "Copies a checkpoint into the package as its weights.",
  "python -m tools.pack --checkpoint=runs/detector",
  (Option("checkpoint", "workdir or checkpoint folder of a training run", "path", required=True),),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
