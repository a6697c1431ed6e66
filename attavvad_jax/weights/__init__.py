"""The trained weights that ship with the package: the check that they arrived as they left."""

import hashlib
from pathlib import Path

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
    expected, _, name = line.partition("  ")
    file = folder / name
    if not file.is_file():
      raise ValueError(f"{file}: missing from the weights that ship with attavvad_jax; install the package again")
    if digest(file) != expected:
      raise ValueError(f"{file}: its sha256 is not the one in {MANIFEST}: damaged; install the package again")
  return folder


def digest(file: Path) -> str:
  """The sha256 of a file, in hexadecimal digits."""
  return hashlib.sha256(file.read_bytes()).hexdigest()
