"""Runs program.stablehlo on a recording: python load_stablehlo.py sound.wav [faces.npy]

Needs jax (with flatbuffers, in which jax keeps its programs) and numpy. Runs on a CPU, an NVIDIA GPU or a TPU.
"""

import json
from pathlib import Path
import sys

from blocks import print_blocks, read_blocks, run_in_batches
import jax
from jax import export
import numpy as np

FOLDER = Path(__file__).parent


def load():
  """What the program takes and gives, and the program: a dict of arrays to a dict of probabilities."""
  metadata = json.loads((FOLDER / "metadata.json").read_text(encoding="utf-8"))
  program = jax.jit(export.deserialize(bytearray((FOLDER / "program.stablehlo").read_bytes())).call)

  def run(batch):
    return {name: np.asarray(score) for name, score in program(batch).items()}

  return metadata, run


if __name__ == "__main__":
  if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
  metadata, run = load()
  print_blocks(metadata, run_in_batches(run, read_blocks(metadata, *sys.argv[1:])))
