r"""Trains settings of the loss weights times seeds as one program; goes on where the runs' last checkpoints are.

python -m launch.sweep --config=configs/att_avvad_small.py --config.data=data --workdir=runs/sweep \
    --settings=1/1/1,1/1/.5,uncertainty --seeds=1,2,3
"""

from absl import flags
from ml_collections import config_flags

from launch import app

_CONFIG = config_flags.DEFINE_config_file("config", None, "Experiment, for example configs/att_avvad.py.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs, each of which has its own in it.", required=True)
_SETTINGS = flags.DEFINE_list("settings", None, "Values of config.loss_weights.", required=True)
_SEEDS = flags.DEFINE_list("seeds", None, "Values of config.seed.", required=True)
flags.mark_flag_as_required("config")


def main():
  from attavvad_jax.training.sweep import describe, parse_seeds, sweep

  print(describe(sweep(_CONFIG.value, _WORKDIR.value, _SETTINGS.value, parse_seeds(_SEEDS.value))))
  print(f"finished: {_WORKDIR.value}")


if __name__ == "__main__":
  app.run(main)
