"""Times a part of the toolkit beside its peers: one JSON object a line, then a table.

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
  "Times a part of the toolkit beside its peers: one JSON object a line, then a table.",
  "python -m tools.benchmark --suite=frontend",
  (
    Option(
      "suite",
      "what is timed",
      required=True,
      choices=("frontend", "model", "detect", "media", "devices"),
    ),
    Option("runs", "how often each case is timed, in alternation", "integer", default=5),
  ),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
