"""A run in its workdir: how far it is, when it logs and saves, which checkpoint is its best, and when it ends.

`loop` trains one, `sweep` trains many as one program; both leave the same files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grain

from attavvad_jax import checkpoints as checkpoints_lib
from attavvad_jax.evaluation.protocols import CLOSED
from attavvad_jax.training.checkpoints import Checkpoints, is_better
from attavvad_jax.training.logs import Interval, RunLog, figures
from attavvad_jax.training.setup import Setup
from attavvad_jax.training.step import TrainState
from attavvad_jax.training.workdir import PACKAGES
from attavvad_jax.versions import versions


class Diverged(ValueError):
  """The loss of a step was not finite."""


class Run:
  """A run that is trained; to be closed after use.

  Args:
    setup: what its config describes.
    workdir: its folder, which is claimed.
    writes_log: whether this process writes log.jsonl and TensorBoard's events.
    program: names of the runs that are trained as one program with it; checkpoints keep them.

  Attributes:
    step: how many steps have been made.
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
    """Whether all steps have been made."""
    return self.step >= self.setup.num_steps

  @property
  def checkpoint_is_due(self) -> bool:
    """Whether validation and a checkpoint follow the step that was made last."""
    return self.step % self.setup.checkpoint_interval == 0 or self.is_finished

  @property
  def line_is_due(self) -> bool:
    """Whether a line of the log follows the step that was made last."""
    return self.step % self.setup.config["log_every_steps"] == 0 or self.checkpoint_is_due

  def restore(self, state: TrainState, batches: grain.DatasetIterator) -> TrainState:
    """Returns the state of the last checkpoint, shaped and placed like `state`, and moves the batches to its position.

    A run that has none keeps its fresh state.
    """
    return self._checkpoints.restore_last(state, batches) if self.step else state

  def log(self, interval: Interval, blocks_per_s: float) -> dict[str, float]:
    """Writes the figures of the steps since the last line, and returns them.

    Raises:
      Diverged: the loss of one of these steps was not finite.
    """
    if (step := interval.diverged_at) is not None:
      raise Diverged(f"the loss is not finite at step {step}; the last checkpoint is of before")
    line = {**figures(interval), "blocks_per_s": blocks_per_s}
    self._write(self.step, "train", line)
    return line

  def note_divergence(self, interval: Interval) -> None:
    """Writes to the log at which step the loss was not finite."""
    step = interval.diverged_at
    assert step is not None
    self._write(step, "diverged", {})

  def save(self, state: TrainState, batches: grain.DatasetIterator, validation: dict[str, float]) -> None:
    """Logs a validation, and saves `last`, and before it `best` where this is the best so far.

    Args:
      state: of the step that was made last.
      batches: where the data are.
      validation: figures of `validation_metrics`; empty where nothing was validated.
    """
    if validation:
      self._write(self.step, "validation", validation)
    meta = {**run_meta(self.setup, self.step, validation), **self._program}
    if is_better(validation, self._best_f):
      self._best_f = validation["f"]
      self._checkpoints.save("best", state, batches, meta)
    # Last, so that a run killed between the two finds its best again when it goes on.
    self._checkpoints.save("last", state, batches, meta)

  def close(self) -> None:
    if self._log:
      self._log.close()
    self._checkpoints.close()

  def _write(self, step: int, split: str, line: Mapping[str, float]) -> None:
    if self._log:
      self._log.write(step, split, line)


def run_meta(setup: Setup, step: int, validation: dict[str, float]) -> dict[str, Any]:
  """What a checkpoint says of itself."""
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
