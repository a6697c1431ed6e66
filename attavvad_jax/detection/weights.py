"""The trained weights that ship with the package, and the check that they have arrived as they left."""

import hashlib
from pathlib import Path

import attavvad_jax

# As sha256sum writes and checks it (`sha256sum --check SHA256SUMS`): a digest, two spaces, and the file.
MANIFEST = "SHA256SUMS"
FOLDER = Path(attavvad_jax.__file__).parent / "weights"


def default_checkpoint(folder: Path = FOLDER) -> Path:
  """The checkpoint that is used where none is named, once every file in its manifest has been checked.

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
    if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
      raise ValueError(f"{file}: its sha256 is not the one in {MANIFEST}: damaged; install the package again")
  return folder
