"""Lays sounds under faces, and prints what of them is taken for the voices of these faces.

python -m launch.dub --face=silent_face.mp4 --face=talking.mp4 --sound=speech.flac
"""

import sys

from absl import flags

from launch import app

_FACES = flags.DEFINE_multi_string("face", None, "A video with one face; may be repeated.", required=True)
_SOUNDS = flags.DEFINE_multi_string("sound", [], "A file with sound, for each of the faces; may be repeated.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", "shipped", "What training wrote; or the weights of the package.")


def main():
  from attavvad_jax.evaluation.dubbing import dub, dub_table
  from attavvad_jax.inference.detector import Detector

  dubs = []
  for row in dub(Detector(_CHECKPOINT.value), _FACES.value, _SOUNDS.value):
    print(f"{row.face} with {row.sound}: {row.blocks} blocks", file=sys.stderr)
    dubs.append(row)
  print(dub_table(dubs))


if __name__ == "__main__":
  app.run(main)
