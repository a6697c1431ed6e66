"""A timeline as a figure: video frames, lanes of events, and curves of scores.

Axes: B blocks, E events, H, W frame.
"""

from collections.abc import Sequence
import os
from pathlib import Path
from typing import Any

import numpy as np

from attavvad_jax.files import replacing
from attavvad_jax.timeline import EVENTS, Clock, Timeline
from attavvad_jax.timeline.palette import hex_color
from attavvad_jax.timeline.plot import LANE_IN, WIDTH_IN, check_length, draw_lanes, draw_legend, draw_time
from attavvad_jax.timeline.text import format_time

_CURVES_IN = 1.5
_FRAMES_IN = 1.4
_DPI = 150


def write_figure(
  path: str | os.PathLike[str],
  estimate: Timeline,
  *,
  reference: Timeline | None = None,
  scores: np.ndarray | None = None,
  clock: Clock | None = None,
  frames: Sequence[tuple[float, np.ndarray]] = (),
) -> None:
  """Draws a timeline as PNG; an existing file is replaced once the new one is complete.

  Args:
    path: the PNG file to write.
    estimate: the timeline; its duration is the length of the time axis.
    reference: the timeline labeled by hand or known from a simulation, drawn above the estimate.
    scores: [B,E] in 0..1, drawn as curves below the lanes.
    clock: the clock of the scores; None for the default one.
    frames: (seconds, uint8 RGB [H,W,3]) for a row at the top, in this order.

  Raises:
    ValueError: the timeline has no duration, or the scores have a wrong shape.
    OSError: the folder is missing or cannot be written to.
  """
  # pyplot would open windows and keep every figure in memory.
  from matplotlib.figure import Figure

  check_length(estimate)
  if scores is not None and (scores.ndim != 2 or scores.shape[1] != len(EVENTS)):
    raise ValueError(f"scores have shape {scores.shape}; expected [blocks, {len(EVENTS)}]")
  lanes = [("reference", reference)] if reference is not None else []
  lanes.append(("estimate" if reference is not None else "", estimate))

  heights = [LANE_IN * len(lanes)] + [_CURVES_IN] * (scores is not None)
  height_in = sum(heights) + 0.9
  figure = Figure(figsize=(WIDTH_IN, height_in + _FRAMES_IN * bool(frames)), dpi=_DPI, layout="constrained")
  chart: Any = figure
  if frames:
    parts: Any = figure.subfigures(2, 1, height_ratios=[_FRAMES_IN, height_in])
    _draw_frames(parts[0], frames)
    chart = parts[1]
  # A common time axis aligns the curves with the events.
  axes = chart.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
  draw_lanes(axes[0], lanes)
  if scores is not None:
    _draw_curves(axes[1], scores, clock or Clock())
  draw_time(axes[-1], estimate.duration_s)
  for axis in axes:
    axis.spines[["top", "right"]].set_visible(False)
  draw_legend(chart)
  with replacing(Path(path)) as part:
    figure.savefig(part, format="png")


def _draw_frames(part: Any, frames: Sequence[tuple[float, np.ndarray]]) -> None:
  for axis, (time_s, rgb) in zip(np.atleast_1d(part.subplots(1, len(frames))), frames, strict=True):
    axis.imshow(rgb)
    axis.set_title(format_time(time_s), fontsize="small")
    axis.set_axis_off()


def _draw_curves(axis: Any, scores: np.ndarray, clock: Clock) -> None:
  starts_s = [clock.start_s(i) for i in range(len(scores) + 1)]
  for label, curve in zip(EVENTS, scores.T, strict=True):
    axis.stairs(curve, starts_s, baseline=None, color=hex_color(label), linewidth=1.5)
  axis.set_ylim(-0.02, 1.02)
  axis.set_ylabel("score")
