"""Timelines as text for the terminal."""

import math
from typing import TYPE_CHECKING

from attavvad_jax.timeline.event import EVENTS, Event

if TYPE_CHECKING:
  from attavvad_jax.timeline.timeline import Timeline

_LABEL_WIDTH = max(len(label) for label in EVENTS) + 2
# Seconds between marks of the time axis; longer steps are whole hours.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_MIN_COLUMNS_BETWEEN_MARKS = 10


def timeline_text(timeline: "Timeline", width: int = 80) -> str:
  """Renders a lane for each event label over a time axis, then one line for each event.

  In a lane, a full character marks a column that the event covers by at least half, and a shaded one a column that it
  touches.

  Args:
    timeline: timeline to show.
    width: number of columns of the lanes, including their names.

  Raises:
    ValueError: the width is too small for the lanes.
  """
  columns = width - _LABEL_WIDTH
  if columns < _MIN_COLUMNS_BETWEEN_MARKS:
    raise ValueError(f"width is {width}; expected {_LABEL_WIDTH + _MIN_COLUMNS_BETWEEN_MARKS} or more")
  lines = [f"{label:<{_LABEL_WIDTH}}{_lane(timeline, label, columns)}".rstrip() for label in EVENTS]
  lines.append(" " * _LABEL_WIDTH + _axis(timeline.duration_s, columns))
  if timeline.events:
    lines += ["", *event_lines(timeline)]
  return "\n".join(lines)


def event_lines(timeline: "Timeline") -> list[str]:
  """Renders one line for each event: 0:03.3–0:07.0  singing  0.93."""
  spans = [f"{format_time(event.onset_s)}–{format_time(event.offset_s)}" for event in timeline]
  width = max((len(span) for span in spans), default=0)
  return [f"{span:>{width}}  {_name_and_score(event)}" for span, event in zip(spans, timeline, strict=True)]


def format_time(seconds: float) -> str:
  """Formats a time as minutes, seconds and tenths, with hours if needed: 0:03.3, 1:02:03.4."""
  tenths = round(seconds * 10)
  minutes, tenths = divmod(tenths, 600)
  hours, minutes = divmod(minutes, 60)
  rest = f"{tenths // 10:02d}.{tenths % 10}"
  return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def _name_and_score(event: Event) -> str:
  return event.label if event.score is None else f"{event.label:<{_LABEL_WIDTH}}{event.score:.2f}"


def _lane(timeline: "Timeline", label: str, columns: int) -> str:
  column_s = timeline.duration_s / columns
  filled = [0.0] * columns
  for event in timeline:
    if event.label != label or not column_s:
      continue
    last = min(math.ceil(event.offset_s / column_s), columns)
    for i in range(min(int(event.onset_s / column_s), columns - 1), last):
      filled[i] += min(event.offset_s, (i + 1) * column_s) - max(event.onset_s, i * column_s)
  return "".join("█" if part >= column_s / 2 > 0 else "░" if part > 0 else " " for part in filled)


def _axis(duration_s: float, columns: int) -> str:
  """Renders times in whole seconds, each starting at its column."""
  if not duration_s:
    return "0:00"
  shortest = duration_s / columns * _MIN_COLUMNS_BETWEEN_MARKS
  step = next((step for step in _STEPS_S if step >= shortest), math.ceil(shortest / 3600) * 3600)
  axis = ""
  for time_s in range(0, math.ceil(duration_s), step):
    mark = format_time(time_s)[:-2]
    column = round(time_s / duration_s * columns)
    if column + len(mark) <= columns:
      axis = axis.ljust(column) + mark
  return axis
