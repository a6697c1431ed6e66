"""`attavvad demo`."""

from collections.abc import Mapping
from typing import Any

from attavvad_jax.commands.base import Command, Option


def run(config: Mapping[str, Any], workdir: str, minutes: float) -> None:
  from attavvad_jax.experiments.demo import run_demo

  run_demo(config, workdir, minutes)


COMMAND = Command(
  "demo",
  "simulate, prepare, train, evaluate and detect once, within minutes",
  "Runs all stages once on simulated performances. Rerunning the command resumes an interrupted demo. "
  "Needs the extra `simulation`.",
  "attavvad demo --workdir=demo",
  (
    Option("config", "experiment: a shipped name, a file or package.module", "config", default="demo"),
    Option("workdir", "folder for all results of the demo", "path", default="demo"),
    Option("minutes", "minutes of simulated video in all splits together", "number", default=15.0),
  ),
  run,
)
