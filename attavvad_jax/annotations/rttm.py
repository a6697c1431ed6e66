"""Reads and writes RTTM (Rich Transcription Time Marked), the format of NIST evaluations and speaker diarization.

    SPEAKER clip_1 1 0.5 0.75 <NA> <NA> speech 0.93 <NA>

The fields are type, recording, channel, onset and duration in seconds, spelling, subtype, name, confidence, and (not in
old files) lookahead time. The name is the event label, the confidence its score. Comments (`;;`) and `SPKR-INFO` lines
hold no event. Other types than SPEAKER are an error, as are speaker names that `labels` does not map to events. Some
tools write recording names with spaces; such lines are read if the remaining fields are as above.

Library: none; pyannote.core writes RTTM but reads it only through pyannote.database, which needs pandas and reports no
line numbers.
"""

from collections.abc import Mapping
import re
from typing import Any

from attavvad_jax.annotations.base import (
  AnnotationError,
  Document,
  Entry,
  Format,
  cut_off_notes,
  filled_lines,
  format_number,
  one_recording,
  to_identifier,
  to_number,
)
from attavvad_jax.timeline import Timeline

_COMMENT = ";;"
_NONE = "<NA>"
_EXPECTED = "SPEAKER recording channel onset duration <NA> <NA> name confidence <NA>"
_NUM_FIELDS = (9, 10)
_TYPES = ("SPEAKER", "SPKR-INFO")
_SPACED = re.compile(
  r"(SPEAKER)\s+((?:(?!<NA>)\S+\s+)+(?!<NA>)\S+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)\s+(<NA>)\s+(<NA>)\s+(\S+)\s+(\S+)\s+(<NA>)"
)


def recognizes(text: str) -> bool:
  """Returns whether the first line that is not a comment has a known type and the number of fields of RTTM."""
  fields = next((_fields(line) for _, line in filled_lines(text) if not line.lstrip().startswith(_COMMENT)), [])
  return len(fields) in _NUM_FIELDS and fields[0] in _TYPES


def parse(text: str, name: str) -> Document:
  """Returns the entries of an RTTM file; errors contain `name`, the file."""
  entries, recordings = [], []
  for number, line in filled_lines(text):
    if line.lstrip().startswith(_COMMENT):
      continue
    where = f"{name}:{number}"
    fields = _fields(line)
    if len(fields) not in _NUM_FIELDS:
      raise AnnotationError(f"{where}: {len(fields)} fields; expected 9 or 10: {_EXPECTED}")
    if fields[0] not in _TYPES:
      raise AnnotationError(f"{where}: type is {fields[0]!r}; expected {' or '.join(_TYPES)}")
    recordings.append((number, fields[1]))
    if fields[0] == "SPEAKER":
      entries.append(_entry(fields, number, where))
  one_recording(recordings, name)
  return Document(entries, notes=cut_off_notes(text, name))


def render(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns one SPEAKER line per event, without metadata; `_` replaces invalid characters of `name`, the recording."""
  del metadata
  text = []
  for event in timeline:
    score = _NONE if event.score is None else format_number(event.score)
    times = f"{format_number(event.onset_s)} {format_number(event.duration_s)}"
    text.append(f"SPEAKER {to_identifier(name)} 1 {times} {_NONE} {_NONE} {event.label} {score} {_NONE}\n")
  return "".join(text)


FORMAT = Format(suffixes=(".rttm",), recognizes=recognizes, parse=parse, render=render)


def _fields(line: str) -> list[str]:
  """Returns the fields of a line; a recording's name with spaces is one field if the line is otherwise regular."""
  spaced = _SPACED.fullmatch(line.strip())
  return list(spaced.groups()) if spaced else line.split()


def _entry(fields: list[str], number: int, where: str) -> Entry:
  onset_s = to_number(fields[3], "onset", where)
  duration_s = to_number(fields[4], "duration", where)
  score = None if fields[8] == _NONE else to_number(fields[8], "confidence", where)
  # Rounding removes the floating-point error of the sum.
  return Entry(number, onset_s, round(onset_s + duration_s, 6), "" if fields[7] == _NONE else fields[7], score)
