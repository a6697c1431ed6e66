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
  threshold: Sequence[str] | None,
  min_duration_s: float | None,
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
    smoothing=options.smoothing(threshold, min_duration_s),
    overwrite=overwrite,
    summary=summary,
    listed=sys.stdin,
  )


COMMAND = Command(
  "detect",
  "print the timelines of videos and write them to files",
  "Prints the timeline of a video and writes it to files. For several videos, it prints one line each and lists the "
  "unusable ones at the end (exit code 1). A video is skipped if its results exist and come from the same checkpoint, "
  "version and options; other results of it are replaced. Files that this command did not write, or that were edited "
  "since, are never replaced.",
  "attavvad detect clip.mp4 --to=tsv,html",
  (
    Option(
      "videos",
      "a file with audio, a folder, a pattern such as 'a/**/*.mp4', or - for a list on standard input, one per line",
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
      "formats to write: some of json,tsv,rttm,vtt,srt,audacity,textgrid,elan,csv,ava, mp4 (annotated video) and html "
      "(a page with the video)",
      "list",
      default=("tsv", "json"),
      metavar="FORMAT,…",
    ),
    Option(
      "performer",
      "who the performer is: the prominent face (large, central, visible for long; the default), the largest, the "
      "vocal one, at:SECONDS (seen at that time) or box:X,Y,WIDTH,HEIGHT (in fractions of the frame; no detection)",
    ),
    Option(
      "faces",
      "whose timelines to write: the performer's, or those of all faces",
      default="performer",
      choices=("performer", "all"),
    ),
    *options.TRACKS,
    *options.SMOOTHING,
    Option(
      "overwrite",
      "detect again even if results exist, and replace results of another video with the same name",
      "switch",
      default=False,
    ),
    Option(
      "summary",
      "write a table of all videos: seconds and fraction of each event, fraction of images with the face, warnings "
      "and errors",
      "path",
      metavar="FILE.csv",
    ),
  ),
  run,
)
