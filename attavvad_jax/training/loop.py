"""The training loop, which fetches batches, steps, logs, validates and saves. Other modules do the computing."""

from collections.abc import Callable, Mapping
import functools
from pathlib import Path
import time
from typing import Any

import jax

from attavvad_jax.files import write_text
from attavvad_jax.notes import progress_bar
from attavvad_jax.training.checkpoints import has_last
from attavvad_jax.training.logs import Interval
from attavvad_jax.training.placement import MESH, PLACEMENTS, Placement
from attavvad_jax.training.processes import holding, is_main, stop_requests, wait_for_all
from attavvad_jax.training.run import Diverged, Run
from attavvad_jax.training.setup import Setup, set_up
from attavvad_jax.training.step import TrainState
from attavvad_jax.training.validation import validate
from attavvad_jax.training.workdir import check_workdir, claim_workdir


def train(config: Mapping[str, Any], workdir: str | Path, placement: str = MESH) -> Path:
  """Trains until `config.num_epochs`, resuming from the last checkpoint in the workdir if there is one.

  The workdir receives config.json, log.jsonl, tensorboard/ and checkpoints/{last,best}; `best` is the checkpoint with
  the highest event-based F on the split "validation" (protocol `closed`, audio-visual output), the first of equals.
  A fresh run prints what it loads from the checkpoint of `config.transfer` and writes it to transfer.txt; a resumed run
  loads nothing from it.

  All devices of all joined processes (`training.processes`) are used. Their number may change when a run resumes.

  Args:
    config: plain values with the keys of `configs.att_avvad`.
    workdir: folder of the run, the same for all processes.
    placement: a name in `placement.PLACEMENTS`.

  Returns:
    The workdir.

  Raises:
    ValueError: the config cannot be used or does not fit the data or the run in the workdir, another program works
      there, a checkpoint cannot be written, another process was lost, or the loss is not finite.
    SystemExit: SIGTERM was received; with code 0, after the run was saved so that it can resume.
  """
  workdir = Path(workdir)
  setup = set_up(config)
  if placement not in PLACEMENTS:
    raise ValueError(f"unknown placement {placement!r}; expected one of {', '.join(PLACEMENTS)}")
  check_workdir(workdir, setup)
  # The first batch only gives the shapes.
  state = setup.create_state(next(setup.open_batches()))
  state, transferred = (state, "") if has_last(workdir) else setup.load_transfer(state)
  with holding(workdir), stop_requests() as must_stop:
    try:
      _train(setup, workdir, PLACEMENTS[placement](), state, transferred, must_stop)
    except jax.errors.JaxRuntimeError as error:
      if jax.process_count() == 1:
        raise
      raise ValueError(
        f"{workdir}: lost another of the {jax.process_count()} processes ({str(error).splitlines()[0]}); read the "
        "others' output, then start all again to resume from the last checkpoint"
      ) from error
  return workdir


def _train(
  setup: Setup,
  workdir: Path,
  placement: Placement,
  state: TrainState,
  transferred: str,
  must_stop: Callable[[int], bool],
) -> None:
  """Trains from a fresh state in a workdir that is locked; see `train`."""
  batches = setup.open_batches()
  state = placement.replicate(state)
  if is_main():
    claim_workdir(workdir, setup)
    if transferred:
      print(transferred)
      write_text(workdir / "transfer.txt", transferred + "\n")
  wait_for_all("claimed")

  run = Run(setup, workdir, writes_log=is_main())
  state = run.restore(state, batches)
  advance = setup.map_step(placement)
  accumulate = jax.jit(lambda interval, step_log, step: interval + Interval.of(step_log, step))
  predict_batch = setup.map_predict(placement)
  progress = progress_bar(
    total=setup.num_steps,
    initial=run.step,
    desc="training",
    unit="step",
    disable=run.is_finished or not is_main(),
  )
  interval, started_s = None, time.monotonic()
  try:
    while not run.is_finished:
      state, step_log = advance(state, next(batches))
      run.step += 1
      interval = Interval.of(step_log, run.step) if interval is None else accumulate(interval, step_log, run.step)
      stopping = must_stop(run.step)
      if run.line_is_due or stopping:
        blocks_per_s = setup.config["batch_size"] * int(interval.steps) / (time.monotonic() - started_s)
        line = run.log(interval, blocks_per_s)
        interval, started_s = None, time.monotonic()
        progress.set_postfix_str(f"loss {line['total']:.3f}, {blocks_per_s:.0f} blocks/s", refresh=False)
        progress.update(run.step - progress.n)
      if run.checkpoint_is_due or stopping:
        placed = placement.replicate(state)
        validation = {}
        if run.checkpoint_is_due:
          validation = validate(functools.partial(predict_batch, placed.variables), setup.data, setup.config)
        run.save(placed, batches, validation)
        started_s = time.monotonic()
      if stopping and not run.is_finished:
        if is_main():
          print(
            f"{workdir}: asked to end; saved at step {run.step} of {setup.num_steps}. Run the same command again to "
            "resume."
          )
        raise SystemExit(0)
  except Diverged as error:
    raise ValueError(f"{error}: lower config.learning_rate and start again") from error
  finally:
    progress.close()
    run.close()
