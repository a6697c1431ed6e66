"""The registry of label formats, and the two functions that read and write any of them."""

from collections.abc import Mapping
import os
from pathlib import Path
from typing import Any
import warnings

from attavvad_jax.annotations import json_events, tsv
from attavvad_jax.annotations.base import AnnotationError, AnnotationWarning, Format, to_timeline
from attavvad_jax.events import Timeline
from attavvad_jax.files import write_text

# Content is tried in this order.
FORMATS: dict[str, Format] = {
  "json": json_events.FORMAT,
  "tsv": tsv.FORMAT,
}


def read(path: str | os.PathLike[str], duration_s: float | None = None) -> Timeline:
  """Reads a label file of any format that can be read.

  The content decides the format, and the extension where the content fits none.

  Args:
    path: a file in UTF-8, with or without a byte order mark, with any line ends.
    duration_s: length of the recording in seconds. Where None, what the file says, or else the last offset.

  Raises:
    AnnotationError: the content is in no known format, or cannot be right; names file and line.
    OSError: the file is missing or cannot be read.

  Warns:
    AnnotationWarning: an event was clipped or dropped, or the file is empty.
  """
  path = Path(path)
  text = _decode(path)
  if not text.strip():
    warnings.warn(AnnotationWarning(f"{path}: empty file; read as a recording without events"), stacklevel=2)
  parse = _find_format(text, path).parse
  assert parse is not None  # `_find_format` looks only at formats that can be read
  timeline, losses = to_timeline(parse(text, str(path)), str(path), duration_s)
  for loss in losses:
    warnings.warn(AnnotationWarning(loss), stacklevel=2)
  return timeline


def write(
  timeline: Timeline,
  path: str | os.PathLike[str],
  format: str | None = None,
  metadata: Mapping[str, Any] | None = None,
) -> None:
  """Writes a label file; a file of that name is replaced only once the new one is whole.

  Args:
    timeline: what to write. Times and scores are rounded to the millionth.
    path: the file to write.
    format: a name of `FORMATS`; where None, the extension decides.
    metadata: further fields for formats that have a place for them (JSON); others leave them out.

  Raises:
    ValueError: an unknown format or extension, a format that is only read, or metadata that do not fit.
    OSError: the folder is missing or cannot be written to.
  """
  path = Path(path)
  render = (_format_by_suffix(path, "render") if format is None else _format_by_name(format)).render
  if render is None:
    raise ValueError(f"format {format!r} can be read but not written; expected one of {_names('render')}")
  write_text(path, render(timeline, metadata or {}))


def _decode(path: Path) -> str:
  data = path.read_bytes()
  try:
    return data.decode("utf-8-sig")
  except UnicodeDecodeError as error:
    line = data.count(b"\n", 0, error.start) + 1
    byte = data[error.start]
    raise AnnotationError(f"{path}:{line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8 text") from None


def _find_format(text: str, path: Path) -> Format:
  for format in FORMATS.values():
    if format.recognises is not None and format.recognises(text):
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
  if name not in FORMATS:
    raise ValueError(f"unknown label format {name!r}; expected one of {', '.join(FORMATS)}")
  return FORMATS[name]


def _names(ability: str) -> str:
  formats = ((name, format) for name, format in FORMATS.items() if getattr(format, ability) is not None)
  return ", ".join(f"{name} ({' '.join(format.suffixes)})" for name, format in formats)
