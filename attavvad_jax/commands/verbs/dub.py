"""`attavvad dub`."""

from collections.abc import Sequence

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option


def run(face: Sequence[str], sound: Sequence[str], checkpoint: str) -> None:
  from attavvad_jax.evaluation.dubbing import dub, dub_table
  from attavvad_jax.inference.detector import Detector
  from attavvad_jax.notes import note

  rows = []
  for row in dub(Detector(checkpoint), face, sound):
    note(f"{row.face} with {row.sound}: {row.blocks} blocks")
    rows.append(row)
  print(dub_table(rows))


COMMAND = Command(
  "dub",
  "measure how often a voice is assigned to a face that did not utter it",
  "Detects in each video with its own audio and with each of the other audio files in its place, and prints which "
  "share of the audible blocks is detected as which event.",
  "attavvad dub --face=clip.mp4 --sound=speech.flac",
  (
    Option("face", "a video with one face; may be repeated", "path", required=True, repeated=True),
    Option(
      "sound",
      "a file with audio to put in the place of the faces' own; may be repeated",
      "path",
      default=(),
      repeated=True,
    ),
    options.CHECKPOINT,
  ),
  run,
)
