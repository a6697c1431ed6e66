"""`attavvad reproduce`."""

from collections.abc import Sequence

from attavvad_jax.commands.base import Command, Option


def run(
  output: str,
  tables: Sequence[str],
  figures: Sequence[str],
  data: str,
  input: str | None,
  seeds: int | None,
  budget: str,
) -> None:
  from attavvad_jax import configs
  from attavvad_jax.experiments.data import find_data
  from attavvad_jax.experiments.plan import find_budget
  from attavvad_jax.experiments.reproduce import reproduce

  values = dict(output=output, tables=tables, figures=figures, data=data, input=input, seeds=seeds, budget=budget)
  spent = find_budget(budget)
  reproduce(
    configs.load(spent.config).to_dict(),
    output,
    tables=tables,
    figures=figures,
    data=find_data(data, input),
    budget=spent,
    seeds=seeds,
    command=COMMAND.line(values),
  )


COMMAND = Command(
  "reproduce",
  "reproduce the paper's tables and figures",
  "Prepares data, trains the missing runs, evaluates them and writes one page with tables and figures. Rerunning the "
  "command resumes it.",
  "attavvad reproduce --output=reproduced --budget=smoke",
  (
    Option("output", "folder for data, runs, tables and the page", "path", required=True),
    Option(
      "tables",
      "the paper's tables, and the table of fusion methods",
      "list",
      default=("1", "2", "3", "fusion"),
      metavar="TABLE,…",
    ),
    Option(
      "figures",
      "the paper's figures, and saliency maps of the visual branch",
      "list",
      default=("3", "4", "saliency"),
      metavar="FIGURE,…",
    ),
    Option("data", "simulated:PRESET, mavc100 or the path of a prepared data set", "path", default="simulated:live"),
    Option("input", "folder with the files of MAVC100", "path"),
    Option("seeds", "runs of each experiment (default: as the budget says)", "integer"),
    Option("budget", "smoke (minutes), small (hours) or full (days)", default="small"),
  ),
  run,
)
