"""Prepares a folder of videos and label files for training.

python -m launch.prepare --config=configs/att_avvad_small.py --input=VIDEOS --output=data
"""

from absl import flags
from ml_collections import config_flags

from launch import app

_CONFIG = config_flags.DEFINE_config_file("config", "configs/att_avvad_small.py", "Gives the clock and the crop.")
_INPUT = flags.DEFINE_string("input", None, "Folder of videos with label files or a manifest.tsv.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Folder for prepared data sets.", required=True)
_NAME = flags.DEFINE_string("name", "default", "Name of the data set.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the split by recording, where there is no manifest.")


def main():
  from attavvad_jax import config as config_lib
  from attavvad_jax.datasets.prepare import prepare_folder

  spec = config_lib.data_spec(_CONFIG.value)
  print(prepare_folder(_INPUT.value, _OUTPUT.value, spec, name=_NAME.value, seed=_SEED.value))


if __name__ == "__main__":
  app.run(main)
