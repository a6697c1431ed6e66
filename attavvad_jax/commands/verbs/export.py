"""`attavvad export`."""

from collections.abc import Sequence

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option


def run(checkpoint: str, output: str, video: str | None, formats: Sequence[str]) -> None:
  from attavvad_jax.export.programs import export_detector

  export_detector(checkpoint, output, video=video, formats=formats)


COMMAND = Command(
  "export",
  "write a checkpoint as StableHLO and ONNX programs that run without this package",
  "Writes programs that map int16 audio and uint8 images of any number of blocks to probabilities: StableHLO for CPU, "
  "CUDA and TPU, and ONNX. Each is compared with the network before it is written. Needs the extra `export`.",
  "attavvad export --output=programs",
  (
    options.CHECKPOINT,
    Option("output", "new or empty folder for the programs", "path", required=True),
    Option("video", "recording for the comparison (default: a simulated performance)", "path"),
    Option("formats", "programs to write", "list", default=("stablehlo", "onnx"), metavar="FORMAT,…"),
  ),
  run,
)
