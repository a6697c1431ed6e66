"""Defines what all label formats share: the content of a file, and functions for lines, numbers and tiers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import re
from typing import Any

import numpy as np

from attavvad_jax.timeline import Event, Timeline

# Further spellings of the names in `EVENTS`, in lower case.
ALIASES = {
  "silent": "silence",
  "speaking": "speech",
  "sing": "singing",
  "other": "others",
}

# Words that tools use for sounds, in lower case. Their meaning is certain for labels only: a tier of such a name may
# hold something else. inaSpeechSegmenter's `music` is missing, because it includes singing.
TOOL_WORDS = {
  "female": "speech",
  "male": "speech",
  "noenergy": "silence",
  "noise": "others",
  "nosing": "others",
}

_DECIMAL_COMMA = re.compile("[+-]?[0-9]+,[0-9]+")


class AnnotationError(ValueError):
  """An error in a label file, on one line: file, line, what was got, what was expected."""


class AnnotationWarning(UserWarning):
  """A warning that part of a label file was clipped, dropped or repaired, or may be missing, on one line."""


@dataclasses.dataclass(frozen=True)
class Entry:
  """An event as it stands in a file, unchecked.

  `line` counts from 1, and the times are in the file's clock. `label` is "" where the file has none; `tier` is "" in
  formats without tiers.
  """

  line: int
  onset_s: float
  offset_s: float
  label: str
  score: float | None = None
  tier: str = ""


@dataclasses.dataclass(frozen=True)
class Medium:
  """A media file that a label file names: its file name, and its start in the label file's clock, in seconds."""

  file: str
  origin_s: float


@dataclasses.dataclass(frozen=True)
class Document:
  """The content of a label file.

  Attributes:
    entries: events in the order of the file, in its own clock.
    duration_s: end of the recording in that clock, if stated.
    notes: warnings, one line each.
    origin_s: start of the recording in that clock; None where `media` or the recording's length determine it.
    media: media files that the file names, if they may begin at different times.
    span_s: start and end of what the file describes, in that clock; None where only the events show it.
    rate_hz: units of time per second; None if unknown.
    rate_is_stated: whether the file or its format states `rate_hz`.
    tiers_are_people: whether each tier is a visible person, only one of whom may be the performer.
    is_transcript: whether labels may be spoken words, and entries the segments that hold them.
  """

  entries: Sequence[Entry]
  duration_s: float | None = None
  notes: Sequence[str] = ()
  origin_s: float | None = 0.0
  media: Sequence[Medium] = ()
  span_s: tuple[float, float] | None = None
  rate_hz: float | None = 1.0
  rate_is_stated: bool = True
  tiers_are_people: bool = False
  is_transcript: bool = False


@dataclasses.dataclass(frozen=True)
class Format:
  """A format of label files, with functions that recognize, read and write it.

  Attributes:
    suffixes: file extensions, the usual one first, in lower case and with the dot.
    recognizes: text -> whether its beginning is in this format; None where another format recognizes these files.
    parse: (text, name of the file for errors) -> `Document`; None for a format that is only written.
    render: (timeline, metadata, name of the recording) -> text; None for a format that is only read. A format without
      a place for metadata or a name leaves them out.
    decimals: number of decimals to which seconds are written.
    lies_beside: whether a file with one of the extensions beside a video is expected to hold its labels. Subtitles lie
      there for other reasons, and are read only where they are named.
  """

  suffixes: tuple[str, ...]
  recognizes: Callable[[str], bool] | None = None
  parse: Callable[[str, str], Document] | None = None
  render: Callable[[Timeline, Mapping[str, Any], str], str] | None = None
  decimals: int = 6
  lies_beside: bool = True


def lines(text: str) -> list[str]:
  """Splits a text at any line ends; the last line is the text after the last line end."""
  # Not str.splitlines: it also splits at characters that editors do not count as line ends.
  return re.split(r"\r\n|\n|\r", text)


def filled_lines(text: str) -> list[tuple[int, str]]:
  """Returns the lines of a text that are not blank, with their numbers, counted from 1."""
  return [(number, line) for number, line in enumerate(lines(text), start=1) if line.strip()]


def cut_off_notes(text: str, name: str) -> list[str]:
  """Returns a warning if the text of a line-based format stops within a line, as a truncated file does."""
  last = lines(text)
  if not last[-1].strip():
    return []
  return [f"{name}:{len(last)}: no line end after the last line; the file may have been cut off there"]


def is_number(text: str) -> bool:
  """Returns whether a text field is a number, NaN and infinity included."""
  # float() alone also accepts 1_000 and digits of other scripts, which no label file uses.
  if not text.isascii() or "_" in text:
    return False
  try:
    float(text)
  except ValueError:
    return False
  return True


def to_number(text: str, what: str, where: str) -> float:
  """Converts a text field to a number; `what` and `where` (file:line) go into the error."""
  if not is_number(text):
    raise AnnotationError(f"{where}: {what} is {text!r}; expected a number")
  return float(text)


def with_point(text: str) -> str:
  """Returns a number with a decimal point instead of a decimal comma, and any other text unchanged."""
  return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text


def to_identifier(name: str) -> str:
  """Replaces white space, commas and quotes in a recording's name by `_`, for formats that cannot hold them."""
  return re.sub(r"[\s,\"]", "_", name)


def one_recording(names: Iterable[tuple[int, str]], name: str) -> None:
  """Raises an error if the rows of a file, given as (line, recording), are of several recordings."""
  first: str | None = None
  for line, recording in names:
    first = recording if first is None else first
    if recording != first:
      raise AnnotationError(
        f"{name}:{line}: recording is {recording!r}, and {first!r} above; expected one recording a file: split the file"
      )


def without_overlaps(events: Iterable[Event]) -> list[tuple[str, list[Event]]]:
  """Distributes events over tiers without overlaps; returns each tier's name and its events in order of onset.

  Each label has a tier of its name; where events of one label overlap, further tiers are called `speech 2` and so on.
  """
  tiers: dict[str, list[list[Event]]] = {}
  for event in sorted(events, key=lambda e: (e.label, e.onset_s, e.offset_s)):
    rows = tiers.setdefault(event.label, [])
    row = next((row for row in rows if row[-1].offset_s <= event.onset_s), None)
    if row is None:
      rows.append(row := [])
    row.append(event)
  return [
    (label if number == 1 else f"{label} {number}", row)
    for label, rows in tiers.items()
    for number, row in enumerate(rows, start=1)
  ]


def format_number(value: float) -> str:
  """Formats seconds and scores to the millionth, without an exponent: 3.333333, 7.0."""
  return np.format_float_positional(round(value, 6), trim="0")
