"""Trains the runs that are missing; goes on with those that were cut short."""

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
  """One seed of an experiment: its config and its folder, which is a workdir of `training.loop.train`."""

  experiment: Experiment
  seed: int
  config: Mapping[str, Any]
  workdir: Path

  @property
  def title(self) -> str:
    return f"{self.experiment.title}, seed {self.seed}"


def train_runs(runs: Sequence[PlannedRun], started_s: float) -> dict[Path, str]:
  """Trains each run to its end, one after another, and says which it is at.

  Args:
    runs: in an order in which those that others start from come first.
    started_s: of `time.monotonic`, from which the time so far is counted.

  Returns:
    Why a run failed, by the workdir of those that did; the others are whole.

  Raises:
    ValueError: a config cannot be used, or a workdir holds a run of another config, on other data or from another
      source; nothing was trained then.
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
          note(f"{head}: is there", sys.stdout)
          continue
        note(head, sys.stdout)
        train(run.config, run.workdir)
      except ValueError as error:
        reasons[run.workdir] = str(error)
    if run.workdir in reasons:
      print(f"{run.title} failed: {reasons[run.workdir]}", flush=True)
  return reasons


def _is_finished(run: PlannedRun) -> bool:
  """Whether a run has all its steps, and started from its source as that is now, which may have been trained anew.

  Raises:
    ValueError: it started from another one.
  """
  if not has_last(run.workdir):
    return False
  setup = set_up(run.config)
  check_workdir(run.workdir, setup)
  return read_meta(find_checkpoint(run.workdir / "checkpoints" / "last"))["step"] >= setup.num_steps
