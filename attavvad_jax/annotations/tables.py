"""Reads and writes tables of sed_eval and DCASE, separated by tabs (TSV), or by commas or semicolons (CSV).

The columns are onset and offset in seconds, event label, and optionally a score from 0 to 1 (empty for no score):

    onset   offset  event_label   score
    3.3     7.0     singing       0.93

With a header, columns have names of `_HEADINGS` in any order, as in inaSpeechSegmenter's `labels start stop`, CVAT's
"Generic TSV" and BIDS' `onset duration trial_type`; columns of `_PASSED_OVER` are ignored. Without a header, the
position of the two times in the first row determines the layout. Recording and scene may precede them, label and score
may follow:

    [file [scene]] onset offset [label [score]]

All rows belong to one recording and have as many fields as the first; only a final score may be missing. A row whose
onset and offset are both empty or both nan is DCASE's notation for a recording without events. Blank lines are ignored.
Fields may be quoted as in CSV. A table without labels needs `read(..., labels={"": event})`. Times may have the form
hh:mm:ss.fff, as in CVAT's tables.

Numbers may have decimal commas if semicolons separate the fields, or if tabs do and both times of the first row have
commas. A table uses either decimal commas or decimal points.

A table with the header `start end text` is a transcript of Whisper (`WriteTSV`) or whisper.cpp (`--output-csv`). Its
times are whole milliseconds. Its rows are read as speech with a warning; the text is ignored.

Library: none; dcase_util, which sed_eval depends on, is the reference of the tests. It reports no line numbers and does
not support scores.
"""

from collections.abc import Mapping, Sequence
import csv
import io
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
  is_number,
  one_recording,
  to_number,
  with_point,
)
from attavvad_jax.timeline import Timeline

COLUMNS = ("onset", "offset", "event_label", "score")
_HEADINGS = {
  "filename": "file",
  "file": "file",
  "onset": "onset",
  "event_onset": "onset",
  "start": "onset",
  "start_time": "onset",
  "begin": "onset",
  "begin_time": "onset",
  "offset": "offset",
  "event_offset": "offset",
  "end": "offset",
  "end_time": "offset",
  "stop": "offset",
  "duration": "duration",
  "event_label": "event_label",
  "event": "event_label",
  "label": "event_label",
  "labels": "event_label",
  "speaker": "event_label",
  "trial_type": "event_label",
  "score": "score",
}
# pandas writes the index in a column without a name.
_PASSED_OVER = ("scene_label", "source_label", "identifier", "id", "source", "transcript", "")
_TRANSCRIPT = ["start", "end", "text"]
_TIMES = ("onset", "offset", "duration")
_NOTHING = ("", "nan")
_UNIT = re.compile(r"[(\[](?:s|sec|seconds)[)\]]")
_CLOCK = re.compile(r"([0-9]{2,}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]+)?)")
_LEADING = ("file", "scene_label")


def recognizes(text: str) -> bool:
  """Returns whether the first line that is not blank is a known header or a row in a known layout."""
  line = next((line for _, line in filled_lines(text)), "")
  delimiter = _delimiter(line)
  try:
    fields = _fields(line, delimiter, "")
  except AnnotationError:
    return False
  return _is_header(fields) or _layout(_with_points(fields, delimiter)) is not None


def parse(text: str, name: str) -> Document:
  """Returns the entries of a table; errors contain `name`, the file."""
  rows: list[tuple[int, dict[str, str]]] = []
  columns: Sequence[str] | None = None
  delimiter = ""
  for number, line in filled_lines(text):
    where = f"{name}:{number}"
    delimiter = delimiter or _delimiter(line)
    fields = _fields(line, delimiter, where)
    if columns is None:
      if _is_transcript(fields):
        return _transcript(text, delimiter, name)
      if _is_header(fields):
        columns = _header(fields, where)
        continue
      columns = _layout(_with_points(fields, delimiter))
      if columns is None:
        raise AnnotationError(f"{where}: {_no_layout(fields)}")
    rows.append((number, _row(fields, columns, delimiter, where)))
  one_recording(((number, row.get("file", "")) for number, row in rows), name)
  has_commas = _has_commas([row for _, row in rows], delimiter)
  entries = [_entry(row, number, has_commas, f"{name}:{number}") for number, row in rows]
  return Document([entry for entry in entries if entry is not None], notes=cut_off_notes(text, name))


def render_tsv(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns a tab-separated table with a header, and with scores if any event has one; omits metadata and name."""
  del metadata, name
  return _render(timeline, "\t")


def render_csv(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns the table of `render_tsv`, separated by commas."""
  del metadata, name
  return _render(timeline, ",")


TSV = Format(
  suffixes=(".tsv",),
  recognizes=lambda text: recognizes(text) and _delimiter_of(text) == "\t",
  parse=parse,
  render=render_tsv,
)
CSV = Format(
  suffixes=(".csv",),
  recognizes=lambda text: recognizes(text) and _delimiter_of(text) != "\t",
  parse=parse,
  render=render_csv,
)


def _delimiter_of(text: str) -> str:
  return _delimiter(next((line for _, line in filled_lines(text)), ""))


def _delimiter(line: str) -> str:
  return next((delimiter for delimiter in "\t;," if delimiter in line), "\t")


def _fields(line: str, delimiter: str, where: str) -> list[str]:
  # Parse line by line, so that an unclosed quote does not swallow the following lines.
  try:
    fields = next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, strict=True), [])
  except csv.Error as error:
    raise AnnotationError(f"{where}: not a row of a table: {error}") from None
  return [field.strip() for field in fields]


def _with_points(fields: Sequence[str], delimiter: str) -> list[str]:
  """Returns the fields of a first row, with points for decimal commas unless commas separate the fields."""
  return list(fields) if delimiter == "," else [with_point(field) for field in fields]


def _has_commas(rows: Sequence[Mapping[str, str]], delimiter: str) -> bool:
  """Returns whether a table has decimal commas."""
  times = [[with_point(row[time]) != row[time] for time in _TIMES if time in row] for row in rows]
  if delimiter == ";":
    return any(map(any, times))
  return delimiter == "\t" and bool(times) and all(times[0])


def _is_transcript(fields: Sequence[str]) -> bool:
  return [field.lower() for field in fields] == _TRANSCRIPT


def _transcript(text: str, delimiter: str, name: str) -> Document:
  """Returns the entries of a Whisper table; ignores its text, which is not quoted as in CSV."""
  entries = []
  for number, line in filled_lines(text)[1:]:
    fields = [field.strip() for field in line.split(delimiter, 2)]
    if len(fields) < 3 or not all(field.isascii() and field.isdigit() for field in fields[:2]):
      raise AnnotationError(f"{name}:{number}: {line!r:.60}; expected start and end in whole milliseconds, and text")
    entries.append(Entry(number, float(fields[0]), float(fields[1]), ""))
  return Document(entries, notes=cut_off_notes(text, name), rate_hz=1000, is_transcript=True)


def _is_header(fields: Sequence[str]) -> bool:
  names = [_heading(field) for field in fields]
  known = [_HEADINGS.get(name) for name in names]
  # Other files, such as cue lists of Audition, also have start and duration.
  has_duration = "duration" in known and all(name in (*_HEADINGS, *_PASSED_OVER) for name in names)
  return ("onset" in known and ("offset" in known or has_duration)) or _is_transcript(fields)


def _heading(field: str) -> str:
  """Returns a column name in the spelling of `_HEADINGS`: `Start Time (s)` becomes start_time."""
  return re.sub(r"[\s-]+", "_", _UNIT.sub("", field.lower()).strip())


def _no_layout(fields: Sequence[str]) -> str:
  """Returns the error message for a first row that is neither a header nor in a known layout."""
  if fields and not is_number(fields[0]):
    found = f"onset is {fields[0]!r}; expected a number"
  else:
    found = f"row is {fields!r:.80}; expected onset, offset and label"
  names = {column: [name for name, known in _HEADINGS.items() if known == column] for column in COLUMNS[:3]}
  header = ", ".join(f"{first} (or {', '.join(others)})" for first, *others in names.values())
  return f"{found}, or a header with {header}"


def _header(fields: Sequence[str], where: str) -> list[str]:
  columns = []
  for field in fields:
    heading = _heading(field)
    column = heading if heading in _PASSED_OVER else _HEADINGS.get(heading)
    if column is None or column in columns:
      raise AnnotationError(
        f"{where}: column {field!r} is {'unknown' if column is None else 'repeated'}; expected some of "
        f"{', '.join(filter(None, (*_HEADINGS, *_PASSED_OVER)))}"
      )
    columns.append(column)
  return columns


def _layout(fields: Sequence[str]) -> Sequence[str] | None:
  """Returns the columns of a table without a header, given its first row; None if the layout is unknown."""
  for before in range(len(_LEADING) + 1):
    times, after = fields[before : before + 2], fields[before + 2 :]
    if len(times) < 2 or not all(is_number(field) for field in times) or len(after) > 2:
      continue
    # A decimal number before the times is another time and not a name, so this layout does not apply.
    if any(is_number(field) and "." in field for field in fields[:before]):
      continue
    # A number in place of the label is the offset; the first of the supposed times is then a name.
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


def _entry(row: Mapping[str, str], number: int, has_commas: bool, where: str) -> Entry | None:
  """Returns the event of a row, or None for a row that states that the recording has no events."""
  label = row.get("event_label", "")
  end = "offset" if "offset" in row else "duration"
  if row["onset"].lower() in _NOTHING and row[end].lower() in _NOTHING:
    if label.lower() in _NOTHING:
      return None
    raise AnnotationError(f"{where}: onset is {row['onset']!r} and event {label!r}; expected both or neither")
  onset_s, offset_s = (_seconds(row[time], time, has_commas, where) for time in ("onset", end))
  if end == "duration":
    offset_s = round(onset_s + offset_s, 6)
  score = with_point(row.get("score", "")) if has_commas else row.get("score", "")
  return Entry(number, onset_s, offset_s, label, to_number(score, "score", where) if score else None)


def _seconds(text: str, what: str, has_commas: bool, where: str) -> float:
  if clock := _CLOCK.fullmatch(text):
    hours, minutes, seconds = clock.groups()
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 6)
  if has_commas and "." in text:
    raise AnnotationError(f"{where}: {what} is {text!r}; expected a decimal comma, as in other rows of the table")
  number = with_point(text) if has_commas else text
  if not is_number(number):
    raise AnnotationError(f"{where}: {what} is {text!r}; expected a number")
  return float(number)


def _render(timeline: Timeline, delimiter: str) -> str:
  scored = any(event.score is not None for event in timeline)
  rows = [list(COLUMNS if scored else COLUMNS[:3])]
  for event in timeline:
    row = [format_number(event.onset_s), format_number(event.offset_s), event.label]
    if scored:
      row.append("" if event.score is None else format_number(event.score))
    rows.append(row)
  return "".join(delimiter.join(row) + "\n" for row in rows)
