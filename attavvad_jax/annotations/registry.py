"""Registers the label formats, and reads and writes files of any of them."""

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

# The first format that recognizes the content, or else the first with the extension, is used.
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

# Extensions, in lower case, of the label files that are read when they lie beside a video.
LABEL_SUFFIXES: tuple[str, ...] = tuple(
  dict.fromkeys(
    suffix
    for format in FORMATS.values()
    if format.parse is not None and format.lies_beside
    for suffix in format.suffixes
  )
)

# On the command line, this word in the place of an event drops the label.
_NO_EVENT = "none"
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclasses.dataclass(frozen=True)
class Reading:
  """Options of `read` that apply to many label files; the fields are arguments of `read`."""

  labels: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
  origin_s: float | None = None
  rate_hz: float | None = None
  format: str | None = None

  @property
  def suffixes(self) -> tuple[str, ...]:
    """The extensions of label files beside a video: those of the format, or `LABEL_SUFFIXES`."""
    return LABEL_SUFFIXES if self.format is None else _format_by_name(self.format).suffixes

  def to_dict(self) -> dict[str, Any]:
    """Returns the fields, to detect changes; omits `format` if None, to match states saved without it."""
    fields = dataclasses.asdict(self)
    return fields if self.format is not None else {key: value for key, value in fields.items() if key != "format"}

  @classmethod
  def parse(
    cls,
    pairs: Iterable[str],
    origin_s: float | None = None,
    rate_hz: float | None = None,
    format: str | None = None,
  ) -> Self:
    """Returns a reading with labels from the command line: `LABEL=EVENT`, or `LABEL=none` to drop the label.

    Raises:
      ValueError: a pair has no `=`, an event is unknown, a label is repeated, or the format is unknown.
    """
    labels: dict[str, str | None] = {}
    for pair in pairs:
      label, equals, event = (part.strip() for part in pair.rpartition("="))
      if not equals or event.lower() not in (*EVENTS, _NO_EVENT):
        expected = f"LABEL=EVENT with one of the events {', '.join(EVENTS)}, or {_NO_EVENT} to drop the label"
        raise ValueError(f"map: {pair!r}; expected {expected}")
      if label.lower() in (other.lower() for other in labels):
        raise ValueError(f"map: label {label!r} is repeated; expected each label once")
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
  """Reads a label file of any readable format.

  The content determines the format; the extension does if the content matches none.

  Examples:
    >>> from attavvad_jax.timeline import Event
    >>> write(Timeline([Event(0.0, 2.5, "speech"), Event(2.5, 9.0, "singing")], 10.0), "clip.TextGrid")
    >>> [(event.onset_s, event.label) for event in read("clip.TextGrid")]
    [(0.0, 'speech'), (2.5, 'singing')]

  Args:
    path: a text file with any line ends, in UTF-8 with or without a byte order mark, or in UTF-16 with one.
    duration_s: duration of the recording in seconds; None for the duration in the file, or else the last offset.
    labels: events for further labels or tiers, regardless of case: `{"spk1": "speech", "lyrics": None}`. None drops the
      events with that label. The key "" stands for events without a label, as in a table with two columns, and for the
      segments of a transcript.
    origin_s: start of the recording in the file's times, in seconds, if these belong to a longer recording. None for
      the origin in the file: the time origin of an ELAN file, the start of a TextGrid that is as long as the recording.
    rate_hz: time units per second, if times are whole numbers and the file does not state the unit: 16000 for samples
      at 16 kHz, 1000 for milliseconds.
    recording: path of the recording, for a label file of several media (ELAN); None if it has the label file's name.
    format: name in `FORMATS`, or package.module:Name of a custom `Format`; None to determine it from the content.

  Raises:
    AnnotationError: the content matches no format or is invalid, or no event lies within the recording; the message
      names file and line.
    ValueError: `labels` contain an event that is not in `EVENTS`, or the format is unknown.
    OSError: the file is missing or cannot be read.

  Warns:
    AnnotationWarning: an event was clipped, dropped or repaired, something was assumed, or the file is empty or ends
      in an incomplete line.
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
  """Returns whether a label file may be a transcript, which `read` takes for speech."""
  return _parse(_decode(Path(path)), Path(path), format).is_transcript


def write(
  timeline: Timeline,
  path: str | os.PathLike[str],
  format: str | None = None,
  metadata: Mapping[str, Any] | None = None,
  *,
  recording: str | None = None,
) -> None:
  """Writes a label file; an existing file is replaced atomically.

  Args:
    timeline: events to write. Times are rounded to the format's `decimals`, scores to six decimals.
    path: file to write.
    format: name in `FORMATS`, or package.module:Name of a custom `Format`; None to determine it from the extension.
    metadata: further fields for formats that store them (JSON); other formats omit them.
    recording: name of the recording, for formats that store it; None for the file name without the extension.

  Raises:
    ValueError: the format or extension is unknown, the format is read-only, or the metadata are invalid.
    OSError: the folder is missing or cannot be written to.

  Warns:
    AnnotationWarning: an event has no length, possibly after rounding, and was dropped.
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
  encoding, encoding_name = ("utf-16", "UTF-16") if data.startswith(_BYTE_ORDER_MARKS) else ("utf-8-sig", "UTF-8")
  try:
    text = data.decode(encoding)
  except UnicodeDecodeError as error:
    line = len(lines(data[: error.start].decode(encoding, "replace")))
    byte = data[error.start]
    raise AnnotationError(
      f"{path}:{line}: byte 0x{byte:02x} is not {encoding_name}; save the file as UTF-8 text"
    ) from None
  if "\0" in text:
    line = len(lines(text[: text.index("\0")]))
    raise AnnotationError(f"{path}:{line}: NUL character; expected text in UTF-8, or in UTF-16 with a byte order mark")
  return text


def _parse(text: str, path: Path, format: str | None) -> Document:
  parse = (_find_format(text, path) if format is None else _readable(format)).parse
  assert parse is not None  # both functions return only readable formats
  return parse(text, str(path))


def _find_format(text: str, path: Path) -> Format:
  for format in FORMATS.values():
    if format.recognizes is not None and format.recognizes(text):
      return format
  return _format_by_suffix(path, "parse")


def _format_by_suffix(path: Path, ability: str) -> Format:
  """Returns the format that has `ability` ("parse" or "render") and the path's extension."""
  for format in FORMATS.values():
    if getattr(format, ability) is not None and path.suffix.lower() in format.suffixes:
      return format
  verb = "read" if ability == "parse" else "written"
  raise AnnotationError(f"{path}: no label format with this extension can be {verb}; expected one of {_names(ability)}")


def _format_by_name(name: str) -> Format:
  found: Format = resolve(name, FORMATS, "label format")
  if not isinstance(found, Format):
    raise ValueError(f"label format is {name!r}, an object of type {type(found).__name__}; expected a Format")
  return found


def _readable(name: str) -> Format:
  found = _format_by_name(name)
  if found.parse is None:
    raise ValueError(f"label format {name!r} can be written but not read; expected one of {_names('parse')}")
  return found


def _names(ability: str) -> str:
  formats = ((name, format) for name, format in FORMATS.items() if getattr(format, ability) is not None)
  return ", ".join(f"{name} ({' '.join(format.suffixes)})" for name, format in formats)
