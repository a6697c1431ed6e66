"""What all label formats share: what they find in a file, how lines and numbers are read and written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import re
from typing import Any

import numpy as np

from attavvad_jax.timeline import Event, Timeline

# Spellings of other tools and hands, in lower case, beside the names of `EVENTS` themselves.
ALIASES = {
  "silent": "silence",
  "speaking": "speech",
  "sing": "singing",
  "other": "others",
}

# Words of tools for what is heard, in lower case. Their meaning is certain, but they may also name a tier that holds
# something else: for labels only. inaSpeechSegmenter's `music` is not among them: it is singing, too.
TOOL_WORDS = {
  "female": "speech",
  "male": "speech",
  "noenergy": "silence",
  "noise": "others",
  "nosing": "others",
}

_DECIMAL_COMMA = re.compile("[+-]?[0-9]+,[0-9]+")


class AnnotationError(ValueError):
  """A label file that cannot be used. One line: file, line, what was got, what was expected."""


class AnnotationWarning(UserWarning):
  """Part of a label file was clipped, dropped or repaired, or may be missing. One line, like `AnnotationError`."""


@dataclasses.dataclass(frozen=True)
class Entry:
  """One event as it stands in a file, unchecked.

  Line counted from 1, seconds, label ("" where the file has none), score or None, and the tier that holds it, "" in
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
  """A file that a label file is of, by its name, and where it begins in the label file's clock."""

  file: str
  origin_s: float


@dataclasses.dataclass(frozen=True)
class Document:
  """What a format finds in a file.

  Attributes:
    entries: in the order of the file, in its own clock.
    duration_s: where the recording ends in that clock, if stated.
    notes: one line for each thing that people should be warned of.
    origin_s: where the recording begins in that clock; None where `media` say it, or the recording's length must.
    media: the files that it is of, where it names them and they may begin at different times.
    span_s: from where to where the file describes something in that clock; None where nothing says so but its events.
    rate_hz: units of time a second; None where they are none that can be told.
    rate_is_stated: whether the file, or its format, leaves no doubt of `rate_hz`.
    tiers_are_people: whether each tier is somebody who is seen, of whom one alone may be the performer.
    is_transcript: whether labels may be words that were said, and each entry a segment in which they were.
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
  """How one format of label files is told from others, read and written.

  Attributes:
    suffixes: extensions of its files, the usual one first, in lower case and with the dot.
    recognizes: whether a text is in this format, told by its beginning; None where another format does so, too.
    parse: (text, name of the file for errors) -> `Document`; None for a format that is only written.
    render: (timeline, metadata, name of the recording) -> text; None for a format that is only read. A format without
      a place for metadata or a name leaves them out.
    decimals: to how many decimals of a second the format's files are written.
    lies_beside: whether a file with one of the extensions, beside a video, is expected to hold its labels. Subtitles
      lie there for other reasons, and are read where they are named.
  """

  suffixes: tuple[str, ...]
  recognizes: Callable[[str], bool] | None = None
  parse: Callable[[str, str], Document] | None = None
  render: Callable[[Timeline, Mapping[str, Any], str], str] | None = None
  decimals: int = 6
  lies_beside: bool = True


def lines(text: str) -> list[str]:
  """The lines of a text with any line ends; the last one is what stands after the last line end."""
  # Not str.splitlines: it also splits at characters that are no line ends to an editor, and lines are counted here.
  return re.split(r"\r\n|\n|\r", text)


def filled_lines(text: str) -> list[tuple[int, str]]:
  """The lines of a text that are not blank, with their numbers counted from 1."""
  return [(number, line) for number, line in enumerate(lines(text), start=1) if line.strip()]


def cut_off_notes(text: str, name: str) -> list[str]:
  """A line of warning where the text of a line-based format stops within a line, as a file does that was cut off."""
  last = lines(text)
  if not last[-1].strip():
    return []
  return [f"{name}:{len(last)}: no line end after the last line; the file may have been cut off there"]


def is_number(text: str) -> bool:
  """Whether a text field is a number, NaN and infinity included."""
  # float() alone also takes 1_000 and digits of other scripts, which no label file means.
  if not text.isascii() or "_" in text:
    return False
  try:
    float(text)
  except ValueError:
    return False
  return True


def to_number(text: str, what: str, where: str) -> float:
  """A number from a text field; `what` and `where` (file:line) go into the error."""
  if not is_number(text):
    raise AnnotationError(f"{where}: {what} is {text!r}; expected a number")
  return float(text)


def with_point(text: str) -> str:
  """A number that has a decimal comma with a decimal point; any other text as it is."""
  return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text


def to_identifier(name: str) -> str:
  """A recording's name for formats whose fields cannot hold spaces, commas or quotes; each becomes `_`."""
  return re.sub(r"[\s,\"]", "_", name)


def one_recording(names: Iterable[tuple[int, str]], name: str) -> None:
  """Refuses a file whose rows (line and recording of each) are of several recordings."""
  first: str | None = None
  for line, recording in names:
    first = recording if first is None else first
    if recording != first:
      raise AnnotationError(
        f"{name}:{line}: recording is {recording!r}, and {first!r} above; expected one recording a file: split the file"
      )


def without_overlaps(events: Iterable[Event]) -> list[tuple[str, list[Event]]]:
  """Shares events out to tiers that hold no overlaps: name of the tier and its events, in order of onset.

  Each label has a tier of its name; where events of one label overlap, further ones are called `speech 2` and so on.
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
  """Seconds and scores to the millionth, without an exponent: 3.333333, 7.0."""
  return np.format_float_positional(round(value, 6), trim="0")
