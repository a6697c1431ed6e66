"""Trains missing runs and resumes interrupted ones."""

from collections.abc import Mapping, Sequence
import dataclasses
from pathlib import Path
import sys
import time
from typing import Any

from attavvad_jax.checkpoints import find_checkpoint, read_meta
from attavvad_jax.experiments.plan import Experiment
from attavvad_jax.notes import note
from attavvad_jax.training.checkpoints import has_last
from attavvad_jax.training.loop import train
from attavvad_jax.training.setup import set_up
from attavvad_jax.training.workdir import check_workdir, claim_workdir


@dataclasses.dataclass(frozen=True)
class PlannedRun:
  """One seed of an experiment, with its config and its workdir for `training.loop.train`."""

  experiment: Experiment
  seed: int
  config: Mapping[str, Any]
  workdir: Path

  @property
  def title(self) -> str:
    return f"{self.experiment.title}, seed {self.seed}"


def train_runs(runs: Sequence[PlannedRun], started_s: float) -> dict[Path, str]:
  """Trains all runs to their ends, one after another, and reports progress.

  Args:
    runs: the runs; each follows the run that it starts from.
    started_s: start time on the clock of `time.monotonic`, for the elapsed time.

  Returns:
    The reasons of failed runs by workdir; all other runs are complete.

  Raises:
    ValueError: a config cannot be used, or a workdir holds a run with another config, data or source; nothing was
      trained then.
  """
  for run in runs:
    setup = set_up(run.config)
    if (run.workdir / "config.json").exists():
      claim_workdir(run.workdir, setup)
  reasons: dict[Path, str] = {}
  for index, run in enumerate(runs, 1):
    minutes = (time.monotonic() - started_s) / 60
    head = f"run {index} of {len(runs)}, {minutes:.1f} min so far: {run.title}"
    source = run.config["transfer"]["checkpoint"]
    if source is not None and Path(source) in reasons:
      note(head, sys.stdout)
      reasons[run.workdir] = f"the run that it starts from failed: {reasons[Path(source)]}"
    else:
      try:
        if _is_finished(run):
          note(f"{head}: already finished", sys.stdout)
          continue
        note(head, sys.stdout)
        train(run.config, run.workdir)
      except ValueError as error:
        reasons[run.workdir] = str(error)
    if run.workdir in reasons:
      print(f"{run.title} failed: {reasons[run.workdir]}", flush=True)
  return reasons


def _is_finished(run: PlannedRun) -> bool:
  """Returns whether a run has all its steps.

  Raises:
    ValueError: it has begun, but not from the current parameters of its source, or with another config or data.
  """
  if not has_last(run.workdir):
    return False
  setup = set_up(run.config)
  check_workdir(run.workdir, setup)
  return read_meta(find_checkpoint(run.workdir / "checkpoints" / "last"))["step"] >= setup.num_steps
