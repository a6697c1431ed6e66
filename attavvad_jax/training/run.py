"""A run in its workdir: its progress, when it logs and saves, its best checkpoint, and its end.

`loop` trains one run and `sweep` trains many as one program; both write the same files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grain

from attavvad_jax import checkpoints as checkpoints_lib
from attavvad_jax.evaluation.protocols import CLOSED
from attavvad_jax.training.checkpoints import Checkpoints, is_better
from attavvad_jax.training.logs import Interval, RunLog, metrics
from attavvad_jax.training.setup import Setup
from attavvad_jax.training.step import TrainState
from attavvad_jax.training.workdir import PACKAGES
from attavvad_jax.versions import versions


class Diverged(ValueError):
  """The loss of a step was not finite."""


class Run:
  """A run in training; close it after use.

  Args:
    setup: the objects that the run's config describes.
    workdir: the run's folder, which `claim_workdir` has claimed.
    writes_log: whether this process writes log.jsonl and TensorBoard's events.
    program: names of the runs that are trained with it as one program; they are kept in checkpoints.

  Attributes:
    step: number of finished steps.
  """

  def __init__(self, setup: Setup, workdir: Path, *, writes_log: bool = True, program: Sequence[str] = ()):
    self.setup, self.workdir = setup, workdir
    self._program = {"program": list(program)} if program else {}
    self._checkpoints = Checkpoints(workdir)
    self.step = self._checkpoints.latest_step() or 0
    best = self._checkpoints.best_meta()
    self._best_f = best["validation"]["f"] if best else None
    self._log = RunLog(workdir, self.step) if writes_log else None

  @property
  def is_finished(self) -> bool:
    """Whether all steps are finished."""
    return self.step >= self.setup.num_steps

  @property
  def checkpoint_is_due(self) -> bool:
    """Whether validation and a checkpoint follow the last finished step."""
    return self.step % self.setup.checkpoint_interval == 0 or self.is_finished

  @property
  def line_is_due(self) -> bool:
    """Whether a line of the log follows the last finished step."""
    return self.step % self.setup.config["log_every_steps"] == 0 or self.checkpoint_is_due

  def restore(self, state: TrainState, batches: grain.DatasetIterator) -> TrainState:
    """Returns the state of the last checkpoint, shaped and placed like `state`, and moves the batches to its position.

    A run without a checkpoint keeps its fresh state.
    """
    return self._checkpoints.restore_last(state, batches) if self.step else state

  def log(self, interval: Interval, blocks_per_s: float) -> dict[str, float]:
    """Writes the metrics of the steps since the last line and returns them.

    Raises:
      Diverged: the loss of one of these steps was not finite.
    """
    if (step := interval.diverged_at) is not None:
      raise Diverged(f"the loss is not finite at step {step}; the last checkpoint is from before that step")
    line = {**metrics(interval), "blocks_per_s": blocks_per_s}
    self._write(self.step, "train", line)
    return line

  def note_divergence(self, interval: Interval) -> None:
    """Writes the step at which the loss was not finite to the log."""
    step = interval.diverged_at
    assert step is not None
    self._write(step, "diverged", {})

  def save(self, state: TrainState, batches: grain.DatasetIterator, validation: dict[str, float]) -> None:
    """Logs a validation and saves `last`, preceded by `best` if this validation is the best so far.

    Args:
      state: state after the last finished step.
      batches: iterator at the position to save.
      validation: values of `validation_metrics`; empty if nothing was validated.
    """
    if validation:
      self._write(self.step, "validation", validation)
    meta = {**run_meta(self.setup, self.step, validation), **self._program}
    if is_better(validation, self._best_f):
      self._best_f = validation["f"]
      self._checkpoints.save("best", state, batches, meta)
    # `last` comes second, so that a run killed between the two does not lose its best when it resumes.
    self._checkpoints.save("last", state, batches, meta)

  def close(self) -> None:
    if self._log:
      self._log.close()
    self._checkpoints.close()

  def _write(self, step: int, split: str, line: Mapping[str, float]) -> None:
    if self._log:
      self._log.write(step, split, line)


def run_meta(setup: Setup, step: int, validation: dict[str, float]) -> dict[str, Any]:
  """Returns the metadata of a checkpoint."""
  return {
    "schema": checkpoints_lib.SCHEMA,
    "config": setup.config,
    "spec": setup.data.spec.to_dict(),
    "data": setup.data_digests,
    "versions": versions(PACKAGES),
    "step": step,
    "protocol": CLOSED.event_name,
    "validation": validation,
  }
