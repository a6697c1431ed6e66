"""Reads the cue files of MAVC100 (Hou et al.), exported from Adobe Audition.

    Name    Start     Duration  Time Format  Type  Description
    2s      0:12.957  0:00.000  decimal      Cue
    2e      0:29.977  0:00.000  decimal      Cue

Fields are separated by tabs, despite the extension `.csv`; times are [h:]m:ss.mmm. Cues have no length: `1s` opens
speech and `1e` closes it, `2s` and `2e` do so for singing, `3s` and `3e` for silence; unmarked time is others. Clips
are 30 s long, or as long as their last cue, which in many files stands at 30.030 s.

A cue that opens an open event, closes when nothing is open, or is never closed is an error. If a cue closes another
event than the only open one, the opening cue names the event, with a warning; if that event continues one of its kind,
the two are joined. Only `xiaoxiami_chuangtianya_5.csv` needs this, in both label sets: its singing to 29.977 s is
opened again there and closed at 30.000 s by `3e`, so it counts as one event of singing to 30.000 s. (If its `2s` was
meant as `3s`, one silence of 23 ms is lost.) The 200 files of the audio-visual set then hold 407 events of singing
(3,955 s), 312 of speech (722 s) and 221 of silence (11 s), 219 of them shorter than a block of the clock.

Library: none; no library supports these files.
"""

import dataclasses
import re

from attavvad_jax.annotations.base import AnnotationError, Document, Entry, Format, cut_off_notes, filled_lines

CLIP_S = 30.0
_HEADER = ["Name", "Start", "Duration", "Time Format", "Type", "Description"]
_EVENTS = {"1": "speech", "2": "singing", "3": "silence"}
_NAME = re.compile(f"[{''.join(_EVENTS)}][se]")
_TIME = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]{2}(?:\.[0-9]+)?)")


@dataclasses.dataclass(frozen=True)
class _Cue:
  line: int
  time_s: float
  name: str  # as in the file: 1s

  @property
  def event(self) -> str:
    return _EVENTS[self.name[0]]

  @property
  def opens(self) -> bool:
    return self.name[1] == "s"


def recognizes(text: str) -> bool:
  """Returns whether the first line has Audition's column names."""
  return _fields(next((line for _, line in filled_lines(text)), "")) == _HEADER


def parse(text: str, name: str) -> Document:
  """Returns the entries of a cue file; `name` is the file, for errors."""
  cues = []
  for index, (number, line) in enumerate(filled_lines(text)):
    fields = _fields(line)
    if index > 0:
      cues.append(_cue(fields, number, f"{name}:{number}"))
    elif fields != _HEADER:
      raise AnnotationError(f"{name}:{number}: columns are {fields}; expected {'<TAB>'.join(_HEADER)}")
  entries, notes = _pair(sorted(cues, key=lambda cue: cue.time_s), name)
  duration_s = max([CLIP_S, *(cue.time_s for cue in cues)])
  return Document(entries, duration_s, [*notes, *cut_off_notes(text, name)])


FORMAT = Format(suffixes=(".csv",), recognizes=recognizes, parse=parse)


def _fields(line: str) -> list[str]:
  return [field.strip() for field in line.split("\t")]


def _cue(fields: list[str], line: int, where: str) -> _Cue:
  if len(fields) != len(_HEADER):
    raise AnnotationError(
      f"{where}: {len(fields)} tab-separated fields; expected {len(_HEADER)}: {'<TAB>'.join(_HEADER)}"
    )
  name, start, duration, time_format, kind, _ = fields
  if not _NAME.fullmatch(name):
    raise AnnotationError(f"{where}: cue is {name!r}; expected 1s, 1e (speech), 2s, 2e (singing), 3s or 3e (silence)")
  if (time_format, kind) != ("decimal", "Cue"):
    raise AnnotationError(f"{where}: time format {time_format!r}, type {kind!r}; expected 'decimal' and 'Cue'")
  length_s = _to_seconds(duration, "duration", where)
  if length_s > 0:
    raise AnnotationError(
      f"{where}: cue {name} is {length_s} s long; expected a cue without length at each end of an event"
    )
  return _Cue(line, _to_seconds(start, "start", where), name)


def _to_seconds(text: str, what: str, where: str) -> float:
  match = _TIME.fullmatch(text)
  if not match:
    raise AnnotationError(f"{where}: {what} is {text!r}; expected [h:]m:ss.mmm")
  hours, minutes, seconds = match.groups()
  # Rounding removes the floating-point error of the sum: 1:00.1 is 60.1.
  return round(int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds), 6)


def _pair(cues: list[_Cue], name: str) -> tuple[list[Entry], list[str]]:
  """Returns the events between opening and closing cues in order of time, and a warning for each repaired event."""
  entries: list[Entry] = []
  notes: list[str] = []
  open_cues: dict[str, _Cue] = {}
  for cue in cues:
    where = f"{name}:{cue.line}"
    if cue.opens:
      if cue.event in open_cues:
        line = open_cues[cue.event].line
        raise AnnotationError(
          f"{where}: cue {cue.name} opens {cue.event}, open since line {line}; expected its end first"
        )
      open_cues[cue.event] = cue
    elif cue.event in open_cues:
      start = open_cues.pop(cue.event)
      entries.append(Entry(start.line, start.time_s, cue.time_s, cue.event))
    elif len(open_cues) == 1:
      _, start = open_cues.popitem()
      entries, continued = _extend(entries, start, cue.time_s)
      notes.append(
        f"{where}: cue {cue.name} closes {start.name} of line {start.line}; read as the end of {start.event}"
        + (f", which continues from line {continued}" if continued else "")
      )
    else:
      raise AnnotationError(
        f"{where}: cue {cue.name} closes {cue.event}, which is not open; expected its start before it"
      )
  for cue in open_cues.values():
    raise AnnotationError(f"{name}:{cue.line}: cue {cue.name} is never closed; expected {cue.name[0]}e after it")
  return entries, notes


def _extend(entries: list[Entry], start: _Cue, end_s: float) -> tuple[list[Entry], int | None]:
  """Returns the entries with one more, from `start` to `end_s`, and None.

  If an entry of the same event ends at `start`, it is extended instead, and its line is returned.
  """
  for index, entry in enumerate(entries):
    if (entry.label, entry.offset_s) == (start.event, start.time_s):
      longer = dataclasses.replace(entry, offset_s=end_s)
      return [*entries[:index], longer, *entries[index + 1 :]], entry.line
  return [*entries, Entry(start.line, start.time_s, end_s, start.event)], None
