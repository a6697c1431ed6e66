"""Times a part of the toolkit beside its peers: one JSON object a line, then a table.

python -m launch.benchmark --suite=frontend
"""

from absl import flags

from launch import app

_SUITES = ["frontend", "model", "detect", "media", "devices"]
_SUITE = flags.DEFINE_enum("suite", None, _SUITES, "What is timed.", required=True)
_RUNS = flags.DEFINE_integer("runs", 5, "How often each case is timed, in alternation.")


def main():
  from attavvad_jax.benchmarks.suites import run_suite

  print(run_suite(_SUITE.value, _RUNS.value))


if __name__ == "__main__":
  app.run(main)
