"""Tables as sed_eval and DCASE use them: tab-separated (TSV), or with commas or semicolons (CSV).

Columns: onset and offset in seconds, event label, and optionally a score from 0 to 1 (an empty field is no score):

    onset   offset  event_label   score
    3.3     7.0     singing       0.93

With a header, the columns have any order, and those of `_PASSED_OVER` may stand among them. Without one, these layouts
are told by where the two numbers stand in the first row: with the name of the recording and that of a scene before
them or not, with a label and a score after them or not:

    [file [scene]] onset offset [label [score]]

All rows are of one recording and have as many fields as the first; only an empty score at the end may be missing.
Blank lines are passed over. A field may be quoted as in any CSV. A table without labels needs
`read(..., labels={"": event})`.

Library: dcase_util, which comes with sed_eval, is the tests' oracle and not used here, for it names no lines and knows
no scores.
"""

from collections.abc import Mapping, Sequence
import csv
import io
from typing import Any

from attavvad_jax.annotations.base import (
  AnnotationError,
  Document,
  Entry,
  Format,
  cut_off_notes,
  filled_lines,
  format_number,
  is_number,
  one_recording,
  to_number,
)
from attavvad_jax.events import Timeline

COLUMNS = ("onset", "offset", "event_label", "score")
_HEADINGS = {
  "filename": "file",
  "file": "file",
  "onset": "onset",
  "event_onset": "onset",
  "offset": "offset",
  "event_offset": "offset",
  "event_label": "event_label",
  "event": "event_label",
  "label": "event_label",
  "score": "score",
}
_PASSED_OVER = ("scene_label", "source_label", "identifier")
_LEADING = ("file", "scene_label")


def recognises(text: str) -> bool:
  """Whether the first line that is not blank has our header, or a row of one of the layouts."""
  line = next((line for _, line in filled_lines(text)), "")
  try:
    fields = _fields(line, _delimiter(line), "")
  except AnnotationError:
    return False
  return _is_header(fields) or _layout(fields) is not None


def parse(text: str, name: str) -> Document:
  """Entries of a table; `name` is the file, for errors."""
  entries, recordings = [], []
  columns: Sequence[str] | None = None
  delimiter = ""
  for number, line in filled_lines(text):
    where = f"{name}:{number}"
    delimiter = delimiter or _delimiter(line)
    fields = _fields(line, delimiter, where)
    if columns is None:
      if _is_header(fields):
        columns = _header(fields, where)
        continue
      columns = _layout(fields) or COLUMNS[: max(2, min(len(fields), 4))]
    row = _row(fields, columns, delimiter, where)
    entries.append(_entry(row, number, where))
    recordings.append((number, row.get("file", "")))
  one_recording(recordings, name)
  return Document(entries, notes=cut_off_notes(text, name))


def render_tsv(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """A tab-separated table with a header, and with a score column if any event has a score. No metadata, no name."""
  del metadata, name
  return _render(timeline, "\t")


def render_csv(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """The table of `render_tsv`, with commas."""
  del metadata, name
  return _render(timeline, ",")


TSV = Format(
  suffixes=(".tsv",),
  recognises=lambda text: recognises(text) and _delimiter_of(text) == "\t",
  parse=parse,
  render=render_tsv,
)
CSV = Format(
  suffixes=(".csv",),
  recognises=lambda text: recognises(text) and _delimiter_of(text) != "\t",
  parse=parse,
  render=render_csv,
)


def _delimiter_of(text: str) -> str:
  return _delimiter(next((line for _, line in filled_lines(text)), ""))


def _delimiter(line: str) -> str:
  return next((delimiter for delimiter in "\t;," if delimiter in line), "\t")


def _fields(line: str, delimiter: str, where: str) -> list[str]:
  # A line at a time: a quote that is never closed must not swallow the lines after it.
  try:
    fields = next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, strict=True), [])
  except csv.Error as error:
    raise AnnotationError(f"{where}: not a row of a table: {error}") from None
  return [field.strip() for field in fields]


def _is_header(fields: Sequence[str]) -> bool:
  known = [_HEADINGS.get(field.lower()) for field in fields]
  return "onset" in known and "offset" in known


def _header(fields: Sequence[str], where: str) -> list[str]:
  columns = []
  for field in fields:
    heading = field.lower()
    column = heading if heading in _PASSED_OVER else _HEADINGS.get(heading)
    if column is None or column in columns:
      raise AnnotationError(
        f"{where}: column {field!r} is {'not known' if column is None else 'there twice'}; expected some of "
        f"{', '.join((*_HEADINGS, *_PASSED_OVER))}"
      )
    columns.append(column)
  return columns


def _layout(fields: Sequence[str]) -> Sequence[str] | None:
  """The columns of a table without a header, told by its first row; None where it has no layout that we know."""
  for before in range(len(_LEADING) + 1):
    times, after = fields[before : before + 2], fields[before + 2 :]
    if len(times) < 2 or not all(is_number(field) for field in times) or len(after) > 2:
      continue
    # A number is not a label: it is the offset, and the field before these two is a name.
    if (after and is_number(after[0])) or (len(after) == 2 and after[1] and not is_number(after[1])):
      continue
    return (*_LEADING[:before], *COLUMNS[: 2 + len(after)])
  return None


def _row(fields: Sequence[str], columns: Sequence[str], delimiter: str, where: str) -> dict[str, str]:
  if len(fields) == len(columns) - 1 and columns[-1] == "score":
    fields = [*fields, ""]
  if len(fields) != len(columns):
    separated = "tab-separated" if delimiter == "\t" else f"{delimiter}-separated"
    expected = "<TAB>".join(columns) if delimiter == "\t" else delimiter.join(columns)
    raise AnnotationError(f"{where}: {len(fields)} {separated} fields; expected {len(columns)}: {expected}")
  return dict(zip(columns, fields, strict=True))


def _entry(row: Mapping[str, str], number: int, where: str) -> Entry:
  onset_s = to_number(row["onset"], "onset", where)
  offset_s = to_number(row["offset"], "offset", where)
  score = to_number(row["score"], "score", where) if row.get("score") else None
  return Entry(number, onset_s, offset_s, row.get("event_label", ""), score)


def _render(timeline: Timeline, delimiter: str) -> str:
  scored = any(event.score is not None for event in timeline)
  rows = [list(COLUMNS if scored else COLUMNS[:3])]
  for event in timeline:
    row = [format_number(event.onset_s), format_number(event.offset_s), event.label]
    if scored:
      row.append("" if event.score is None else format_number(event.score))
    rows.append(row)
  return "".join(delimiter.join(row) + "\n" for row in rows)
