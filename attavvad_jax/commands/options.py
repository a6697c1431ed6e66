"""Options that several verbs share."""

from attavvad_jax.commands.base import Option
from attavvad_jax.weights import SHIPPED

QUIET = Option("quiet", "print results and errors, no progress and no remarks", "switch", default=False)
VERBOSE = Option("verbose", "print what libraries log, and the traceback of an error", "switch", default=False)
# Of every verb.
COMMON = (QUIET, VERBOSE)

CHECKPOINT = Option(
  "checkpoint",
  "what training wrote: a workdir or a folder in its checkpoints; or the weights of the package",
  "path",
  default=SHIPPED,
)

AUDIO_TRACK = Option(
  "audio_track",
  "which of several audio tracks: its number, from 1, or its language as the file has it (default: as players choose)",
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
  "which of several video tracks, from 1 (default: as the file says, else the one that shows faces)",
  metavar="N",
)
TRACKS = (AUDIO_TRACK, AUDIO_CHANNELS, VIDEO_TRACK)

LABEL_MAP = Option(
  "map",
  "what labels mean, as SPEAKER_00=speech,music=others,la=none (left out)",
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
