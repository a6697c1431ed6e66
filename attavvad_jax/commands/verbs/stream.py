"""`attavvad stream`."""

from collections.abc import Sequence

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option


def run(
  source: str,
  microphone: str | None,
  checkpoint: str,
  output: str | None,
  performer: str,
  audio_track: str | None,
  audio_channels: str,
  video_track: str | None,
  threshold: Sequence[str] | None,
  min_duration_s: float | None,
  face_lookahead_s: float,
  retry_s: float,
) -> None:
  from attavvad_jax.inference.live import stream
  from attavvad_jax.media import Tracks

  stream(
    source,
    checkpoint,
    microphone=microphone,
    output=output,
    performer=performer,
    tracks=Tracks.parse(audio_track, video_track, audio_channels),
    smoothing=options.smoothing(threshold, min_duration_s),
    face_lookahead_s=face_lookahead_s,
    retry_s=retry_s,
  )


COMMAND = Command(
  "stream",
  "detect in real time in a camera, a network stream or a file",
  "Shows the current state, and prints each event a few seconds after its end, when it is final. The command ends "
  "with the input or on Ctrl-C. --output writes the scores of each block and each event as JSON lines immediately.",
  "attavvad stream clip.mp4 --output=live.jsonl",
  (
    Option(
      "source",
      "a file, an address (rtmp://, rtsp://, https://….m3u8) or an FFmpeg device (v4l2:/dev/video0)",
      "path",
      required=True,
      positional=True,
    ),
    Option("microphone", "a second device that records audio for a camera without any (alsa:default)"),
    options.CHECKPOINT,
    Option("output", "a new file for JSON lines, or - for standard output (default: none)", "path"),
    Option("performer", "who the performer is: prominent or box:X,Y,WIDTH,HEIGHT, as for detect", default="prominent"),
    *options.TRACKS,
    *options.SMOOTHING,
    Option("face_lookahead_s", "seconds that the choice of the performer's face looks ahead", "seconds", default=0.0),
    Option("retry_s", "seconds to try to restore a lost connection", "seconds", default=60.0),
  ),
  run,
)
