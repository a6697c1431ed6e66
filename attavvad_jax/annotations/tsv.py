"""Tab-separated tables, as sed_eval and DCASE use them.

Columns: onset and offset in seconds, event label, and optionally a score from 0 to 1 (an empty field is no score):

    onset   offset  event_label   score
    3.3     7.0     singing       0.93

The header line may be missing; without it the columns have this order. Blank lines are passed over.
"""

from collections.abc import Mapping
import re
from typing import Any

from attavvad_jax.annotations.base import AnnotationError, Document, Entry, Format, format_number, to_number
from attavvad_jax.events import Timeline

COLUMNS = ("onset", "offset", "event_label", "score")
_EXPECTED = "onset<TAB>offset<TAB>event_label[<TAB>score]"


def recognises(text: str) -> bool:
  """Whether the first line that is not blank has our header, or two numbers and a label with tabs between."""
  fields = _fields(next((line for line in _lines(text) if line.strip()), ""))
  return _is_header(fields) or (len(fields) in (3, 4) and all(_is_number(field) for field in fields[:2]))


def parse(text: str, name: str) -> Document:
  """Entries of a table; `name` is the file, for errors."""
  entries = []
  first = True
  for number, line in enumerate(_lines(text), start=1):
    if not line.strip():
      continue
    fields = _fields(line)
    if not (first and _is_header(fields)):
      entries.append(_entry(fields, number, name))
    first = False
  return Document(entries)


def render(timeline: Timeline, metadata: Mapping[str, Any]) -> str:
  """A table with a header, and with a score column if any event has a score. Metadata have no place in it."""
  del metadata
  scored = any(event.score is not None for event in timeline)
  lines = ["\t".join(COLUMNS if scored else COLUMNS[:3])]
  for event in timeline:
    fields = [format_number(event.onset_s), format_number(event.offset_s), event.label]
    if scored:
      fields.append("" if event.score is None else format_number(event.score))
    lines.append("\t".join(fields))
  return "\n".join(lines) + "\n"


FORMAT = Format(suffixes=(".tsv", ".txt"), recognises=recognises, parse=parse, render=render)


def _lines(text: str) -> list[str]:
  # Not str.splitlines: it also splits at characters that are no line ends to an editor, and lines are counted here.
  return re.split(r"\r\n|\n|\r", text)


def _fields(line: str) -> list[str]:
  return [field.strip() for field in line.split("\t")]


def _is_header(fields: list[str]) -> bool:
  return tuple(field.lower() for field in fields) in (COLUMNS, COLUMNS[:3])


def _is_number(field: str) -> bool:
  try:
    float(field)
  except ValueError:
    return False
  return True


def _entry(fields: list[str], number: int, name: str) -> Entry:
  where = f"{name}:{number}"
  if len(fields) not in (3, 4):
    raise AnnotationError(f"{where}: {len(fields)} tab-separated fields; expected {_EXPECTED}")
  onset_s = to_number(fields[0], "onset", where)
  offset_s = to_number(fields[1], "offset", where)
  score = to_number(fields[3], "score", where) if len(fields) == 4 and fields[3] else None
  return Entry(number, onset_s, offset_s, fields[2], score)
