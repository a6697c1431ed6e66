"""Runs program.stablehlo on a recording: python load_stablehlo.py audio.wav [faces.npy]

Needs jax, flatbuffers (the format of jax's programs) and numpy. Runs on a CPU, an NVIDIA GPU or a TPU.
"""

import contextlib
import json
from pathlib import Path
import sys

from blocks import count_blocks, print_blocks, read_blocks, run_in_batches
from events import print_events
import jax
from jax import export
import numpy as np

FOLDER = Path(__file__).parent


def load():
  """Returns the metadata and the program, a function from a dict of arrays to a dict of probabilities."""
  metadata = json.loads((FOLDER / "metadata.json").read_text(encoding="utf-8"))
  with versions_named(metadata):
    program = jax.jit(export.deserialize(bytearray((FOLDER / "program.stablehlo").read_bytes())).call)

  def run(batch):
    count_blocks(batch)
    with versions_named(metadata):
      return {name: np.asarray(score) for name, score in program(batch).items()}

  return metadata, run


@contextlib.contextmanager
def versions_named(metadata):
  """Names both versions of jax in an error if another wrote the program: an older jax may load it but not run it."""
  written_by, convention = metadata["versions"]["jax"], metadata["programs"]["stablehlo"]["calling_convention"]
  try:
    yield
  except Exception as error:
    if jax.__version__ == written_by:
      raise
    raise ValueError(
      f"program.stablehlo was written by jax {written_by} (calling convention {convention}), and jax {jax.__version__} "
      f"cannot run it ({str(error).splitlines()[0]}); install jax=={written_by}, or export it with the installed jax"
    ) from error


if __name__ == "__main__":
  if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
  try:
    metadata, run = load()
    scores = run_in_batches(run, read_blocks(metadata, *sys.argv[1:]))
    print_blocks(metadata, scores)
    print_events(metadata, scores)
  except ValueError as error:
    sys.exit(str(error))
