"""Kills programs, loses processes and fills disks, and counts whether anything is lost. Exit code 1 if so.

python -m launch.torture --part=kill,processes,disk --tries=30 --folder=/tmp/torture
"""

from pathlib import Path
import sys

from absl import flags

from launch import app

_PARTS = flags.DEFINE_list("part", ["kill", "processes", "disk"], "Some of kill, processes and disk.")
_PROGRAMS = flags.DEFINE_list("programs", ["training", "preparation", "sweep"], "Those that part kill kills.")
_TRIES = flags.DEFINE_integer("tries", 30, "How often each program is tortured.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the moments.")
_FOLDER = flags.DEFINE_string("folder", None, "Is made, and holds what the programs write.", required=True)


def main():
  from attavvad_jax.torture import run

  lost = 0
  for outcome in run(_PARTS.value, Path(_FOLDER.value), _TRIES.value, _SEED.value, _PROGRAMS.value):
    print(outcome, flush=True)
    lost += outcome.lost
  if lost:
    sys.exit(1)


if __name__ == "__main__":
  app.run(main)
