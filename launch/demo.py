"""The whole road once: simulates, prepares, trains, evaluates and detects. Goes on where it was interrupted.

python -m launch.demo --workdir=demo
"""

from absl import flags
from ml_collections import config_flags

from launch import app

_CONFIG = config_flags.DEFINE_config_file("config", "configs/demo.py", "Experiment.")
_WORKDIR = flags.DEFINE_string("workdir", "demo", "Folder for everything that the demo makes.")
_MINUTES = flags.DEFINE_float("minutes", 15.0, "Minutes of simulated video, test and validation included.")


def main():
  from attavvad_jax.demo import run_demo

  run_demo(_CONFIG.value, _WORKDIR.value, _MINUTES.value)


if __name__ == "__main__":
  app.run(main)
