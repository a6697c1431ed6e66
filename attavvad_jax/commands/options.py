"""Options that several verbs share."""

from collections.abc import Sequence
from typing import Any

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

THRESHOLD = Option(
  "threshold",
  "minimum score of the performer's voice: one number for speech and singing, or one for each, such as "
  "speech=0.6,singing=0.4; below it, a block is silence or others (default: that of the checkpoint, mostly 0)",
  "list",
  metavar="NUMBER|EVENT=NUMBER,…",
)
MIN_DURATION = Option(
  "min_duration_s",
  "minimum duration of an event; shorter events join a neighbor (default: that of the checkpoint, mostly 0.5)",
  "seconds",
)
SMOOTHING = (THRESHOLD, MIN_DURATION)
_VOCAL = ("speech", "singing")


def smoothing(threshold: Sequence[str] | None, min_duration_s: float | None) -> dict[str, Any]:
  """Returns the fields of `Smoothing` that these options change.

  Raises:
    ValueError: a threshold is no number from 0 to 1, belongs to no vocal event, or is given twice.
  """
  changed: dict[str, Any] = {} if min_duration_s is None else {"min_duration_s": min_duration_s}
  # An empty text is a list of no parts, but no threshold either.
  for part in () if threshold is None else threshold or ("",):
    name, equals, text = part.rpartition("=")
    events = [name] if equals else _VOCAL
    try:
      value = float(text)
    except ValueError:
      value = -1.0
    fields = [f"{event}_threshold" for event in events]
    if not 0 <= value <= 1 or not set(events) <= set(_VOCAL) or not changed.keys().isdisjoint(fields):
      raise ValueError(
        f"--threshold: got {part!r}; expected one number from 0 to 1, or one for each event, such as "
        "speech=0.6,singing=0.4"
      )
    changed |= dict.fromkeys(fields, value)
  return changed


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
  "preset",
  "difficulty of the simulated performances: unaccompanied, clean, live, hard, varied, natural or recorded",
  default="live",
)
SOUNDS = Option("sounds", "folder of recorded voices and music, for the preset recorded", "path")
