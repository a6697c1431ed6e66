"""`attavvad simulate`."""

import os

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option


def run(
  output: str,
  train_minutes: float,
  validation_minutes: float,
  test_minutes: float,
  preset: str,
  sounds: str | None,
  seed: int,
  workers: int | None,
) -> None:
  from attavvad_jax.simulation import write_folder

  minutes = {"train": train_minutes, "validation": validation_minutes, "test": test_minutes}
  workers = workers or os.cpu_count() or 1
  manifest = write_folder(output, minutes=minutes, seed=seed, preset=preset, sounds=sounds, workers=workers)
  print(f"wrote {manifest}")


COMMAND = Command(
  "simulate",
  "write simulated performances with exact labels as videos",
  "Writes a folder of simulated performances: mp4 videos, label files, conditions and a manifest that attavvad prepare "
  "reads. Needs the extra `simulation`.",
  "attavvad simulate --output=videos --train-minutes=20 --seed=1",
  (
    Option("output", "folder for the videos", "path", required=True),
    *options.MINUTES.values(),
    options.PRESET,
    options.SOUNDS,
    Option("seed", "seed of the simulation", "integer", default=0),
    Option("workers", "number of processes that render in parallel (default: the number of CPUs)", "integer"),
  ),
  run,
)
