"""Scores of runs, computed once and stored as JSON, from which tables are made without a network.

Axes: N recordings, C the counts of `bootstrap.COUNTS`.
"""

from collections.abc import Mapping
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from attavvad_jax import __version__
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.evaluation import PAPER, Scores
from attavvad_jax.evaluation.bootstrap import to_array
from attavvad_jax.evaluation.split import count_outputs, score_recordings
from attavvad_jax.evaluation.stored import counts_from_json, counts_to_json
from attavvad_jax.files import write_text
from attavvad_jax.predict import BATCH_SIZE
from attavvad_jax.trained import TrainedModel

SPLIT = "test"


@dataclasses.dataclass(frozen=True)
class RunScores:
  """The scores of a run's best checkpoint.

  Attributes:
    step: step of the checkpoint.
    output: the output of `split.OUTPUTS` that was scored: the one after fusion if the network has one.
    recordings: counts of each recording, by name.
  """

  step: int
  output: str
  recordings: Mapping[str, Scores]

  def event_based(self, label: str = "overall") -> np.ndarray:
    """Returns event-based counts in the order of the recordings. [N,C]."""
    return np.stack([to_array(scores.event_based[label]) for scores in self.recordings.values()])

  def segment_based(self, label: str = "overall") -> np.ndarray:
    """Returns segment-based counts in the order of the recordings. [N,C]."""
    return np.stack([to_array(scores.segment_based[label]) for scores in self.recordings.values()])


def score_run(workdir: Path, data: PreparedData, path: Path) -> RunScores:
  """Returns the scores of a run's best checkpoint on the test split, reusing the file at `path` if it is still valid.

  Digests identify checkpoint and data: after retraining or a new preparation, the run is scored again; copied or moved
  files keep their scores.

  Raises:
    ValueError: the run has no checkpoint.
  """
  detector = TrainedModel(workdir)
  of = {
    "checkpoint": detector.digest,
    "data": data.digest(SPLIT),
    "protocol": [PAPER.event_name, PAPER.segment_name],
    "version": __version__,
  }
  if path.is_file():
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["of"] == of:
      return _from_json(stored)
  scored = score_recordings(detector.predict, data, SPLIT, BATCH_SIZE)
  output, recordings = next(iter(count_outputs(scored, data, detector.smoothing, PAPER).items()))
  found = RunScores(detector.meta["step"], output, recordings)
  path.parent.mkdir(parents=True, exist_ok=True)
  write_text(path, json.dumps({"of": of, **_to_json(found)}, indent=1) + "\n")
  return found


def _to_json(found: RunScores) -> dict[str, Any]:
  recordings = {name: counts_to_json(scores) for name, scores in found.recordings.items()}
  return {"step": found.step, "output": found.output, "recordings": recordings}


def _from_json(stored: Mapping[str, Any]) -> RunScores:
  recordings = {name: counts_from_json(values, PAPER) for name, values in stored["recordings"].items()}
  return RunScores(stored["step"], stored["output"], recordings)
