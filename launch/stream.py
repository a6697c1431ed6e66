"""Detects in what comes in from a camera, an address or a paced file; as the console command, `attavvad stream`.

python -m launch.stream --source=rtmp://localhost/live --checkpoint=runs/small --output=live.jsonl
"""

from absl import flags

from launch import app

_SOURCE = flags.DEFINE_string(
  "source", None, "A file, an address, or a device of FFmpeg (v4l2:/dev/video0).", required=True
)
_MICROPHONE = flags.DEFINE_string("microphone", None, "A second device, for the sound (alsa:default).")
_CHECKPOINT = flags.DEFINE_string("checkpoint", "shipped", "What training wrote; or the weights of the package.")
_OUTPUT = flags.DEFINE_string("output", None, "A new file for JSON lines, or - for standard output.")
_PERFORMER = flags.DEFINE_string("performer", "prominent", "prominent or box:X,Y,WIDTH,HEIGHT.")
_AUDIO_TRACK = flags.DEFINE_string("audio_track", None, "Which sound track: its number, from 1, or its language.")
_AUDIO_CHANNELS = flags.DEFINE_enum("audio_channels", "mix", ["mix", "left", "right", "side"], "Of the sound track.")
_VIDEO_TRACK = flags.DEFINE_integer("video_track", None, "Which pictures: their number, from 1.")
_RETRY_S = flags.DEFINE_float("retry_s", 60.0, "Seconds to try for a lost connection.", lower_bound=0.0)


def main():
  from attavvad_jax.inference.live import stream
  from attavvad_jax.media import Tracks

  stream(
    _SOURCE.value,
    _CHECKPOINT.value,
    microphone=_MICROPHONE.value,
    output=_OUTPUT.value,
    performer=_PERFORMER.value,
    tracks=Tracks.parse(_AUDIO_TRACK.value, _VIDEO_TRACK.value, _AUDIO_CHANNELS.value),
    retry_s=_RETRY_S.value,
  )


if __name__ == "__main__":
  app.run(main)
