"""Runs program.onnx on a recording: python load_onnx.py audio.wav [faces.npy]

Needs onnxruntime and numpy.
"""

import json
from pathlib import Path
import sys

from blocks import count_blocks, print_blocks, read_blocks, run_in_batches
from events import print_events
import onnxruntime

FOLDER = Path(__file__).parent


def load():
  """Returns the metadata and the program, a function from a dict of arrays to a dict of probabilities."""
  metadata = json.loads((FOLDER / "metadata.json").read_text(encoding="utf-8"))
  session = onnxruntime.InferenceSession(FOLDER / "program.onnx", providers=["CPUExecutionProvider"])
  names = [output.name for output in session.get_outputs()]

  def run(batch):
    count_blocks(batch)
    return dict(zip(names, session.run(names, batch), strict=True))

  return metadata, run


if __name__ == "__main__":
  if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
  metadata, run = load()
  scores = run_in_batches(run, read_blocks(metadata, *sys.argv[1:]))
  print_blocks(metadata, scores)
  print_events(metadata, scores)
