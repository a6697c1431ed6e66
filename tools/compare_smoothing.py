"""Compares rules that turn block scores into events, on one split of a prepared data set.

python -m tools.compare_smoothing --checkpoint=shipped --data=data --split=validation
"""

from collections.abc import Mapping
import functools

import numpy as np

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.evaluation.protocols import PAPER
from attavvad_jax.evaluation.split import evaluate_outputs, score_recordings
from attavvad_jax.evaluation.table import aligned, format_metric
from attavvad_jax.predict import BATCH_SIZE, BlockScores
from attavvad_jax.timeline import Clock, Smoothing, Timeline
from attavvad_jax.trained import TrainedModel
from tools import app


def median(scores: np.ndarray, clock: Clock, width: int) -> np.ndarray:
  """Returns the most likely event after a median filter over `width` blocks. [B,E] -> [B]."""
  padded = np.pad(scores, [(width // 2, width // 2), (0, 0)], mode="edge")
  return np.median(np.lib.stride_tricks.sliding_window_view(padded, width, axis=0), axis=-1).argmax(axis=1)


def hysteresis(scores: np.ndarray, clock: Clock, margin: float) -> np.ndarray:
  """Returns events that change only once another event's score is higher by `margin`. [B,E] -> [B]."""
  labels = np.argmax(scores, axis=1)
  for block in range(1, len(scores)):
    before = labels[block - 1]
    if scores[block, labels[block]] < scores[block, before] + margin:
      labels[block] = before
  return labels


MEDIAN_3, MEDIAN_5, MEDIAN_7 = (functools.partial(median, width=width) for width in (3, 5, 7))
HYSTERESIS_2, HYSTERESIS_4 = (functools.partial(hysteresis, margin=margin) for margin in (0.2, 0.4))

RULES = {
  **{f"mean of {width}": Smoothing(mean_blocks=width) for width in (1, 3, 5, 7)},
  **{f"median of {width}": Smoothing(function=f"tools.compare_smoothing:MEDIAN_{width}") for width in (3, 5, 7)},
  **{
    f"hysteresis of 0.{margin}": Smoothing(function=f"tools.compare_smoothing:HYSTERESIS_{margin}") for margin in (2, 4)
  },
  **{
    f"HMM, evidence {evidence}, minimum {shortest_s} s": Smoothing(1, shortest_s, "hmm", evidence)
    for shortest_s in (0.0, 0.5)
    for evidence in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
  },
}


def compare(recordings: Mapping[str, tuple[Timeline, BlockScores]], data: PreparedData) -> list[tuple[str, ...]]:
  """Scores all rules on scored recordings, and returns the rows of a table, header first."""
  rows: list[tuple[str, ...]] = [("rule", "F %", "ER", "P %", "R %", "F %, segments")]
  for name, smoothing in RULES.items():
    scores = evaluate_outputs(recordings, data, smoothing, PAPER)
    scored = scores.get("audio_visual") or scores["audio"]
    events, segments = scored.event_based["overall"], scored.segment_based["overall"]
    percents = [format_metric(100 * value, 1) for value in (events.precision, events.recall, segments.f_score)]
    rows.append((name, format_metric(100 * events.f_score, 1), format_metric(events.error_rate, 2), *percents))
  return rows


def run(checkpoint: str, data: str, split: str) -> None:
  trained, prepared = TrainedModel(checkpoint), PreparedData(data)
  recordings = score_recordings(trained.predict, prepared, split, BATCH_SIZE)
  print(f"{trained.name} ({trained.digest[:12]}) on {prepared.path}, split {split}; {PAPER.event_name}")
  print("\n".join(aligned(compare(recordings, prepared))))


COMMAND = Command(
  "compare_smoothing",
  "compare rules that turn scores into events",
  "Prints event- and segment-based scores of moving averages, medians, hysteresis and the HMM on one split.",
  "python -m tools.compare_smoothing --data=data --split=validation",
  (
    options.CHECKPOINT,
    Option("data", "prepared data set", "path", required=True),
    Option("split", "split to score", default="validation"),
  ),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
