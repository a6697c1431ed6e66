"""`attavvad audio-swap`."""

from collections.abc import Sequence

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option


def run(face: Sequence[str], audio: Sequence[str], checkpoint: str) -> None:
  from attavvad_jax.evaluation.audio_swap import swap_audio, swap_table
  from attavvad_jax.inference.detector import Detector
  from attavvad_jax.notes import note

  rows = []
  for row in swap_audio(Detector(checkpoint), face, audio):
    note(f"{row.face} with {row.audio}: {row.blocks} blocks")
    rows.append(row)
  print(swap_table(rows))


COMMAND = Command(
  "audio-swap",
  "measure how often a voice is assigned to a face that did not produce it",
  "Detects events in each video with its own audio and with the audio of each other file, and prints the fraction of "
  "the audible blocks that each event gets.",
  "attavvad audio-swap --face=clip.mp4 --audio=speech.flac",
  (
    Option("face", "a video with one face; may be repeated", "path", required=True, repeated=True),
    Option(
      "audio",
      "a file whose audio replaces that of the faces; may be repeated",
      "path",
      default=(),
      repeated=True,
    ),
    options.CHECKPOINT,
  ),
  run,
)
