"""The console command `attavvad`, and the guard that turns errors into one line for every launcher."""

import argparse
from collections.abc import Callable, Sequence
import math
import os
import sys
from typing import TYPE_CHECKING

from attavvad_jax import __version__
from attavvad_jax.errors import one_line
from attavvad_jax.machine import prepare_xla
from attavvad_jax.weights import SHIPPED

if TYPE_CHECKING:
  from attavvad_jax.media import Tracks


def main(argv: Sequence[str] | None = None) -> int:
  """Runs one subcommand; returns the exit code: 0, 1 where some of many files failed, or 2 for bad input."""
  arguments = _parser().parse_args(argv)
  return guard(lambda: arguments.run(arguments))


def guard(run: Callable[[], object]) -> int:
  """Runs a command, which may return its exit code.

  Bad input becomes one clear line on standard error and exit code 2, never a traceback. With
  ATTAVVAD_TRACEBACK set, errors keep their traceback, for those who look for the cause.
  """
  prepare_xla()
  try:
    code = run()
  except KeyboardInterrupt:
    print("attavvad: interrupted", file=sys.stderr)
    return 130
  except (ValueError, OSError, ImportError) as error:
    if os.environ.get("ATTAVVAD_TRACEBACK"):
      raise
    print(f"attavvad: {one_line(error)}", file=sys.stderr)
    return 2
  return code if isinstance(code, int) else 0


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog="attavvad", description="Says when the performer on camera speaks, sings, is silent, or is not what is heard."
  )
  parser.add_argument("--version", action="version", version=__version__)
  commands = parser.add_subparsers(required=True, metavar="COMMAND")
  detect = commands.add_parser(
    "detect",
    help="print the timelines of videos and write them",
    description="Prints the timeline of a video and writes it, or those of many videos. Of many, those that cannot be "
    "used are listed at the end (exit code 1). What was done before of the same video, by the same checkpoint, version "
    "and choices, is left alone, and other results of the same video are replaced. Files that this command has not "
    "written, or that have been edited since, are never replaced.",
  )
  detect.add_argument(
    "videos",
    nargs="+",
    metavar="VIDEO",
    help="file with sound, folder, pattern like 'a/**/*.mp4', or - (a list, one a line)",
  )
  checkpoint_help = (
    "what training wrote: a workdir or a folder in its checkpoints (default: the weights of the package)"
  )
  detect.add_argument("--checkpoint", default=SHIPPED, help=checkpoint_help)
  detect.add_argument("--output", default=".", help="folder for the results (default: the current one)")
  detect.add_argument(
    "--to",
    default="tsv,json",
    help="what is written, some of json,tsv,rttm,vtt,srt,audacity,textgrid,elan,csv,ava, mp4 (annotated video) and "
    "html (a page with the video) (default: %(default)s)",
  )
  detect.add_argument(
    "--performer",
    help="prominent (large, central, lasting; default), largest, vocal, at:SECONDS (who is seen then) or "
    "box:X,Y,WIDTH,HEIGHT (in fractions of the picture; no face is looked for)",
  )
  detect.add_argument(
    "--faces", choices=("performer", "all"), default="performer", help="all: a timeline for each face (default: one)"
  )
  _add_tracks(detect)
  detect.add_argument(
    "--overwrite",
    action="store_true",
    help="do again what has been done before, and replace results of another video of the same name",
  )
  detect.add_argument(
    "--summary",
    metavar="FILE.csv",
    help="a table of all videos: seconds and share of each event, share of images with the face, warnings, errors",
  )
  detect.set_defaults(run=_detect)
  stream = commands.add_parser(
    "stream",
    help="detect in what comes in from a camera, an address or a paced file",
    description="Shows what is detected while it comes in, and tells each event about a second after it has ended, "
    "when nothing can change it any more. It ends with the input, or by Ctrl-C. --output writes the scores of each "
    "block, and each event, as lines of JSON at once.",
  )
  stream.add_argument(
    "source", help="a file, an address (rtmp://, rtsp://, https://….m3u8) or a device of FFmpeg (v4l2:/dev/video0)"
  )
  stream.add_argument("--microphone", help="a second device, for the sound of a camera without (alsa:default)")
  stream.add_argument("--checkpoint", default=SHIPPED, help=checkpoint_help)
  stream.add_argument("--output", help="a new file for JSON lines, or - for standard output (default: none)")
  stream.add_argument(
    "--performer", default="prominent", help="prominent or box:X,Y,WIDTH,HEIGHT, as for detect (default: %(default)s)"
  )
  _add_tracks(stream)
  stream.add_argument(
    "--face_lookahead_s",
    type=_seconds,
    default=0.0,
    help="seconds that the choice of the face looks ahead (default: 0)",
  )
  stream.add_argument(
    "--retry_s", type=_seconds, default=60.0, help="seconds to try for a lost connection (default: 60)"
  )
  stream.set_defaults(run=_stream)
  curves = commands.add_parser(
    "curves",
    help="draw losses, F and loss weights of runs in one picture",
    description="Draws runs beside each other over their steps: total loss, F on validation, the losses of each group "
    "and their weights, as training logs them.",
  )
  curves.add_argument("runs", nargs="+", metavar="RUN", help="workdir of a run, or a folder of such, as a sweep's")
  curves.add_argument("--output", default="curves.png", help="the PNG file to write (default: %(default)s)")
  curves.set_defaults(run=_curves)
  return parser


def _add_tracks(command: argparse.ArgumentParser) -> None:
  command.add_argument(
    "--audio-track",
    "--audio_track",
    metavar="N|LANG",
    help="which of several sound tracks: its number, from 1, or its language as the file has it (default: as players "
    "choose)",
  )
  command.add_argument(
    "--audio-channels",
    "--audio_channels",
    choices=("mix", "left", "right", "side"),
    default="mix",
    help="mix of all channels, one of them, or half the difference of left and right (default: %(default)s)",
  )
  command.add_argument(
    "--video-track",
    "--video_track",
    metavar="N",
    help="which of several pictures, from 1 (default: as the file says, else those that show faces)",
  )


def _tracks(arguments: argparse.Namespace) -> "Tracks":
  from attavvad_jax.media import Tracks

  return Tracks.parse(arguments.audio_track, arguments.video_track, arguments.audio_channels)


def _detect(arguments: argparse.Namespace) -> int:
  from attavvad_jax.inference.run import detect_files

  return detect_files(
    arguments.videos,
    arguments.checkpoint,
    arguments.output,
    to=arguments.to.split(","),
    performer=arguments.performer,
    faces=arguments.faces,
    tracks=_tracks(arguments),
    overwrite=arguments.overwrite,
    summary=arguments.summary,
    listed=sys.stdin,
  )


def _stream(arguments: argparse.Namespace) -> None:
  from attavvad_jax.inference.live import stream

  stream(
    arguments.source,
    arguments.checkpoint,
    microphone=arguments.microphone,
    output=arguments.output,
    performer=arguments.performer,
    tracks=_tracks(arguments),
    face_lookahead_s=arguments.face_lookahead_s,
    retry_s=arguments.retry_s,
  )


def _curves(arguments: argparse.Namespace) -> None:
  from attavvad_jax.reports.curves import plot_runs

  plot_runs(arguments.runs, arguments.output)
  print(f"drawn: {arguments.output}")


def _seconds(text: str) -> float:
  try:
    seconds = float(text)
  except ValueError:
    seconds = math.nan
  if not 0 <= seconds < math.inf:
    raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, 0 or more")
  return seconds


if __name__ == "__main__":
  sys.exit(main())
