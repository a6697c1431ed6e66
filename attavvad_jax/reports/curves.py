"""The nine loss weights over training, as a picture."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.events import EVENTS
from attavvad_jax.files import replacing
from attavvad_jax.loss_weights import Losses, LossWeights
from attavvad_jax.losses import AUDIO_TERMS, AUDIO_VISUAL_TERMS, TERMS, VISUAL_TERMS
from attavvad_jax.reports.palette import hex_colour

if TYPE_CHECKING:
  from matplotlib.figure import Figure

_SIZE_IN = (10.0, 3.0)
_DPI = 150
_VISUAL_COLOUR = "#404040"

# Steps [S], and the weight of each term at them, [S].
Curves = tuple[np.ndarray, dict[str, np.ndarray]]


def plot_weights(
  source: LossWeights | str | os.PathLike[str],
  num_steps: int | None = None,
  path: str | os.PathLike[str] | None = None,
) -> "Figure":
  """Draws the weights of the nine terms, one panel for each group; the colours are the events'.

  Args:
    source: a weight function, drawn as it is without losses (an adaptive one stays where it starts: draw its log), or
      the workdir of a run, drawn as it was logged.
    num_steps: to draw of a weight function.
    path: a PNG file to write.

  Returns:
    The figure.

  Raises:
    ValueError: a function without a number of steps, or a workdir without logged weights.
  """
  # Without pyplot: no windows, and nothing is left behind in the process.
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
  groups = {"audio": AUDIO_TERMS, "visual": VISUAL_TERMS, "audio-visual": AUDIO_VISUAL_TERMS}
  for axis, (title, names) in zip(axes, groups.items(), strict=True):
    for i, name in enumerate(names):
      # Ever thinner, so that curves on top of one another all show.
      width = 1.6 * (len(names) - i)
      colour = _VISUAL_COLOUR if names is VISUAL_TERMS else hex_colour(EVENTS[i])
      axis.plot(steps, weights[name], color=colour, linewidth=width, solid_capstyle="butt")
    axis.set_title(title)
    axis.set_xlabel("step")
    axis.spines[["top", "right"]].set_visible(False)
  axes[0].set_ylabel("loss weight")
  axes[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
  axes[0].update_datalim([(steps[0], 0.0)])  # so that 0 is to be seen
  axes[0].autoscale_view()
  _draw_legend(figure)
  if path is not None:
    with replacing(Path(path)) as part:
      figure.savefig(part, format="png")
  return figure


def weights_of_function(function: LossWeights, num_steps: int) -> Curves:
  """The weights at the first steps of a function that sees no losses."""

  def advance(state, step):
    weights, state = function.update(step, state, Losses({}))
    return state, weights

  steps = jnp.arange(num_steps)
  _, weights = jax.jit(lambda: jax.lax.scan(advance, function.init(), steps))()
  return np.asarray(steps), {name: np.asarray(weights[name]) for name in TERMS}


def weights_of_log(workdir: str | os.PathLike[str]) -> Curves:
  """The weights that a run logged; each is the mean over the steps since the line before.

  Raises:
    ValueError: there is no log, or none with weights.
  """
  path = Path(workdir) / "log.jsonl"
  if not path.exists():
    raise ValueError(f"{path}: no such file; expected the log of a run, in its workdir")
  lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
  lines = [line for line in lines if line["split"] == "train" and f"weight_{TERMS[0]}" in line]
  if not lines:
    raise ValueError(f"{path}: holds no loss weights; expected the log of a run that has trained")
  return np.array([line["step"] for line in lines]), {
    name: np.array([line[f"weight_{name}"] for line in lines], np.float32) for name in TERMS
  }


def _draw_legend(figure: "Figure") -> None:
  from matplotlib.lines import Line2D

  colours = {**{label: hex_colour(label) for label in EVENTS}, "vocalising": _VISUAL_COLOUR}
  handles = [Line2D([], [], color=colour, linewidth=4, label=label) for label, colour in colours.items()]
  figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
