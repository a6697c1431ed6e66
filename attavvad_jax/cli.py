"""The console command `attavvad`, and the guard that turns errors into one line for every launcher."""

import argparse
from collections.abc import Callable, Sequence
import math
import os
import sys

from attavvad_jax import __version__
from attavvad_jax.machine import prepare_xla


def main(argv: Sequence[str] | None = None) -> int:
  """Runs one subcommand; returns the exit code: 0, or 2 for input that cannot be used."""
  arguments = _parser().parse_args(argv)
  return guard(lambda: arguments.run(arguments))


def guard(run: Callable[[], object]) -> int:
  """Runs a command: bad input becomes one clear line on standard error and exit code 2, never a traceback.

  With ATTAVVAD_TRACEBACK set, errors keep their traceback, for those who look for the cause.
  """
  prepare_xla()
  try:
    run()
  except KeyboardInterrupt:
    print("attavvad: interrupted", file=sys.stderr)
    return 130
  except (ValueError, OSError, ImportError) as error:
    if os.environ.get("ATTAVVAD_TRACEBACK"):
      raise
    print(f"attavvad: {_one_line(error)}", file=sys.stderr)
    return 2
  return 0


def _one_line(error: Exception) -> str:
  if isinstance(error, OSError) and error.filename is not None and error.strerror:
    return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
  return " ".join(str(error).split())


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog="attavvad", description="Says when the performer on camera speaks, sings, is silent, or is not what is heard."
  )
  parser.add_argument("--version", action="version", version=__version__)
  commands = parser.add_subparsers(required=True, metavar="COMMAND")
  detect = commands.add_parser("detect", help="print the timeline of a video and write it as TSV and JSON")
  detect.add_argument("video", help="a file with sound that FFmpeg reads")
  detect.add_argument(
    "--checkpoint", required=True, help="what training wrote: a workdir or a folder in its checkpoints"
  )
  detect.add_argument("--output", default=".", help="folder for the results (default: the current one)")
  detect.add_argument(
    "--box", type=_box, help="the performer's face as x,y,width,height in fractions of the frame (default: chosen)"
  )
  detect.add_argument("--annotate", action="store_true", help="also write the video with the state drawn into it")
  detect.set_defaults(run=_detect)
  stream = commands.add_parser("stream", help="detect in what comes in from a camera, an address or a paced file")
  stream.add_argument(
    "source", help="a file, an address (rtmp://, rtsp://, https://….m3u8) or a device of FFmpeg (v4l2:/dev/video0)"
  )
  stream.add_argument("--microphone", help="a second device, for the sound of a camera without (alsa:default)")
  stream.add_argument(
    "--checkpoint", required=True, help="what training wrote: a workdir or a folder in its checkpoints"
  )
  stream.add_argument("--output", help="a new file for JSON lines, or - for standard output (default: none)")
  stream.add_argument(
    "--box", type=_box, help="the performer's face as x,y,width,height in fractions of the frame (default: chosen)"
  )
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
  return parser


def _detect(arguments: argparse.Namespace) -> None:
  from attavvad_jax.detection.run import detect_file

  detect_file(arguments.video, arguments.checkpoint, arguments.output, box=arguments.box, annotate=arguments.annotate)


def _stream(arguments: argparse.Namespace) -> None:
  from attavvad_jax.detection.live import stream

  stream(
    arguments.source,
    arguments.checkpoint,
    microphone=arguments.microphone,
    output=arguments.output,
    box=arguments.box,
    face_lookahead_s=arguments.face_lookahead_s,
    retry_s=arguments.retry_s,
  )


def _seconds(text: str) -> float:
  try:
    seconds = float(text)
  except ValueError:
    seconds = math.nan
  if not 0 <= seconds < math.inf:
    raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, 0 or more")
  return seconds


def _box(text: str) -> tuple[float, float, float, float]:
  try:
    x, y, width, height = (float(part) for part in text.split(","))
  except ValueError:
    raise argparse.ArgumentTypeError(f"{text!r}: expected four numbers: x,y,width,height") from None
  if not (0 <= x < 1 and 0 <= y < 1 and 0 < width <= 1 and 0 < height <= 1):
    raise argparse.ArgumentTypeError(f"{text!r}: expected fractions of the frame between 0 and 1")
  return x, y, width, height


if __name__ == "__main__":
  sys.exit(main())
