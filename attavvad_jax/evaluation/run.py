"""A checkpoint's scores on a split of a prepared data set."""

from collections.abc import Mapping
import dataclasses
from pathlib import Path

from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.detection.detector import Detector
from attavvad_jax.evaluation.metrics import Scores
from attavvad_jax.evaluation.protocols import PROTOCOLS
from attavvad_jax.evaluation.split import evaluate_outputs, score_recordings
from attavvad_jax.evaluation.table import text_table

_BATCH_SIZE = 32
_TITLES = {"audio_visual": "audio-visual output", "audio": "audio branch alone"}


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Scores of each output of a model, and a line that names model, data and split. As text: tables."""

  subject: str
  scores: Mapping[str, Scores]

  def __str__(self) -> str:
    tables = [f"-- {_TITLES[output]}\n{text_table(value)}" for output, value in self.scores.items()]
    return "\n\n".join([self.subject, *tables])


def evaluate_checkpoint(checkpoint: str | Path, data: str | Path, split: str, protocol: str) -> Evaluation:
  """P, R, F and ER of each output of the checkpoint's model, with protocol, data and support named.

  Args:
    checkpoint: what training wrote.
    data: a prepared data set with the checkpoint's clock and crop.
    split: one of its splits.
    protocol: a name of `PROTOCOLS`.

  Raises:
    ValueError: an unknown protocol or split, or data that the checkpoint does not fit.
  """
  if protocol not in PROTOCOLS:
    raise ValueError(f"unknown protocol {protocol!r}; expected one of {', '.join(PROTOCOLS)}")
  detector = Detector(checkpoint)
  prepared = PreparedData(data)
  if prepared.spec != detector.spec:
    raise ValueError(f"{prepared.path}: prepared with {prepared.spec}, the checkpoint was trained with {detector.spec}")
  recordings = score_recordings(detector.predict, prepared, split, _BATCH_SIZE)
  scores = evaluate_outputs(recordings, prepared, detector.smoothing, PROTOCOLS[protocol])
  model, step = detector.meta["config"]["model"]["name"], detector.meta["step"]
  return Evaluation(f"{model}, step {step}, on {prepared.path}, split {split}", scores)
