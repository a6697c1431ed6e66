"""`attavvad detect`."""

from collections.abc import Sequence
import sys

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option


def run(
  videos: Sequence[str],
  checkpoint: str,
  output: str,
  to: Sequence[str],
  performer: str | None,
  faces: str,
  audio_track: str | None,
  audio_channels: str,
  video_track: str | None,
  overwrite: bool,
  summary: str | None,
) -> int:
  from attavvad_jax.inference.run import detect_files
  from attavvad_jax.media import Tracks

  return detect_files(
    videos,
    checkpoint,
    output,
    to=to,
    performer=performer,
    faces=faces,
    tracks=Tracks.parse(audio_track, video_track, audio_channels),
    overwrite=overwrite,
    summary=summary,
    listed=sys.stdin,
  )


COMMAND = Command(
  "detect",
  "print the timelines of videos and write them to files",
  "Prints the timeline of a video and writes it to files. Several videos get one line each, and those that cannot be "
  "used are listed at the end (exit code 1). A video is skipped if its results exist and were made by the same "
  "checkpoint, version and options; results made otherwise are replaced. A file is never replaced if this command did "
  "not write it, or if it has been edited since.",
  "attavvad detect clip.mp4 --to=tsv,html",
  (
    Option(
      "videos",
      "a file with audio, a folder, a pattern like 'a/**/*.mp4', or - to read a list from standard input, one a line",
      "path",
      metavar="VIDEO",
      required=True,
      positional=True,
      repeated=True,
      flag="video",
    ),
    options.CHECKPOINT,
    Option("output", "folder for the results", "path", default="."),
    Option(
      "to",
      "what is written: some of json,tsv,rttm,vtt,srt,audacity,textgrid,elan,csv,ava, mp4 (annotated video) and html "
      "(a page with the video)",
      "list",
      default=("tsv", "json"),
      metavar="FORMAT,…",
    ),
    Option(
      "performer",
      "whose timeline: the prominent face (large, central, lasting; the default), the largest, the vocal one, "
      "at:SECONDS (who is seen then) or box:X,Y,WIDTH,HEIGHT (in fractions of the image; no face is looked for)",
    ),
    Option(
      "faces",
      "whether there is a timeline for the performer or for all faces",
      default="performer",
      choices=("performer", "all"),
    ),
    *options.TRACKS,
    Option(
      "overwrite",
      "detect again even if results exist, and replace results of another video of the same name",
      "switch",
      default=False,
    ),
    Option(
      "summary",
      "write a table of all videos: seconds and share of each event, share of images with the face, warnings, errors",
      "path",
      metavar="FILE.csv",
    ),
  ),
  run,
)
