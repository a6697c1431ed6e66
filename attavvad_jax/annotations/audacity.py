r"""Reads and writes Audacity's label tracks, as "Export Labels" writes them.

    0.500000	1.250000	speech
    \	120.000000	4000.000000
    2.000000	3.000000	singing

A line holds onset and offset in seconds and the label, separated by tabs; there is no header. A line that starts with a
backslash gives the frequencies of a spectral selection for the label above it; it is checked and ignored. A point label
has equal times. Audacity writes decimal commas where the computer does. Scores are not written.

Without such lines, a label track is a table without a header (see `tables`) and is parsed as one, with the same result.

Library: none; two numbers and a label need no parser.
"""

from collections.abc import Mapping
from typing import Any

from attavvad_jax.annotations import tables
from attavvad_jax.annotations.base import (
  AnnotationError,
  Document,
  Entry,
  Format,
  cut_off_notes,
  filled_lines,
  format_number,
  is_number,
  to_number,
  with_point,
)
from attavvad_jax.timeline import Timeline

_FREQUENCIES = "\\"


def recognizes(text: str) -> bool:
  """Returns whether the text begins with a label and holds a line of frequencies."""
  rows = [line for _, line in filled_lines(text)]
  first = rows[0].split("\t")[:2] if rows else []
  return (
    len(first) == 2
    and all(is_number(with_point(field.strip())) for field in first)
    and any(line.startswith(_FREQUENCIES) for line in rows)
  )


def parse(text: str, name: str) -> Document:
  """Returns the entries of a label track; `name` is the file, for errors."""
  if not recognizes(text):
    return tables.parse(text, name)
  entries: list[Entry] = []
  below_label = False
  for number, line in filled_lines(text):
    where = f"{name}:{number}"
    fields = [field.strip() for field in line.split("\t")]
    fields[:2] = map(with_point, fields[:2])
    if fields[0] == _FREQUENCIES:
      if not (below_label and len(fields) == 3 and all(is_number(with_point(field)) for field in fields[1:])):
        raise AnnotationError(f"{where}: {line!r}; expected \\<TAB>lowest<TAB>highest frequency, below a label")
      below_label = False
      continue
    if len(fields) not in (2, 3):
      raise AnnotationError(f"{where}: {len(fields)} tab-separated fields; expected onset<TAB>offset<TAB>label")
    onset_s = to_number(fields[0], "onset", where)
    entries.append(Entry(number, onset_s, to_number(fields[1], "offset", where), "".join(fields[2:])))
    below_label = True
  return Document(entries, notes=cut_off_notes(text, name))


def render(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns one line for each label; metadata, name and scores are left out."""
  del metadata, name
  return "".join(f"{format_number(e.onset_s)}\t{format_number(e.offset_s)}\t{e.label}\n" for e in timeline)


FORMAT = Format(suffixes=(".txt",), recognizes=recognizes, parse=parse, render=render)
