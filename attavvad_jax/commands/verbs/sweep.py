"""`attavvad sweep`."""

from collections.abc import Mapping, Sequence
from typing import Any

from attavvad_jax.commands.base import Command, Option


def run(config: Mapping[str, Any], workdir: str, settings: Sequence[str], seeds: Sequence[str]) -> None:
  from attavvad_jax.training.sweep import describe, parse_seeds, sweep

  print(describe(sweep(config, workdir, settings, parse_seeds(seeds))))
  print(f"finished: {workdir}")


COMMAND = Command(
  "sweep",
  "train several loss weights and seeds as one program",
  "Trains one run for each setting of the loss weights and each seed, all in one program. Rerunning the command "
  "resumes from the last checkpoints.",
  "attavvad sweep --config=att_avvad_small --config.data=data --workdir=runs/sweep --settings=1/1/1,uncertainty "
  "--seeds=1,2",
  (
    Option(
      "config",
      "experiment: a shipped name (see attavvad configs), a file or package.module; --config.KEY=VALUE overrides a key",
      "config",
      required=True,
    ),
    Option("workdir", "folder in which each run gets a folder", "path", required=True),
    Option("settings", "values of config.loss_weights", "list", required=True, metavar="WEIGHTS,…"),
    Option("seeds", "values of config.seed", "list", required=True, metavar="SEED,…"),
  ),
  run,
)
