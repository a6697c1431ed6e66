"""Prints the timeline of a video and writes it as TSV and JSON; `attavvad detect` is the same as a console command.

python -m launch.detect --video=clip.mp4 --checkpoint=runs/small --output=results
"""

from absl import flags

from launch import app

_VIDEO = flags.DEFINE_string("video", None, "A file with sound that FFmpeg reads.", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "What training wrote.", required=True)
_OUTPUT = flags.DEFINE_string("output", ".", "Folder for the results.")
_ANNOTATE = flags.DEFINE_boolean("annotate", False, "Also write the video with the state drawn into it.")


def main():
  from attavvad_jax.detection.run import detect_file

  detect_file(_VIDEO.value, _CHECKPOINT.value, _OUTPUT.value, annotate=_ANNOTATE.value)


if __name__ == "__main__":
  app.run(main)
