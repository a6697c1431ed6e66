"""Writes a folder of simulated performances: mp4 videos, label files, conditions and a manifest.

python -m launch.simulate --output=videos --preset=live --train_minutes=20 --seed=1
"""

import os

from absl import flags

from launch import app

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the videos.", required=True)
_MINUTES = {
  "train": flags.DEFINE_float("train_minutes", 20.0, "Minutes of the split train."),
  "validation": flags.DEFINE_float("validation_minutes", 3.0, "Minutes of the split validation."),
  "test": flags.DEFINE_float("test_minutes", 5.0, "Minutes of the split test."),
}
_PRESET = flags.DEFINE_string("preset", "live", "How hard: unaccompanied, clean, live or hard.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of everything that is drawn.")
_WORKERS = flags.DEFINE_integer("workers", os.cpu_count(), "Processes that render side by side.")


def main():
  from attavvad_jax.simulation import write_folder

  minutes = {split: flag.value for split, flag in _MINUTES.items()}
  manifest = write_folder(
    _OUTPUT.value, minutes=minutes, seed=_SEED.value, preset=_PRESET.value, workers=_WORKERS.value
  )
  print(f"wrote {manifest}")


if __name__ == "__main__":
  app.run(main)
