"""What all label formats share: entries of a file, checks of their times and labels, and how numbers are written."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math
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
  """Part of a label file was clipped or dropped. One line, like `AnnotationError`."""


@dataclasses.dataclass(frozen=True)
class Entry:
  """One event as it stands in a file, unchecked: line counted from 1, seconds, label, score or None."""

  line: int
  onset_s: float
  offset_s: float
  label: str
  score: float | None = None


@dataclasses.dataclass(frozen=True)
class Document:
  """What a format finds in a file: its entries in the order of the file, and the recording's duration if stated."""

  entries: Sequence[Entry]
  duration_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Format:
  """How one format of label files is told from others, read and written.

  Attributes:
    suffixes: extensions of its files, the usual one first, in lower case and with the dot.
    recognises: whether a text is in this format, told by its beginning; None for a format that is only written.
    parse: (text, name of the file for errors) -> `Document`; None for a format that is only written.
    render: (timeline, metadata) -> text; None for a format that is only read. A format without a place for metadata
      leaves them out.
  """

  suffixes: tuple[str, ...]
  recognises: Callable[[str], bool] | None = None
  parse: Callable[[str, str], Document] | None = None
  render: Callable[[Timeline, Mapping[str, Any]], str] | None = None


def to_timeline(document: Document, name: str, duration_s: float | None) -> tuple[Timeline, list[str]]:
  """Checks the entries of a file (see the package's table) and makes a timeline of them.

  Args:
    document: what the format found.
    name: the file, for errors and warnings.
    duration_s: length of the recording; where None, the document's own, or else the last offset.

  Returns:
    The timeline, and one line for each entry that was clipped or dropped.

  Raises:
    AnnotationError: a label, time or score that cannot be right.
  """
  if duration_s is None:
    duration_s = document.duration_s
  if duration_s is None:
    duration_s = max((entry.offset_s for entry in document.entries), default=0.0)
  events, losses = [], []
  for entry in document.entries:
    event, loss = _to_event(entry, f"{name}:{entry.line}", duration_s)
    if event is not None:
      events.append(event)
    if loss is not None:
      losses.append(loss)
  if not (math.isfinite(duration_s) and duration_s >= 0):
    raise AnnotationError(f"{name}: duration is {duration_s} s; expected 0 or more")
  return Timeline(events, duration_s), losses


def to_number(text: str, what: str, where: str) -> float:
  """A number from a text field; `what` and `where` (file:line) go into the error."""
  try:
    return float(text)
  except ValueError:
    raise AnnotationError(f"{where}: {what} is {text!r}; expected a number") from None


def format_number(value: float) -> str:
  """Seconds and scores to the millionth, without an exponent: 3.333333, 7.0."""
  return np.format_float_positional(round(value, 6), trim="0")


def _to_event(entry: Entry, where: str, duration_s: float) -> tuple[Event | None, str | None]:
  """The event of an entry, None where nothing is left of it, and what was lost, None where nothing was."""
  onset_s, offset_s = entry.onset_s, entry.offset_s
  if not (math.isfinite(onset_s) and math.isfinite(offset_s) and 0 <= onset_s <= offset_s):
    raise AnnotationError(f"{where}: onset {onset_s} s, offset {offset_s} s; expected seconds, 0 <= onset <= offset")
  label = entry.label.strip().lower()
  label = ALIASES.get(label, label)
  if label not in EVENTS:
    raise AnnotationError(f"{where}: event is {entry.label!r}; expected one of {', '.join((*EVENTS, *ALIASES))}")
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
