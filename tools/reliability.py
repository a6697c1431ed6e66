"""Draws how often events are right at each score, and prints the expected calibration error.

python -m tools.reliability --checkpoint=shipped --data=data --split=test --output=reliability.png
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.evaluation.split import score_recordings
from attavvad_jax.files import replacing
from attavvad_jax.predict import BATCH_SIZE, BlockScores
from attavvad_jax.timeline import EVENTS, Clock, Timeline, block_labels
from attavvad_jax.timeline.palette import hex_color
from attavvad_jax.trained import TrainedModel
from tools import app

_BINS = 10
_DPI = 110


def binned(scores: np.ndarray, is_right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns mean score, fraction of blocks that are right, and number of blocks, of each bin that holds any.

  Args:
    scores: scores from 0 to 1, [B].
    is_right: whether each is right, bool [B].
  """
  bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
  counts = np.bincount(bins, minlength=_BINS)
  filled = counts > 0
  sums = (np.bincount(bins, values, minlength=_BINS)[filled] for values in (scores, is_right))
  means, fractions = (total / counts[filled] for total in sums)
  return means, fractions, counts[filled]


def calibration_error(scores: np.ndarray, is_right: np.ndarray) -> float:
  """Computes the expected calibration error: the mean over blocks of the difference between score and fraction."""
  means, fractions, counts = binned(scores, is_right)
  return float(np.average(np.abs(means - fractions), weights=counts))


def decisions(recordings: Mapping[str, tuple[Timeline, BlockScores]], clock: Clock) -> tuple[np.ndarray, np.ndarray]:
  """Returns the scores [B,E] and the reference labels [B] of all blocks."""
  scores = [np.asarray(scores.decision) for _, scores in recordings.values()]
  labels = [block_labels(reference, clock, len(scores.decision)) for reference, scores in recordings.values()]
  return np.concatenate(scores), np.concatenate(labels)


def draw(scores: np.ndarray, labels: np.ndarray, path: Path, fewest: int = 20) -> None:
  """Draws a curve for each event, and one for the event with the highest score of each block.

  Args:
    scores: scores [B,E].
    labels: reference labels, int [B].
    path: PNG file to write.
    fewest: bins of fewer blocks are not drawn.
  """
  from matplotlib.figure import Figure

  figure = Figure(figsize=(5.0, 5.0), layout="constrained")
  axes: Any = figure.subplots()
  axes.plot([0, 1], [0, 1], color="#b0b0b0", linewidth=1)
  curves = {event: (scores[:, column], labels == column, hex_color(event)) for column, event in enumerate(EVENTS)}
  curves["highest score"] = scores.max(axis=1), scores.argmax(axis=1) == labels, "black"
  for name, (values, is_right, color) in curves.items():
    means, fractions, counts = binned(values, is_right)
    drawn = counts >= fewest
    axes.plot(means[drawn], fractions[drawn], "o-", markersize=4, linewidth=1.5, color=color, label=name)
  axes.set(xlabel="score", ylabel="fraction of blocks that are right", xlim=(0, 1), ylim=(0, 1), aspect="equal")
  axes.legend(frameon=False)
  with replacing(path) as part:
    figure.savefig(part, dpi=_DPI, format="png")


def run(checkpoint: str, data: str, split: str, output: str) -> None:
  trained, prepared = TrainedModel(checkpoint), PreparedData(data)
  scores, labels = decisions(score_recordings(trained.predict, prepared, split, BATCH_SIZE), prepared.spec.clock)
  print(f"{trained.name} ({trained.digest[:12]}) on {prepared.path}, split {split}, {len(labels)} blocks")
  for column, event in enumerate(EVENTS):
    print(f"{event:14} {calibration_error(scores[:, column], labels == column):.3f}")
  print(f"highest score  {calibration_error(scores.max(axis=1), scores.argmax(axis=1) == labels):.3f}")
  draw(scores, labels, Path(output))
  print(f"wrote {output}")


COMMAND = Command(
  "reliability",
  "draw how often events are right at each score",
  "Draws a reliability diagram of the block scores of a split, and prints the expected calibration error (ten bins).",
  "python -m tools.reliability --data=data --split=test --output=reliability.png",
  (
    options.CHECKPOINT,
    Option("data", "prepared data set", "path", required=True),
    Option("split", "split to score", default="test"),
    Option("output", "PNG file to write", "path", default="reliability.png"),
  ),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
