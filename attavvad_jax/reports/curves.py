"""Figures of training: the nine loss weights, and losses, F and weights of several runs side by side."""

from collections.abc import Sequence
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.files import replacing
from attavvad_jax.loss_weights import Losses, LossWeights
from attavvad_jax.losses import AUDIO_TERMS, AUDIO_VISUAL_TERMS, TERMS, VISUAL_TERMS
from attavvad_jax.timeline import EVENTS
from attavvad_jax.timeline.palette import hex_color

if TYPE_CHECKING:
  from matplotlib.figure import Figure

# The log's name in a run's workdir.
LOG = "log.jsonl"
_SIZE_IN = (10.0, 3.0)
_DPI = 150
_VISUAL_COLOR = "#404040"
_GROUPS = {"audio": AUDIO_TERMS, "visual": VISUAL_TERMS, "audio-visual": AUDIO_VISUAL_TERMS}
_RUNS_SIZE_IN = (11.0, 8.0)
# Runs differ by color, and from the eleventh on also by line style.
_STYLES = ("-", "--", ":", "-.")

# Steps [S], and the weight of each term at these steps, [S].
Curves = tuple[np.ndarray, dict[str, np.ndarray]]


def plot_weights(
  source: LossWeights | str | os.PathLike[str],
  num_steps: int | None = None,
  path: str | os.PathLike[str] | None = None,
) -> "Figure":
  """Draws the weights of the nine terms in one panel for each group; each event has its color.

  Args:
    source: a weight function, drawn without losses, or the workdir of a run, drawn from its log. An adaptive function
      stays at its initial weights without losses, so draw the log instead.
    num_steps: number of steps to draw of a weight function.
    path: a PNG file to write.

  Returns:
    The figure.

  Raises:
    ValueError: a function is given without a number of steps, or a workdir has no logged weights.
  """
  # pyplot would open windows and keep every figure in memory.
  from matplotlib.figure import Figure
  from matplotlib.ticker import MaxNLocator

  if isinstance(source, LossWeights):
    if num_steps is None or num_steps < 1:
      raise ValueError(f"num_steps is {num_steps}; expected at least 1 to draw a weight function")
    steps, weights = weights_of_function(source, num_steps)
  else:
    steps, weights = weights_of_log(source)

  figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
  axes = figure.subplots(1, 3, sharex=True, sharey=True)
  for axis, (title, names) in zip(axes, _GROUPS.items(), strict=True):
    for i, name in enumerate(names):
      # Later curves are thinner, so that coinciding ones remain visible.
      width = 1.6 * (len(names) - i)
      color = _VISUAL_COLOR if names is VISUAL_TERMS else hex_color(EVENTS[i])
      axis.plot(steps, weights[name], color=color, linewidth=width, solid_capstyle="butt")
    axis.set_title(title)
    axis.set_xlabel("step")
    axis.spines[["top", "right"]].set_visible(False)
  axes[0].set_ylabel("loss weight")
  axes[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
  axes[0].update_datalim([(steps[0], 0.0)])  # includes 0 in the axis
  axes[0].autoscale_view()
  _draw_legend(figure)
  if path is not None:
    with replacing(Path(path)) as part:
      figure.savefig(part, format="png")
  return figure


def weights_of_function(function: LossWeights, num_steps: int) -> Curves:
  """Returns the weights of a function at the first steps when it gets no losses."""

  def advance(state, step):
    weights, state = function.update(step, state, Losses({}))
    return state, weights

  steps = jnp.arange(num_steps)
  _, weights = jax.jit(lambda: jax.lax.scan(advance, function.init(), steps))()
  return np.asarray(steps), {name: np.asarray(weights[name]) for name in TERMS}


def weights_of_log(workdir: str | os.PathLike[str]) -> Curves:
  """Returns the weights that a run logged; each is the mean over the steps since the previous log line.

  Raises:
    ValueError: there is no log, or it has no weights.
  """
  lines = [line for line in read_log(workdir) if line["split"] == "train" and f"weight_{TERMS[0]}" in line]
  if not lines:
    raise ValueError(f"{Path(workdir) / LOG}: contains no loss weights; expected the log of a run that has trained")
  return np.array([line["step"] for line in lines]), {
    name: np.array([line[f"weight_{name}"] for line in lines], np.float32) for name in TERMS
  }


def read_log(workdir: str | os.PathLike[str]) -> list[dict[str, Any]]:
  """Reads the lines of a run's log; an incomplete line, still being written or cut short by a crash, is left out.

  Raises:
    ValueError: there is no log file.
  """
  path = Path(workdir) / LOG
  if not path.exists():
    raise ValueError(f"{path}: no such file; expected the log of a run, in its workdir")
  lines = []
  for text in path.read_text(encoding="utf-8").splitlines():
    try:
      # Logs of version 0.1 use British spelling for this term.
      lines.append(json.loads(text.replace("visual_vocalising", "visual_vocalizing")))
    except json.JSONDecodeError:
      continue
  return lines


def find_runs(folders: Sequence[str | os.PathLike[str]]) -> list[Path]:
  """Returns the given workdirs, and those inside given folders such as a sweep's.

  Raises:
    ValueError: a folder neither is a workdir nor contains one.
  """
  runs = []
  for folder in map(Path, folders):
    inside = [folder] if (folder / LOG).exists() else sorted(log.parent for log in folder.glob(f"*/{LOG}"))
    if not inside:
      raise ValueError(f"{folder}: contains no run; expected a workdir with its {LOG}, or a folder of such workdirs")
    runs += inside
  return list(dict.fromkeys(runs))


def plot_runs(workdirs: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str] | None = None) -> "Figure":
  """Draws several runs over their steps: the total loss, F on validation, and each group's loss and weights.

  F is event-based, by the protocol of validation. A group's loss is the mean over its terms. All weights of a group are
  drawn; equal ones form one curve.

  Args:
    workdirs: workdirs or folders of workdirs, as for `find_runs`.
    path: a PNG file to write.

  Returns:
    The figure.

  Raises:
    ValueError: a folder contains no run, or all logs are empty.
  """
  from matplotlib.figure import Figure
  from matplotlib.lines import Line2D
  from matplotlib.ticker import MaxNLocator

  runs = find_runs(workdirs)
  logs = [read_log(run) for run in runs]
  if not any(logs):
    raise ValueError(f"{runs[0] / LOG}: the log is empty; expected the log of a run that has trained")
  figure = Figure(figsize=_RUNS_SIZE_IN, dpi=_DPI, layout="constrained")
  axes = figure.subplots(3, 3, sharex=True)
  # Panels by row: title, split, curves (each the mean of the named logged metrics), and the factor that scales them.
  panels: list[tuple[str, str, Sequence[Sequence[str]], float]] = [
    ("total loss", "train", [("total",)], 1.0),
    ("F % on validation, audio-visual", "validation", [("audio_visual_f",)], 100.0),
    ("F % on validation, audio branch alone", "validation", [("audio_f",)], 100.0),
    *((f"loss, {group}", "train", [tuple(terms)], 1.0) for group, terms in _GROUPS.items()),
    *((f"weights, {group}", "train", [("weight_" + term,) for term in terms], 1.0) for group, terms in _GROUPS.items()),
  ]
  handles = []
  for number, (run, lines) in enumerate(zip(runs, logs, strict=True)):
    # Later curves are thinner, so that coinciding ones remain visible.
    width = 1.2 + 2.4 * (1 - (number + 1) / len(runs))
    look: dict[str, Any] = {
      "color": f"C{number % 10}",
      "linestyle": _STYLES[number // 10 % len(_STYLES)],
      "linewidth": width,
    }
    handles.append(Line2D([], [], label=str(run), **look))
    for axis, (_, split, curves, factor) in zip(axes.flat, panels, strict=True):
      own = [line for line in lines if line["split"] == split]
      for names in curves:
        values = factor * np.array([_mean(line, names) for line in own])
        if not np.isnan(values).all():
          axis.plot([line["step"] for line in own], values, marker="." if split == "validation" else None, **look)
  for axis, (title, *_) in zip(axes.flat, panels, strict=True):
    axis.set_title(title, fontsize="medium")
    axis.spines[["top", "right"]].set_visible(False)
    if not axis.lines:
      axis.text(0.5, 0.5, "not logged", ha="center", va="center", transform=axis.transAxes, color="#808080")
      axis.set_yticks([])
  for axis in axes.flat[1:]:
    if axis.lines:
      axis.set_ylim(0.0, 1.05 * axis.dataLim.y1 or 1.0)
  for axis in axes[-1]:
    axis.set_xlabel("step")
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
  figure.legend(handles=handles, loc="outside lower center", ncols=min(3, len(handles)), frameon=False)
  if path is not None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(Path(path)) as part:
      figure.savefig(part, format="png")
  return figure


def _mean(line: dict[str, Any], names: Sequence[str]) -> float:
  """Returns the mean of the named metrics that a log line has; null stands for nothing counted. NaN if it has none."""
  values = [line[name] for name in names if line.get(name) is not None]
  return float(np.mean(values)) if values else float("nan")


def _draw_legend(figure: "Figure") -> None:
  from matplotlib.lines import Line2D

  colors = {**{label: hex_color(label) for label in EVENTS}, "vocalizing": _VISUAL_COLOR}
  handles = [Line2D([], [], color=color, linewidth=4, label=label) for label, color in colors.items()]
  figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
