"""Makes the figures and tables of the data card of the simulated performances.

python -m tools.data_card

Axes: H, W pixels.
"""

from collections import Counter
from collections.abc import Sequence
import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from attavvad_jax.commands.base import Command, Option
from attavvad_jax.files import replacing, write_text
from attavvad_jax.simulation.difficulty import PRESETS
from attavvad_jax.simulation.scenes import Scene, draw_scene, render_frame, render_stems
from attavvad_jax.simulation.timelines import MAVC100_QUARTILES_S
from attavvad_jax.timeline import EVENTS, Clock
from attavvad_jax.timeline.palette import hex_color
from attavvad_jax.timeline.plot import draw_lanes, draw_legend
from tools import app

# The text between these lines of README.md is replaced; the rest is written by hand.
BEGIN, END = "<!-- tables: made by tools/data_card.py -->", "<!-- end of tables -->"
# Presets that need no recordings.
_SHOWN = [name for name, level in PRESETS.items() if not level.recorded_voices]
_COLUMNS, _ROWS = 6, 2  # frames of a preset in the contact sheet
_FRAME_PX = (240, 180)
_SPECTROGRAM_S = 20.0
_DPI = 110


def write_card(folder: str | os.PathLike[str], *, num_scenes: int = 300, seed: int = 0) -> Path:
  """Writes the card's figures to `<folder>/card` and its tables to `<folder>/README.md`, between the marks.

  Args:
    folder: folder of README.md, which has the lines `BEGIN` and `END`.
    num_scenes: number of scenes of each preset for the statistics; their audio and video are not rendered.
    seed: seed of the scenes.

  Returns:
    The path of README.md.

  Raises:
    ValueError: README.md lacks the marks.
    OSError: README.md is missing, or the folder is not writable.
  """
  readme = Path(folder) / "README.md"
  before, mark, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
  _, end, after = rest.partition(END)
  if not mark or not end:
    raise ValueError(f"{readme}: lacks the lines {BEGIN!r} and {END!r}, which enclose the tables")
  scenes = {preset: [draw_scene(seed, i, "train", preset=preset) for i in range(num_scenes)] for preset in _SHOWN}
  figures = Path(folder) / "card"
  figures.mkdir(exist_ok=True)
  _draw_contact_sheet(figures / "contact_sheet.jpg", scenes)
  example = _most_varied(scenes)
  _draw_spectrograms(figures / "spectrograms.jpg", {preset: drawn[example] for preset, drawn in scenes.items()})
  _draw_durations(figures / "durations.png", next(iter(scenes.values())))
  tables = [_durations_table(scenes), _conditions_table(scenes)]
  write_text(readme, before + "\n\n".join([BEGIN, *tables, END]) + after)
  return readme


def _durations_table(scenes: dict[str, list[Scene]]) -> str:
  """Returns fraction of time and median duration of the events, by preset and label set."""
  rows = []
  for preset, drawn in scenes.items():
    for name, timelines in (
      ("performer's voice", [scene.timeline for scene in drawn]),
      ("any voice", [scene.audio_timeline for scene in drawn]),
    ):
      row = [preset, name]
      total_s = sum(timeline.duration_s for timeline in timelines)
      for label in EVENTS:
        lengths_s = [event.duration_s for timeline in timelines for event in timeline if event.label == label]
        row.append(f"{sum(lengths_s) / total_s:.0%}, {np.median(lengths_s):.1f} s" if lengths_s else "–")
      rows.append(row)
  return _markdown(["preset", "labels", *(f"{label}: fraction, median" for label in EVENTS)], rows)


def _conditions_table(scenes: dict[str, list[Scene]]) -> str:
  """Summarizes the conditions of the clips: percentiles 10, 50 and 90 of numbers, frequencies of words."""
  described = {preset: [scene.conditions for scene in drawn] for preset, drawn in scenes.items()}
  names = list(dict.fromkeys(name for clips in described.values() for clip in clips for name in clip))
  # Names of presets and performers do not describe the data set.
  names = [name for name in names if name not in ("preset", "performer")]
  rows = [[name, *(_summary([clip[name] for clip in clips]) for clips in described.values())] for name in names]
  return _markdown(["condition of a clip", *scenes], rows)


def _summary(values: Sequence[Any]) -> str:
  if all(isinstance(value, bool) for value in values):
    return f"{np.mean(values):.0%}"
  if all(isinstance(value, int | float) for value in values):
    low, middle, high = np.percentile(values, [10, 50, 90])
    return f"{low:.3g} … **{middle:.3g}** … {high:.3g}"
  counts = Counter(str(value) for value in values).most_common(5)
  return ", ".join(f"{value} {count / len(values):.0%}" for value, count in counts)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  lines = [header, ["---"] * len(header), *rows]
  return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _draw_contact_sheet(path: Path, scenes: dict[str, list[Scene]]) -> None:
  """Draws frames of different performers for each preset, with a border in the color of the event."""
  figure = _figure(_COLUMNS * 1.7, len(scenes) * (_ROWS * 1.35 + 0.25) + 0.4)
  parts = np.atleast_1d(figure.subfigures(len(scenes), 1))
  for part, (preset, drawn) in zip(parts, scenes.items(), strict=True):
    part.suptitle(preset, x=0.01, ha="left", fontsize="medium", weight="bold")
    axes = part.subplots(_ROWS, _COLUMNS)
    for axis, scene in zip(axes.flat, drawn, strict=False):
      # The middle of an event, so that the mouth agrees with the label.
      event = scene.timeline.events[len(scene.timeline.events) // 2]
      axis.imshow(render_frame(scene, (event.onset_s + event.offset_s) / 2, *_FRAME_PX))
      axis.set_xticks([])
      axis.set_yticks([])
      axis.spines[:].set(color=hex_color(event.label), linewidth=3)
  draw_legend(figure)
  _save(figure, path)


def _most_varied(scenes: dict[str, list[Scene]]) -> int:
  """Returns the first index at which the scene of every preset has all events and other people's voices."""

  def is_varied(scene: Scene) -> bool:
    shown = {event.label for event in scene.timeline if event.onset_s < _SPECTROGRAM_S}
    return shown == set(EVENTS) and scene.timeline.events != scene.audio_timeline.events

  numbers = range(min(len(drawn) for drawn in scenes.values()))
  # Among few scenes there may be no such index; then the first scene serves.
  return next((i for i in numbers if all(is_varied(drawn[i]) for drawn in scenes.values())), 0)


def _draw_spectrograms(path: Path, scenes: dict[str, Scene]) -> None:
  """Draws the log-mel of one scene of each preset, below its two lanes of labels."""
  from attavvad_jax.features.log_mel import log_mel

  clock = Clock()
  figure = _figure(10.0, 2.3 * len(scenes) + 0.5)
  axes = figure.subplots(2 * len(scenes), 1, sharex=True, height_ratios=[0.35, 1.0] * len(scenes))
  for lanes, panel, (preset, scene) in zip(axes[::2], axes[1::2], scenes.items(), strict=True):
    draw_lanes(lanes, [("any voice", scene.audio_timeline), ("performer", scene.timeline)])
    lanes.set_title(preset, loc="left", fontsize="medium", weight="bold")
    mel = np.asarray(log_mel(jnp.asarray(render_stems(scene).mixture), clock))
    seconds = len(mel) * clock.hop_samples / clock.sample_rate_hz
    panel.imshow(mel.T, aspect="auto", origin="lower", extent=(0, seconds, 0, mel.shape[1]), vmin=-70, vmax=20)
    panel.set_ylabel("mel band")
  axes[-1].set_xlim(0, _SPECTROGRAM_S)
  axes[-1].set_xlabel("time (s)")
  draw_legend(figure)
  _save(figure, path)


def _draw_durations(path: Path, drawn: list[Scene]) -> None:
  """Draws the cumulative distribution of the durations of the performer's events, with the quartiles of MAVC100."""
  figure = _figure(10.0, 2.6)
  axes = figure.subplots(1, len(EVENTS), sharey=True)
  for axis, label in zip(axes, EVENTS, strict=True):
    lengths_s = np.sort([event.duration_s for scene in drawn for event in scene.timeline if event.label == label])
    fraction = np.arange(1, len(lengths_s) + 1) / len(lengths_s)
    axis.step(lengths_s, fraction, where="post", color="black", linewidth=1.2, label="simulated")
    # MAVC100 has hardly any silence; simulated silence has the durations of others.
    quartiles_s = MAVC100_QUARTILES_S["others" if label == "silence" else label]
    axis.plot(quartiles_s, (0.25, 0.5, 0.75), "o", color="#d55e00", label="MAVC100")
    axis.set_title(label, fontsize="medium")
    axis.set_xscale("log")
    axis.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    axis.minorticks_off()
    axis.set_xlabel("seconds")
  axes[0].set_ylabel("shorter")
  axes[0].legend(frameon=False, fontsize="small")
  _save(figure, path)


def _figure(width_in: float, height_in: float) -> Any:
  # pyplot would open windows and keep the figure alive in the process.
  from matplotlib.figure import Figure

  return Figure(figsize=(width_in, height_in), dpi=_DPI, layout="constrained")


def _save(figure: Any, path: Path) -> None:
  with replacing(path) as part:
    figure.savefig(part, format=path.suffix[1:])


def run(folder: str, scenes: int, seed: int) -> None:
  print(f"wrote {write_card(folder, num_scenes=scenes, seed=seed)}")


COMMAND = Command(
  "data_card",
  "make the data card of the simulated performances",
  "Remakes the figures and tables of attavvad_jax/simulation/README.md.",
  "python -m tools.data_card",
  (
    Option("folder", "folder of the card's README.md", "path", default="attavvad_jax/simulation"),
    Option("scenes", "number of scenes of each preset for the statistics", "integer", default=300),
    Option("seed", "seed of the scenes", "integer", default=0),
  ),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
