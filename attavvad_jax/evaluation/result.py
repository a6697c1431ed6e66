"""The result of an evaluation: the scores of each output of a model, with the checkpoint and data they belong to."""

from collections.abc import Mapping
import dataclasses
import functools

import numpy as np

from attavvad_jax.evaluation import bootstrap
from attavvad_jax.evaluation.ceiling import Ceilings
from attavvad_jax.evaluation.conditions import Condition, group_recordings
from attavvad_jax.evaluation.metrics import Scores, total
from attavvad_jax.evaluation.split import OUTPUTS
from attavvad_jax.evaluation.table import condition_table, text_table

_TITLES = {"audio_visual": "audio-visual output", "audio": "audio branch alone"}


@dataclasses.dataclass(frozen=True)
class Subject:
  """The scored checkpoint and the data it was scored on, identified by digests in case the paths change.

  Attributes:
    checkpoint: path of the checkpoint as given.
    checkpoint_digest: `TrainedModel.digest`.
    model: name of the model in the config.
    step: step of the checkpoint.
    data: path of the data set.
    split: split of the data set.
    data_digest: `PreparedData.digest` of the split.
    trained_here: whether the checkpoint was trained on the split "train" of this data set; None if the checkpoint does
      not store a digest of its training data, as old ones do not.
    version: version of this package.
  """

  checkpoint: str
  checkpoint_digest: str
  model: str
  step: int
  data: str
  split: str
  data_digest: str
  trained_here: bool | None
  version: str

  def __str__(self) -> str:
    trained = {None: "", True: "", False: "; trained on other data than this data set's train split"}[self.trained_here]
    return (
      f"{self.checkpoint}: {self.model}, step {self.step} ({self.checkpoint_digest[:12]}), on {self.data}, "
      f"split {self.split} ({self.data_digest[:12]}){trained}"
    )


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Scores of each output of a model on a split. `str` gives tables.

  Attributes:
    subject: the model, data and split.
    protocol: a name of `PROTOCOLS`.
    recordings: scores by output of the model and name of the recording.
    conditions: conditions of the recordings, by name of the recording.
    ceilings: scores of the reference itself, cut to blocks; None in an evaluation that was read from a file.
    condition: the condition by which recordings are grouped; None for no grouping.
  """

  subject: Subject
  protocol: str
  recordings: Mapping[str, Mapping[str, Scores]]
  conditions: Mapping[str, Mapping[str, Condition]]
  ceilings: Ceilings | None = None
  condition: str | None = None

  @functools.cached_property
  def scores(self) -> dict[str, Scores]:
    """The scores of each output over all recordings."""
    return {output: total(table.values()) for output, table in self.recordings.items()}

  @property
  def by_condition(self) -> dict[str, dict[str, Scores]]:
    """The scores of each output over the recordings with each value of the condition."""
    groups = {} if self.condition is None else group_recordings(self.conditions, self.condition)
    return {
      value: {output: total(table[name] for name in names) for output, table in self.recordings.items()}
      for value, names in groups.items()
    }

  @property
  def event_based(self) -> np.ndarray:
    """Overall event-based counts of each recording by the main output, as one seed. int64 [1,N,C]."""
    main = next(output for output in OUTPUTS if output in self.recordings)
    rows = [bootstrap.to_array(scores.event_based["overall"]) for scores in self.recordings[main].values()]
    return np.stack(rows)[None]

  def __str__(self) -> str:
    tables = [f"-- {_TITLES[output]}\n{text_table(value)}" for output, value in self.scores.items()]
    if self.condition is not None:
      tables.append(f"-- by {self.condition}\n{condition_table(self.condition, self.by_condition)}")
    ceiling = [] if self.ceilings is None else [str(self.ceilings)]
    return "\n\n".join([str(self.subject), *ceiling, *tables])
