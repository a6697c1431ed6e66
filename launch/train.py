"""Trains a network on prepared data; goes on where the workdir's last checkpoint is.

python -m launch.train --config=configs/att_avvad_small.py --config.data=data --workdir=runs/small
"""

from absl import flags
from ml_collections import config_flags

from launch import app

_CONFIG = config_flags.DEFINE_config_file("config", None, "Experiment, for example configs/att_avvad.py.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
flags.mark_flag_as_required("config")


def main():
  from attavvad_jax.training.loop import train

  print(f"finished: {train(_CONFIG.value, _WORKDIR.value)}")


if __name__ == "__main__":
  app.run(main)
