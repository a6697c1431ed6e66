"""What all label formats share: lines and entries of a file, checks of times and labels, how numbers are written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import math
import re
from typing import Any

import numpy as np

from attavvad_jax.events import EVENTS, Event, Timeline

# Spellings of other tools and hands, in lower case, beside the names of `EVENTS` themselves.
ALIASES = {
  "silent": "silence",
  "speaking": "speech",
  "sing": "singing",
  "other": "others",
}

# Label files are often written to the millisecond: so much beyond the end of a recording is rounding.
ROUNDING_S = 1e-3


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
class Document:
  """What a format finds in a file.

  Its entries in the order of the file, the recording's duration if stated, and one line for each thing that people
  should be warned of.
  """

  entries: Sequence[Entry]
  duration_s: float | None = None
  notes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Format:
  """How one format of label files is told from others, read and written.

  Attributes:
    suffixes: extensions of its files, the usual one first, in lower case and with the dot.
    recognises: whether a text is in this format, told by its beginning; None for a format that is only written.
    parse: (text, name of the file for errors) -> `Document`; None for a format that is only written.
    render: (timeline, metadata, name of the recording) -> text; None for a format that is only read. A format without
      a place for metadata or a name leaves them out.
    decimals: to how many decimals of a second the format's files are written.
  """

  suffixes: tuple[str, ...]
  recognises: Callable[[str], bool] | None = None
  parse: Callable[[str, str], Document] | None = None
  render: Callable[[Timeline, Mapping[str, Any], str], str] | None = None
  decimals: int = 6


def to_timeline(
  document: Document, name: str, duration_s: float | None, labels: Mapping[str, str | None]
) -> tuple[Timeline, list[str]]:
  """Checks the entries of a file (see the package's table) and makes a timeline of them.

  Args:
    document: what the format found.
    name: the file, for errors and warnings.
    duration_s: length of the recording; where None, the document's own, or else the last offset.
    labels: further spellings, as `read` takes them.

  Returns:
    The timeline, and one line for each entry that was clipped or dropped.

  Raises:
    AnnotationError: a label, time or score that cannot be right.
  """
  named = _name_events(document.entries, name, labels)
  if duration_s is None:
    duration_s = document.duration_s
  if duration_s is None:
    duration_s = max((entry.offset_s for entry, _ in named), default=0.0)
  events, losses = [], []
  for entry, label in named:
    event, loss = _to_event(entry, label, f"{name}:{entry.line}", duration_s)
    if event is not None:
      events.append(event)
    if loss is not None:
      losses.append(loss)
  if not (math.isfinite(duration_s) and duration_s >= 0):
    raise AnnotationError(f"{name}: duration is {duration_s} s; expected 0 or more")
  return Timeline(events, duration_s), losses


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


def _name_events(entries: Sequence[Entry], name: str, labels: Mapping[str, str | None]) -> list[tuple[Entry, str]]:
  """The entries with their events' names; without those whose label `labels` leaves out."""
  spellings: dict[str, str | None] = {**{event: event for event in EVENTS}, **ALIASES}
  for label, event in labels.items():
    if event is not None and event not in EVENTS:
      raise ValueError(f"labels: {label!r} becomes {event!r}; expected one of {', '.join(EVENTS)}, or None")
    spellings[_key(label)] = event
  named: list[tuple[Entry, str]] = []
  unknown: list[Entry] = []
  for entry in entries:
    # A tier that is named after an event holds that event, and its texts are remarks: lyrics, a word, a number.
    key = next((key for key in (_key(entry.tier), _key(entry.label)) if key and key in spellings), _key(entry.label))
    if key not in spellings:
      unknown.append(entry)
    elif (event := spellings[key]) is not None:
      named.append((entry, event))
  if unknown:
    first, *further = dict.fromkeys(_quote(entry) for entry in unknown)
    also = f"; the file also holds {', '.join(further[:9])}" if further else ""
    more = f" and {len(further) - 9} more" if len(further) > 9 else ""
    raise AnnotationError(
      f"{name}:{unknown[0].line}: event is {first}; expected one of {', '.join((*EVENTS, *ALIASES))}{also}{more}"
    )
  return named


def _key(label: str) -> str:
  return label.strip().lower()


def _quote(entry: Entry) -> str:
  label = repr(entry.label) if entry.label.strip() else "not named"
  return f"{label} (tier {entry.tier!r})" if entry.tier else label


def _to_event(entry: Entry, label: str, where: str, duration_s: float) -> tuple[Event | None, str | None]:
  """The event of an entry, None where nothing is left of it, and what was lost, None where nothing was."""
  onset_s, offset_s = entry.onset_s, entry.offset_s
  if not (math.isfinite(onset_s) and math.isfinite(offset_s) and 0 <= onset_s <= offset_s):
    raise AnnotationError(f"{where}: onset {onset_s} s, offset {offset_s} s; expected seconds, 0 <= onset <= offset")
  # NaN fails this comparison, too.
  if entry.score is not None and not 0 <= entry.score <= 1:
    raise AnnotationError(f"{where}: score is {entry.score}; expected 0 to 1")
  if onset_s == offset_s:
    return None, f"{where}: {label} at {onset_s} s has no length; dropped"
  span = f"{where}: {label} from {onset_s} s to {offset_s} s goes beyond the recording's {duration_s} s"
  if onset_s >= duration_s:
    return None, f"{span}; dropped"
  event = Event(onset_s, min(offset_s, duration_s), label, entry.score)
  return event, f"{span}; clipped" if offset_s > duration_s + ROUNDING_S else None
