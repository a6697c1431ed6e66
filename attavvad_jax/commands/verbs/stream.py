"""`attavvad stream`."""

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
    face_lookahead_s=face_lookahead_s,
    retry_s=retry_s,
  )


COMMAND = Command(
  "stream",
  "detect in a camera, a network stream or a file played in real time",
  "Shows the current state, and prints each event about a second after its end, when it is final. The command ends "
  "with the input or by Ctrl-C. --output writes the scores of each block and each event as JSON lines at once.",
  "attavvad stream clip.mp4 --output=live.jsonl",
  (
    Option(
      "source",
      "a file, an address (rtmp://, rtsp://, https://….m3u8) or a device of FFmpeg (v4l2:/dev/video0)",
      "path",
      required=True,
      positional=True,
    ),
    Option("microphone", "a second device, for the audio of a camera that has none (alsa:default)"),
    options.CHECKPOINT,
    Option("output", "a new file for JSON lines, or - for standard output (default: none)", "path"),
    Option("performer", "whose events: prominent or box:X,Y,WIDTH,HEIGHT, as for detect", default="prominent"),
    *options.TRACKS,
    Option("face_lookahead_s", "how far the choice of the face looks ahead", "seconds", default=0.0),
    Option("retry_s", "how long to try to restore a lost connection", "seconds", default=60.0),
  ),
  run,
)
