"""`attavvad curves`."""

from collections.abc import Sequence

from attavvad_jax.commands.base import Command, Option


def run(runs: Sequence[str], output: str) -> None:
  from attavvad_jax.reports.curves import plot_runs

  plot_runs(runs, output)
  print(f"wrote {output}")


COMMAND = Command(
  "curves",
  "plot losses, F-scores and loss weights of runs in one figure",
  "Plots the logs of several runs over their steps: total loss, validation F-score, the losses of each group and their "
  "weights.",
  "attavvad curves runs/small --output=curves.png",
  (
    Option(
      "runs",
      "workdir of a run, or a folder of workdirs such as a sweep's",
      "path",
      metavar="RUN",
      required=True,
      positional=True,
      repeated=True,
    ),
    Option("output", "the PNG file to write", "path", default="curves.png"),
  ),
  run,
)
