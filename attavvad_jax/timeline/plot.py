"""Draws timelines as lanes of a matplotlib figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attavvad_jax.timeline.event import EVENTS
from attavvad_jax.timeline.palette import hex_color
from attavvad_jax.timeline.text import format_time

if TYPE_CHECKING:
  from attavvad_jax.timeline.timeline import Timeline

WIDTH_IN = 10.0
LANE_IN = 0.32


def plot_timeline(timeline: "Timeline", axes: Any = None) -> Any:
  """Draws a timeline as one lane; new axes also get a legend.

  Args:
    timeline: timeline to draw.
    axes: matplotlib axes to draw on; None makes a new pyplot figure, which notebooks show.

  Returns:
    The axes.

  Raises:
    ValueError: the timeline has no length.
  """
  check_length(timeline)
  if axes is None:
    from matplotlib import pyplot

    _, axes = pyplot.subplots(figsize=(WIDTH_IN, LANE_IN + 0.9), layout="constrained")
    draw_legend(axes.figure)
  draw_lanes(axes, [("", timeline)])
  draw_time(axes, timeline.duration_s)
  axes.spines[["top", "right"]].set_visible(False)
  return axes


def check_length(timeline: "Timeline") -> None:
  """Validates that a timeline can be drawn.

  Raises:
    ValueError: the timeline has no length.
  """
  if timeline.duration_s <= 0:
    raise ValueError(f"timeline lasts {timeline.duration_s} s; expected more than 0 for drawing")


def draw_time(axis: Any, duration_s: float) -> None:
  """Sets limits, ticks and label of the time axis."""
  from matplotlib.ticker import MaxNLocator

  axis.set_xlim(0, duration_s)
  axis.xaxis.set_major_locator(MaxNLocator(integer=True))
  axis.xaxis.set_major_formatter(lambda time_s, _: format_time(time_s)[:-2])
  axis.set_xlabel("time")


def draw_lanes(axis: Any, lanes: "Sequence[tuple[str, Timeline]]") -> None:
  """Draws named timelines as lanes of a matplotlib axis, the first on top."""
  for i, (_, timeline) in enumerate(lanes):
    for label in EVENTS:
      spans = [(event.onset_s, event.duration_s) for event in timeline if event.label == label]
      axis.broken_barh(spans, (i - 0.4, 0.8), facecolor=hex_color(label))
  axis.set_yticks(range(len(lanes)), [name for name, _ in lanes])
  axis.set_ylim(len(lanes) - 0.5, -0.5)
  axis.tick_params(left=False)


def draw_legend(chart: Any) -> None:
  """Draws the legend of the event colors below a matplotlib figure."""
  from matplotlib.patches import Patch

  handles = [Patch(color=hex_color(label), label=label) for label in EVENTS]
  chart.legend(handles=handles, loc="outside lower center", ncols=len(EVENTS), frameon=False)
