"""The registry of label formats, and the two functions that read and write any of them."""

import codecs
from collections.abc import Iterable, Mapping
import dataclasses
import os
from pathlib import Path
from typing import Any, Self
import warnings

from attavvad_jax.annotations import (
  audacity,
  ava,
  elan,
  json_events,
  lab,
  mavc100,
  rttm,
  subtitles,
  tables,
  textgrid,
)
from attavvad_jax.annotations.base import AnnotationError, AnnotationWarning, Document, Format, lines
from attavvad_jax.annotations.meaning import to_timeline
from attavvad_jax.files import write_text
from attavvad_jax.registry import resolve
from attavvad_jax.timeline import EVENTS, Event, Timeline

# Content is tried in this order; of formats that share an extension, the first has it.
FORMATS: dict[str, Format] = {
  "json": json_events.FORMAT,
  "elan": elan.FORMAT,
  "textgrid": textgrid.FORMAT,
  "rttm": rttm.FORMAT,
  "webvtt": subtitles.WEBVTT,
  "srt": subtitles.SRT,
  "audacity": audacity.FORMAT,
  "tsv": tables.TSV,
  "csv": tables.CSV,
  "ava": ava.FORMAT,
  "lab": lab.FORMAT,
  "jams": json_events.JAMS,
  "mavc100": mavc100.FORMAT,
}

# Extensions of label files that can be read, in lower case: what to look for beside a video.
LABEL_SUFFIXES: tuple[str, ...] = tuple(
  dict.fromkeys(
    suffix
    for format in FORMATS.values()
    if format.parse is not None and format.lies_beside
    for suffix in format.suffixes
  )
)

# What a label is given on a command line that is left out.
_NO_EVENT = "none"
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclasses.dataclass(frozen=True)
class Reading:
  """What label files do not say of themselves, for those who read many: as `read` takes it."""

  labels: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
  origin_s: float | None = None
  rate_hz: float | None = None
  format: str | None = None

  @property
  def suffixes(self) -> tuple[str, ...]:
    """Extensions of label files to look for beside a video: those of the format, or `LABEL_SUFFIXES`."""
    return LABEL_SUFFIXES if self.format is None else _format_by_name(self.format).suffixes

  def to_dict(self) -> dict[str, Any]:
    """What is said, to know it again; a format only where one is named, as there was a time before."""
    said = dataclasses.asdict(self)
    return said if self.format is not None else {key: value for key, value in said.items() if key != "format"}

  @classmethod
  def parse(
    cls,
    pairs: Iterable[str],
    origin_s: float | None = None,
    rate_hz: float | None = None,
    format: str | None = None,
  ) -> Self:
    """With labels as a command line has them: `LABEL=EVENT`, or `LABEL=none`, which leaves out.

    Raises:
      ValueError: a pair without `=`, an event that there is not, a label twice, or an unknown format.
    """
    labels: dict[str, str | None] = {}
    for pair in pairs:
      label, equals, event = (part.strip() for part in pair.rpartition("="))
      if not equals or event.lower() not in (*EVENTS, _NO_EVENT):
        expected = f"LABEL=EVENT, the event one of {', '.join(EVENTS)}, or {_NO_EVENT} to leave out"
        raise ValueError(f"map: {pair!r}; expected {expected}")
      if label.lower() in (other.lower() for other in labels):
        raise ValueError(f"map: label {label!r} is there twice; expected each label once")
      labels[label] = None if event.lower() == _NO_EVENT else event.lower()
    if format is not None:
      _readable(format)
    return cls(labels, origin_s, rate_hz, format)


DEFAULT_READING = Reading()


def read(
  path: str | os.PathLike[str],
  duration_s: float | None = None,
  *,
  labels: Mapping[str, str | None] | None = None,
  origin_s: float | None = None,
  rate_hz: float | None = None,
  recording: str | os.PathLike[str] | None = None,
  format: str | None = None,
) -> Timeline:
  """Reads a label file of any format that can be read.

  The content decides the format, and the extension where the content fits none.

  Examples:
    >>> from attavvad_jax.timeline import Event
    >>> write(Timeline([Event(0.0, 2.5, "speech"), Event(2.5, 9.0, "singing")], 10.0), "clip.TextGrid")
    >>> [(event.onset_s, event.label) for event in read("clip.TextGrid")]
    [(0.0, 'speech'), (2.5, 'singing')]

  Args:
    path: a file in UTF-8, with or without a byte order mark, or in UTF-16 with one, with any line ends.
    duration_s: length of the recording in seconds. Where None, what the file says, or else the last offset.
    labels: events for labels (or tiers) of other names, without regard to case: `{"spk1": "speech", "lyrics": None}`,
      where None leaves out what has that label; "" is for events without one, as in a table with two columns, and for
      the segments of a transcript.
    origin_s: where the recording begins in the times of the file, which are of a longer one. Where None, what the file
      says: an ELAN file's time origin, a TextGrid's start where the recording is as long as the TextGrid.
    rate_hz: how many of the file's units of time make a second, where they are whole numbers and the file does not say
      what they are: 16000 for samples at 16 kHz, 1000 for milliseconds.
    recording: the recording's file, for a label file that is of several (ELAN's); where None, it has the label file's
      name.
    format: a name of `FORMATS`, or package.module:Name of a `Format` of one's own, in the place of what the content
      decides.

  Raises:
    AnnotationError: the content is in no known format, or cannot be right, or no event lies within the recording; names
      file and line.
    ValueError: `labels` name an event that is none of `EVENTS`, or the format is unknown.
    OSError: the file is missing or cannot be read.

  Warns:
    AnnotationWarning: an event was clipped, dropped or repaired, something was assumed, or the file is empty or stops
      within a line.
  """
  path = Path(path)
  text = _decode(path)
  if not text.strip():
    warnings.warn(AnnotationWarning(f"{path}: empty file; read as a recording without events"), stacklevel=2)
  document = _parse(text, path, format)
  timeline, losses = to_timeline(
    document,
    str(path),
    duration_s,
    labels or {},
    origin_s=origin_s,
    rate_hz=rate_hz,
    recording=str(path if recording is None else recording),
  )
  for loss in (*document.notes, *losses):
    warnings.warn(AnnotationWarning(loss), stacklevel=2)
  return timeline


def is_transcript(path: str | os.PathLike[str], format: str | None = None) -> bool:
  """Whether a label file that can be read may hold words that were said, which `read` takes for speech."""
  return _parse(_decode(Path(path)), Path(path), format).is_transcript


def write(
  timeline: Timeline,
  path: str | os.PathLike[str],
  format: str | None = None,
  metadata: Mapping[str, Any] | None = None,
  *,
  recording: str | None = None,
) -> None:
  """Writes a label file; a file of that name is replaced only once the new one is whole.

  Args:
    timeline: what to write. Times are rounded to the format's `decimals`, scores to the millionth.
    path: the file to write.
    format: a name of `FORMATS`, or package.module:Name of a `Format` of one's own; where None, the extension decides.
    metadata: further fields for formats that have a place for them (JSON); others leave them out.
    recording: its name, in formats that name it; that of the file without the extension where None.

  Raises:
    ValueError: an unknown format or extension, a format that is only read, or metadata that do not fit.
    OSError: the folder is missing or cannot be written to.

  Warns:
    AnnotationWarning: an event has no length, or none that is left by rounding, and was dropped.
  """
  path = Path(path)
  chosen = _format_by_suffix(path, "render") if format is None else _format_by_name(format)
  if chosen.render is None:
    raise ValueError(f"format {format!r} can be read but not written; expected one of {_names('render')}")
  events = []
  for event in timeline:
    onset_s, offset_s = round(event.onset_s, chosen.decimals), round(event.offset_s, chosen.decimals)
    if onset_s < offset_s:
      events.append(Event(onset_s, offset_s, event.label, event.score))
    else:
      loss = f"{path}: {event.label} at {event.onset_s} s has no length to {chosen.decimals} decimals; dropped"
      warnings.warn(AnnotationWarning(loss), stacklevel=2)
  rounded = Timeline(events, round(timeline.duration_s, chosen.decimals))
  write_text(path, chosen.render(rounded, metadata or {}, recording or path.stem))


def _decode(path: Path) -> str:
  data = path.read_bytes()
  encoding, called = ("utf-16", "UTF-16") if data.startswith(_BYTE_ORDER_MARKS) else ("utf-8-sig", "UTF-8")
  try:
    text = data.decode(encoding)
  except UnicodeDecodeError as error:
    line = len(lines(data[: error.start].decode(encoding, "replace")))
    byte = data[error.start]
    raise AnnotationError(f"{path}:{line}: byte 0x{byte:02x} is not {called}; save the file as UTF-8 text") from None
  if "\0" in text:
    line = len(lines(text[: text.index("\0")]))
    raise AnnotationError(f"{path}:{line}: NUL character; expected text in UTF-8, or in UTF-16 with a byte order mark")
  return text


def _parse(text: str, path: Path, format: str | None) -> Document:
  parse = (_find_format(text, path) if format is None else _readable(format)).parse
  assert parse is not None  # both give only formats that can be read
  return parse(text, str(path))


def _find_format(text: str, path: Path) -> Format:
  for format in FORMATS.values():
    if format.recognizes is not None and format.recognizes(text):
      return format
  return _format_by_suffix(path, "parse")


def _format_by_suffix(path: Path, ability: str) -> Format:
  """The format that has `ability` ("parse" or "render") and the path's extension."""
  for format in FORMATS.values():
    if getattr(format, ability) is not None and path.suffix.lower() in format.suffixes:
      return format
  verb = "read" if ability == "parse" else "written"
  raise AnnotationError(f"{path}: not a label format that can be {verb}; expected one of {_names(ability)}")


def _format_by_name(name: str) -> Format:
  found: Format = resolve(name, FORMATS, "label format")
  if not isinstance(found, Format):
    raise ValueError(f"label format is {name!r}, which is a {type(found).__name__}; expected a Format")
  return found


def _readable(name: str) -> Format:
  found = _format_by_name(name)
  if found.parse is None:
    raise ValueError(f"label format {name!r} can be written but not read; expected one of {_names('parse')}")
  return found


def _names(ability: str) -> str:
  formats = ((name, format) for name, format in FORMATS.items() if getattr(format, ability) is not None)
  return ", ".join(f"{name} ({' '.join(format.suffixes)})" for name, format in formats)
