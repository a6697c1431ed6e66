"""The paper's tables and figures: prepares data, trains what is missing, evaluates, and writes one page.

python -m launch.reproduce --output=reproduced --data=simulated:live --budget=small
python -m launch.reproduce --output=reproduced --tables=2,3 --figures=3,4 --data=mavc100 --input=FILES --budget=full

What was cut short goes on where it stopped when it is started again.
"""

import importlib
import shlex
import sys

from absl import flags

from launch import app

_OUTPUT = flags.DEFINE_string("output", None, "Folder for data, runs, tables and page.", required=True)
_TABLES = flags.DEFINE_list("tables", ["1", "2", "3", "fusion"], "The paper's tables, and that of ways of fusion.")
_FIGURES = flags.DEFINE_list("figures", ["3", "4", "saliency"], "The paper's figures, and what the network looks at.")
_DATA = flags.DEFINE_string("data", "simulated:live", "simulated:PRESET, mavc100 or the path of a prepared data set.")
_INPUT = flags.DEFINE_string("input", None, "The files of MAVC100.")
_SEEDS = flags.DEFINE_integer("seeds", None, "Runs of each experiment; the budget has a number of its own.")
_BUDGET = flags.DEFINE_string("budget", "small", "smoke (minutes), small (hours) or full (days).")


def main():
  from attavvad_jax.experiments.data import find_data
  from attavvad_jax.experiments.plan import find_budget
  from attavvad_jax.experiments.reproduce import reproduce

  budget = find_budget(_BUDGET.value)
  reproduce(
    importlib.import_module(f"configs.{budget.config}").get_config().to_dict(),
    _OUTPUT.value,
    tables=_TABLES.value,
    figures=_FIGURES.value,
    data=find_data(_DATA.value, _INPUT.value),
    budget=budget,
    seeds=_SEEDS.value,
    command=shlex.join(["python", "-m", "launch.reproduce", *sys.argv[1:]]),
  )


if __name__ == "__main__":
  app.run(main)
