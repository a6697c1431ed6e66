"""Options that several verbs share."""

from attavvad_jax.commands.base import Option
from attavvad_jax.weights import SHIPPED

QUIET = Option("quiet", "print results and errors only, no progress and no notes", "switch", default=False)
VERBOSE = Option("verbose", "print the logs of libraries, and the traceback of an error", "switch", default=False)
# Every verb takes these.
COMMON = (QUIET, VERBOSE)

CHECKPOINT = Option(
  "checkpoint",
  "a workdir, a folder in its checkpoints, or shipped: the weights of the package",
  "path",
  default=SHIPPED,
)

AUDIO_TRACK = Option(
  "audio_track",
  "which of several audio tracks: its number, from 1, or its language code in the file (default: as players choose)",
  metavar="N|LANG",
)
AUDIO_CHANNELS = Option(
  "audio_channels",
  "the mean of all channels, one of them, or half the difference of left and right",
  default="mix",
  choices=("mix", "left", "right", "side"),
)
VIDEO_TRACK = Option(
  "video_track",
  "which of several video tracks, from 1 (default: the one that the file marks, else the one that shows faces)",
  metavar="N",
)
TRACKS = (AUDIO_TRACK, AUDIO_CHANNELS, VIDEO_TRACK)

LABEL_MAP = Option(
  "map",
  "events that labels stand for, such as SPEAKER_00=speech,music=others,la=none; none drops a label",
  "list",
  default=(),
  metavar="LABEL=EVENT,…",
)

MINUTES = {
  split: Option(f"{split}_minutes", f"minutes to simulate for the split {split}", "number", default=minutes)
  for split, minutes in (("train", 20.0), ("validation", 3.0), ("test", 5.0))
}
PRESET = Option(
  "preset", "difficulty of the simulated performances: unaccompanied, clean, live, hard or varied", default="live"
)
