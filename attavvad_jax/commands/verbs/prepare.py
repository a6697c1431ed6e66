"""`attavvad prepare`."""

from collections.abc import Mapping, Sequence
from typing import Any

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option

_DATASETS = ("folder", "mavc100", "simulated")


def run(
  config: Mapping[str, Any],
  dataset: str,
  input: str | None,
  output: str,
  name: str,
  label_files: str | None,
  estimates: bool,
  seed: int,
  workers: int,
  beam: str | None,
  audio_track: str | None,
  audio_channels: str,
  video_track: str | None,
  map: Sequence[str],
  label_origin_s: float | None,
  label_rate_hz: float | None,
  label_format: str | None,
  preset: str,
  sounds: str | None,
  train_minutes: float,
  validation_minutes: float,
  test_minutes: float,
) -> None:
  from attavvad_jax import config as config_lib
  from attavvad_jax.annotations import Reading
  from attavvad_jax.datasets import prepare
  from attavvad_jax.media import Tracks
  from attavvad_jax.registry import is_own

  if dataset not in _DATASETS and not is_own(dataset):
    raise ValueError(f"--dataset={dataset} is unknown; expected {', '.join(_DATASETS)} or package.module:Name")
  spec = config_lib.data_spec(config)
  shared = {"name": name, "workers": workers, "beam": beam}
  if dataset == "simulated":
    minutes = {"train": train_minutes, "validation": validation_minutes, "test": test_minutes}
    print(prepare.prepare_simulated(output, spec, preset, minutes, seed=seed, sounds=sounds, **shared))  # type: ignore[arg-type]
  elif input is None:
    raise ValueError("--input is missing; expected the folder of videos")
  elif is_own(dataset):
    print(prepare.prepare_own(dataset, input, output, spec, **shared))  # type: ignore[arg-type]
  elif dataset == "mavc100":
    print(prepare.prepare_mavc100(input, output, spec, **shared))  # type: ignore[arg-type]
  else:
    choices = {
      "tracks": Tracks.parse(audio_track, video_track, audio_channels),
      "reading": Reading.parse(map, label_origin_s, label_rate_hz, label_format),
      "label_files": label_files,
      "estimates": estimates,
    }
    print(prepare.prepare_folder(input, output, spec, seed=seed, **shared, **choices))  # type: ignore[arg-type]


COMMAND = Command(
  "prepare",
  "prepare a data set for training: your own videos, MAVC100 or simulated performances",
  "Reads videos and their label files, finds the performer's face and writes records that training reads. "
  "Rerunning the command resumes an interrupted preparation.",
  "attavvad prepare --input=videos --output=data",
  (
    Option(
      "config",
      "experiment that defines the clock and the crop: a shipped name, a file or package.module",
      "config",
      default="att_avvad_small",
    ),
    Option(
      "dataset",
      "data set to prepare: folder, mavc100, simulated, or package.module:Name of your own RecordingsBuilder",
      default="folder",
    ),
    Option(
      "input",
      "folder of videos with label files, or a table that lists them; for other data sets, the folder of their files",
      "path",
    ),
    Option("output", "folder for prepared data sets", "path", required=True),
    Option("name", "name that distinguishes data sets of one kind", default="default"),
    Option("label_files", "label files to use: an extension such as tsv, or a pattern such as *.v2.tsv"),
    Option("estimates", "accept results of attavvad detect as labels", "switch", default=False),
    Option("seed", "seed of the split, unless a table gives one, and of the simulation", "integer", default=0),
    Option("workers", "number of processes that prepare recordings in parallel", "integer", default=1),
    Option("beam", "options of the Apache Beam pipeline to run on, such as --beam='--runner=…'"),
    *options.TRACKS,
    options.LABEL_MAP,
    Option("label_origin_s", "start of the videos on the time axis of the label files", "number"),
    Option("label_rate_hz", "units per second of label times that are whole numbers without a unit", "number"),
    Option(
      "label_format",
      "format of the label files, instead of the one that their content shows: a name such as tsv, or "
      "package.module:Name of your own Format",
    ),
    options.PRESET,
    options.SOUNDS,
    *options.MINUTES.values(),
  ),
  run,
)
