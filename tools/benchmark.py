"""Times a part of the toolkit and its peers: prints one JSON object per case, then a table.

python -m tools.benchmark --suite=frontend
"""

from attavvad_jax.commands.base import Command, Option
from tools import app


def run(suite: str, runs: int) -> None:
  from tools.benchmarks.suites import run_suite

  print(run_suite(suite, runs))


COMMAND = Command(
  "benchmark",
  "time a part of the toolkit",
  "Times a part of the toolkit and its peers: prints one JSON object per case, then a table.",
  "python -m tools.benchmark --suite=frontend",
  (
    Option(
      "suite",
      "suite to time",
      required=True,
      choices=("frontend", "model", "detect", "media", "devices"),
    ),
    Option("runs", "number of timed runs of each case, in alternation", "integer", default=5),
  ),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
