"""Timelines as self-contained HTML for notebooks, legible on dark and light backgrounds."""

from typing import TYPE_CHECKING

from attavvad_jax.timeline.event import EVENTS, Event
from attavvad_jax.timeline.palette import hex_color
from attavvad_jax.timeline.text import format_time

if TYPE_CHECKING:
  from attavvad_jax.timeline.timeline import Timeline

_LANE_PX = 18
_TABLE_PX = 240


def timeline_html(timeline: "Timeline") -> str:
  """Renders a lane to scale for each event label, and a table of the events, which scrolls if it is long."""
  end = format_time(timeline.duration_s)
  lanes = "".join(_lane(timeline, label) for label in EVENTS)
  rows = "".join(_row(event) for event in timeline)
  return (
    f'<table style="width:100%;max-width:900px;border-collapse:collapse"><tbody>{lanes}</tbody></table>'
    f'<div style="max-width:900px;text-align:right">0:00.0 – {end}</div>'
    f'<div style="max-height:{_TABLE_PX}px;overflow:auto;display:inline-block"><table>'
    f"<thead><tr><th>from</th><th>to</th><th>event</th><th>score</th></tr></thead><tbody>{rows}</tbody></table></div>"
  )


def _lane(timeline: "Timeline", label: str) -> str:
  # A recording of duration 0 has no bars.
  bars = "".join(
    f'<rect x="{event.onset_s / timeline.duration_s:.6f}" y="0" height="1" '
    f'width="{event.duration_s / timeline.duration_s:.6f}"><title>{_describe(event)}</title></rect>'
    for event in timeline
    if event.label == label and timeline.duration_s
  )
  return (
    f'<tr><td style="width:1%;padding:1px 8px">{label}</td><td style="padding:1px">'
    f'<svg viewBox="0 0 1 1" preserveAspectRatio="none" fill="{hex_color(label)}" role="img" '
    f'style="display:block;width:100%;height:{_LANE_PX}px;background:#8883">{bars}</svg></td></tr>'
  )


def _row(event: Event) -> str:
  score = "" if event.score is None else f"{event.score:.2f}"
  cells = (format_time(event.onset_s), format_time(event.offset_s), event.label, score)
  return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _describe(event: Event) -> str:
  return f"{event.label} {format_time(event.onset_s)}–{format_time(event.offset_s)}"
