"""The trained weights that ship with the package, and the check that their files are intact."""

import hashlib
from pathlib import Path

# The name of the shipped weights, in place of a checkpoint's path.
SHIPPED = "shipped"
# The manifest in the format of sha256sum (`sha256sum --check SHA256SUMS`): a digest, two spaces and the file's name.
MANIFEST = "SHA256SUMS"
FOLDER = Path(__file__).parent
# The items of a checkpoint that detection and fine-tuning need.
ITEMS = ("meta", "variables")
# Orbax's completion marker contains a path of the machine that wrote it, and is never read again.
LEFT_OUT = ("commit_success.txt",)


def shipped_checkpoint(folder: Path = FOLDER) -> Path:
  """Returns the folder of the shipped checkpoint after checking every file in its manifest.

  Raises:
    ValueError: no weights ship with this version, or one of their files is missing or damaged.
  """
  manifest = folder / MANIFEST
  if not manifest.is_file():
    raise ValueError(
      "no trained weights ship with this version of attavvad_jax; give a checkpoint that training wrote, such as "
      "--checkpoint=WORKDIR"
    )
  for line in manifest.read_text(encoding="utf-8").splitlines():
    expected, _, name = line.partition("  ")
    file = folder / name
    if not file.is_file():
      raise ValueError(f"{file}: missing from the weights that ship with attavvad_jax; install the package again")
    if digest(file) != expected:
      raise ValueError(f"{file}: its sha256 differs from the one in {MANIFEST}; install the package again")
  return folder


def digest(file: Path) -> str:
  """Returns the sha256 of a file in hexadecimal digits."""
  return hashlib.sha256(file.read_bytes()).hexdigest()
