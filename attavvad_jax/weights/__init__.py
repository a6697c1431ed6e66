"""The trained weights that ship with the package: how they are packed, and the check that they arrived as they left."""

import hashlib
from pathlib import Path
import shutil

# What stands for them where a checkpoint is named.
SHIPPED = "shipped"
# As sha256sum writes and checks it (`sha256sum --check SHA256SUMS`): a digest, two spaces, and the file.
MANIFEST = "SHA256SUMS"
FOLDER = Path(__file__).parent
# Of a checkpoint's items, those that detection and fine-tuning need.
ITEMS = ("meta", "variables")
# Orbax's note that it was finished names a path of the machine that it was made on, and is not read again.
LEFT_OUT = ("commit_success.txt",)


def shipped_checkpoint(folder: Path = FOLDER) -> Path:
  """The checkpoint in the package, once every file in its manifest has been checked.

  Raises:
    ValueError: none ships with this version, or a file of it is missing or damaged.
  """
  manifest = folder / MANIFEST
  if not manifest.is_file():
    raise ValueError(
      "no trained weights ship with this version of attavvad_jax; name what training wrote as the checkpoint "
      "(--checkpoint=WORKDIR)"
    )
  for line in manifest.read_text(encoding="utf-8").splitlines():
    digest, _, name = line.partition("  ")
    file = folder / name
    if not file.is_file():
      raise ValueError(f"{file}: missing from the weights that ship with attavvad_jax; install the package again")
    if _digest(file) != digest:
      raise ValueError(f"{file}: its sha256 is not the one in {MANIFEST}: damaged; install the package again")
  return folder


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
  lines = [f"{_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
  manifest.write_text("".join(lines), encoding="utf-8")


def _digest(file: Path) -> str:
  return hashlib.sha256(file.read_bytes()).hexdigest()
