"""A checkpoint's scores on a split of a prepared data set, altogether and by condition."""

from collections.abc import Iterable, Mapping
import dataclasses
from pathlib import Path

from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.detection.detector import Detector
from attavvad_jax.evaluation.ceiling import Ceilings, ceilings
from attavvad_jax.evaluation.conditions import group_recordings
from attavvad_jax.evaluation.metrics import Scores
from attavvad_jax.evaluation.protocols import PROTOCOLS
from attavvad_jax.evaluation.split import evaluate_outputs, score_recordings
from attavvad_jax.evaluation.table import condition_table, text_table

_BATCH_SIZE = 32
_TITLES = {"audio_visual": "audio-visual output", "audio": "audio branch alone"}


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Scores of each output of a model on a split. As text: tables.

  Attributes:
    subject: a line that names model, data and split.
    scores: of each output of the model, over all recordings.
    ceilings: what the reference itself reaches, cut to blocks.
    condition: what the recordings are told apart by, None for nothing.
    by_condition: the same scores for the recordings of each value of it.
  """

  subject: str
  scores: Mapping[str, Scores]
  ceilings: Ceilings
  condition: str | None = None
  by_condition: Mapping[str, Mapping[str, Scores]] = dataclasses.field(default_factory=dict)

  def __str__(self) -> str:
    tables = [f"-- {_TITLES[output]}\n{text_table(value)}" for output, value in self.scores.items()]
    if self.condition is not None:
      tables.append(f"-- by {self.condition}\n{condition_table(self.condition, self.by_condition)}")
    return "\n\n".join([self.subject, str(self.ceilings), *tables])


def evaluate_checkpoint(
  checkpoint: str | Path, data: str | Path, split: str, protocol: str, condition: str | None = None
) -> Evaluation:
  """P, R, F and ER of each output of the checkpoint's model, with protocol, data and support named.

  Args:
    checkpoint: what training wrote.
    data: a prepared data set with the checkpoint's clock and crop.
    split: one of its splits.
    protocol: a name of `PROTOCOLS`.
    condition: a name from the recordings' descriptions, such as snr_db: the scores are given for each of its values.

  Raises:
    ValueError: an unknown protocol, split or condition, or data that the checkpoint does not fit.
  """
  if protocol not in PROTOCOLS:
    raise ValueError(f"unknown protocol {protocol!r}; expected one of {', '.join(PROTOCOLS)}")
  detector = Detector(checkpoint)
  prepared = PreparedData(data)
  if misfit := prepared.spec.misfit(detector.spec):
    raise ValueError(f"{prepared.path}: prepared with {misfit}, which the checkpoint needs; prepare it again")
  # Asked for before anything is scored, so that a wrong name costs no time.
  groups = {} if condition is None else group_recordings(prepared.conditions(split), condition)
  recordings = score_recordings(detector.predict, prepared, split, _BATCH_SIZE)

  def evaluate_some(names: Iterable[str]) -> dict[str, Scores]:
    some = {name: recordings[name] for name in names}
    return evaluate_outputs(some, prepared, detector.smoothing, PROTOCOLS[protocol])

  model, step = detector.meta["config"]["model"]["name"], detector.meta["step"]
  return Evaluation(
    f"{model}, step {step}, on {prepared.path}, split {split}",
    evaluate_some(recordings),
    ceilings((reference for reference, _ in recordings.values()), prepared.spec.clock, PROTOCOLS[protocol]),
    condition,
    {value: evaluate_some(names) for value, names in groups.items()},
  )
