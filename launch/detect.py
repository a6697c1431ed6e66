"""Prints the timelines of videos and writes them; `attavvad detect` is the same as a console command.

python -m launch.detect --video=clip.mp4 --checkpoint=runs/small --output=results --to=json,html
"""

import sys

from absl import flags

from launch import app

_VIDEOS = flags.DEFINE_multi_string(
  "video",
  None,
  "A file with sound, a folder, a pattern, or - for a list on standard input; may be repeated.",
  required=True,
)
_CHECKPOINT = flags.DEFINE_string("checkpoint", "shipped", "What training wrote; or the weights of the package.")
_OUTPUT = flags.DEFINE_string("output", ".", "Folder for the results.")
_TO = flags.DEFINE_list("to", ["tsv", "json"], "What is written, as in `attavvad detect --help`.")
_PERFORMER = flags.DEFINE_string("performer", None, "prominent, largest, vocal, at:SECONDS or box:X,Y,WIDTH,HEIGHT.")
_FACES = flags.DEFINE_enum("faces", "performer", ["performer", "all"], "Of whom there is a timeline.")
_AUDIO_TRACK = flags.DEFINE_string("audio_track", None, "Which sound track: its number, from 1, or its language.")
_AUDIO_CHANNELS = flags.DEFINE_enum("audio_channels", "mix", ["mix", "left", "right", "side"], "Of the sound track.")
_VIDEO_TRACK = flags.DEFINE_integer("video_track", None, "Which pictures: their number, from 1.")
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Do again what was done; replace other videos' results.")
_SUMMARY = flags.DEFINE_string("summary", None, "A CSV file for a table of all videos.")


def main():
  from attavvad_jax.inference.run import detect_files
  from attavvad_jax.media import Tracks

  return detect_files(
    _VIDEOS.value,
    _CHECKPOINT.value,
    _OUTPUT.value,
    to=_TO.value,
    performer=_PERFORMER.value,
    faces=_FACES.value,
    tracks=Tracks.parse(_AUDIO_TRACK.value, _VIDEO_TRACK.value, _AUDIO_CHANNELS.value),
    overwrite=_OVERWRITE.value,
    summary=_SUMMARY.value,
    listed=sys.stdin,
  )


if __name__ == "__main__":
  app.run(main)
