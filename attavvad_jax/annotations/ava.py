"""Reads and writes the CSV of AVA-ActiveSpeaker (Roth et al., 2020): one row for each face in each frame.

    video_id,timestamp,x1,y1,x2,y2,label,entity_id
    clip_1,0.04,0.37,0.07,0.92,1.00,SPEAKING_AUDIBLE,clip_1_0000:1

The header is optional; `entity_id` may be missing from all rows, but not from some. Published files also call the
columns `frame_timestamp` and `entity_box_x1`; TalkNet's (Tao et al., 2021) end with `label_id` and `instance_id`, which
repeat other columns. The box is in fractions of the frame. Timestamps are seconds of the film from which a clip was
cut, and AVA's start at 900: `origin_s` gives the time in the film at which the recording begins.

Consecutive SPEAKING_AUDIBLE rows of a face are one event of speech, from the first row's time to the next frame; events
of several faces may overlap. If several faces speak, a warning lists them: leave out those who are not the performer by
entity_id, as `labels={"clip_1_0000:2": None}`. NOT_SPEAKING and SPEAKING_NOT_AUDIBLE are no event and thus count as
others. A gap of more than one and a half frames ends an event.

Files are written with 25 rows a second and one face that fills the frame. A row is SPEAKING_AUDIBLE if speech or
singing covers the middle of its frame. The format has no singing, silence or scores, and events shorter than a frame
may be lost.

Library: none; the csv module reads the rows.
"""

from collections.abc import Iterable, Mapping, Sequence
import csv
import dataclasses
import io
import itertools
import math
import statistics
from typing import Any

import numpy as np

from attavvad_jax.annotations.base import (
  AnnotationError,
  Document,
  Entry,
  Format,
  cut_off_notes,
  filled_lines,
  is_number,
  one_recording,
  to_identifier,
  to_number,
)
from attavvad_jax.timeline import VOCAL_EVENTS, Timeline

FRAMES_PER_SECOND = 25
COLUMNS = ("video_id", "timestamp", "x1", "y1", "x2", "y2", "label", "entity_id")
# Column names of other headers, in lower case.
_HEADINGS = {
  "frame_timestamp": "timestamp",
  **{f"entity_box_{corner}": corner for corner in ("x1", "y1", "x2", "y2")},
}
_REPEATED = ("label_id", "instance_id")
_NUM_FIELDS = (7, 8, 10)
_AUDIBLE = "SPEAKING_AUDIBLE"
_LABELS = ("NOT_SPEAKING", _AUDIBLE, "SPEAKING_NOT_AUDIBLE")
_MAX_FRAME_S = 1.0


@dataclasses.dataclass(frozen=True)
class _Row:
  line: int
  video: str
  time_s: float
  audible: bool
  entity: str


def recognizes(text: str) -> bool:
  """Returns whether the first line that is not blank is the header, or has a label of the format in its column."""
  line = next((line for _, line in filled_lines(text)), "")
  fields = line.split(",")
  return _is_header(fields) or (len(fields) in _NUM_FIELDS and fields[6].strip().upper() in _LABELS)


def parse(text: str, name: str) -> Document:
  """Returns the events of the rows; `name` is the file, for errors."""
  rows: list[_Row] = []
  num_columns = 0
  for number, line in filled_lines(text):
    where = f"{name}:{number}"
    fields = _fields(line, where)
    if not num_columns:
      num_columns = len(fields)
      if _is_header(fields):
        continue
    rows.append(_row(fields, num_columns, number, where))
  one_recording(((row.line, row.video) for row in rows), name)
  entries: list[Entry] = []
  ends_s = []
  faces = sorted(rows, key=lambda row: (row.entity, row.time_s))
  for _, group in itertools.groupby(faces, key=lambda row: row.entity):
    face = list(group)
    face_ends_s = _ends_s(face, name)
    ends_s += face_ends_s
    entries += _events(face, face_ends_s)
  end_s = max(ends_s, default=None)
  span_s = None if end_s is None else (min(row.time_s for row in rows), end_s)
  return Document(entries, end_s, cut_off_notes(text, name), span_s=span_s, tiers_are_people=True)


def render(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns a header and a row for each frame.

  `name` is the video, with `_` for characters that a field cannot hold; metadata are left out.
  """
  del metadata
  video = to_identifier(name)
  # Whole frames only: the last one must not reach beyond the recording. A millionth of a frame is rounding.
  middles_s = (np.arange(math.floor(timeline.duration_s * FRAMES_PER_SECOND + 1e-6)) + 0.5) / FRAMES_PER_SECOND
  heard = np.zeros(len(middles_s), bool)
  for event in timeline:
    if event.label in VOCAL_EVENTS:
      heard |= (event.onset_s <= middles_s) & (middles_s < event.offset_s)
  text = [",".join(COLUMNS) + "\n"]
  for frame, audible in enumerate(heard):
    label = _AUDIBLE if audible else _LABELS[0]
    text.append(f"{video},{frame / FRAMES_PER_SECOND:.2f},0.00,0.00,1.00,1.00,{label},{video}:1\n")
  return "".join(text)


FORMAT = Format(suffixes=(".csv",), recognizes=recognizes, parse=parse, render=render)


def _is_header(fields: Sequence[str]) -> bool:
  names = [field.strip().lower() for field in fields]
  return tuple(_HEADINGS.get(name, name) for name in names) in (COLUMNS, COLUMNS[:7], (*COLUMNS, *_REPEATED))


def _fields(line: str, where: str) -> list[str]:
  try:
    fields = next(csv.reader(io.StringIO(line, newline=""), strict=True))
  except csv.Error as error:
    raise AnnotationError(f"{where}: not a row of CSV: {error}") from None
  return [field.strip() for field in fields]


def _row(fields: Sequence[str], num_columns: int, line: int, where: str) -> _Row:
  if num_columns not in _NUM_FIELDS or len(fields) != num_columns:
    expected = num_columns if num_columns in _NUM_FIELDS else "7, 8 or 10"
    raise AnnotationError(f"{where}: {len(fields)} fields; expected {expected}: {','.join(COLUMNS)}")
  label = fields[6].upper()
  if label not in _LABELS:
    raise AnnotationError(f"{where}: label is {fields[6]!r}; expected one of {', '.join(_LABELS)}")
  time_s = to_number(fields[1], "timestamp", where)
  if not (math.isfinite(time_s) and time_s >= 0):
    raise AnnotationError(f"{where}: timestamp is {time_s} s; expected 0 or more")
  for column, field in zip(COLUMNS[2:6], fields[2:6], strict=True):
    if not (is_number(field) and 0 <= float(field) <= 1):
      raise AnnotationError(f"{where}: {column} is {field!r}; expected a fraction of the frame, 0 to 1")
  return _Row(line, fields[0], time_s, label == _AUDIBLE, fields[7] if num_columns > 7 else "")


def _ends_s(face: Sequence[_Row], name: str) -> list[float]:
  """Returns the end of each of a face's frames: the start of the next frame or, at a gap, one frame length later."""
  for row, following in itertools.pairwise(face):
    if row.time_s == following.time_s:
      raise AnnotationError(
        f"{name}:{following.line}: second row of face {row.entity!r} at {row.time_s} s, after line {row.line}; "
        "expected one for each face and frame"
      )
  steps_s = [following.time_s - row.time_s for row, following in itertools.pairwise(face)]
  frame_s = statistics.median(steps_s) if steps_s else 1 / FRAMES_PER_SECOND
  if frame_s > _MAX_FRAME_S:
    raise AnnotationError(
      f"{name}:{face[0].line}: rows of face {face[0].entity!r} are {frame_s:.6g} s apart; expected one row for each "
      f"frame, at most {_MAX_FRAME_S:.6g} s apart"
    )
  return [
    round(row.time_s + (step_s if step_s <= 1.5 * frame_s else frame_s), 6)
    for row, step_s in zip(face, [*steps_s, frame_s], strict=True)
  ]


def _events(face: Sequence[_Row], ends_s: Iterable[float]) -> list[Entry]:
  """Returns a face's audible frames as events; frames that touch form one event."""
  events: list[Entry] = []
  for row, end_s in zip(face, ends_s, strict=True):
    if not row.audible:
      continue
    if events and abs(events[-1].offset_s - row.time_s) < 1e-6:
      events[-1] = dataclasses.replace(events[-1], offset_s=end_s)
    else:
      events.append(Entry(row.line, row.time_s, end_s, "speech", tier=row.entity))
  return events
