"""Prepares a data set for training: one's own videos, MAVC100, or simulated performances. Cut short, it goes on.

python -m launch.prepare --config=configs/att_avvad_small.py --input=VIDEOS --output=data
python -m launch.prepare --dataset=mavc100 --input=MAVC100_FILES --output=data --workers=4
python -m launch.prepare --dataset=simulated --preset=live --train_minutes=60 --output=data --workers=4
"""

from absl import flags
from ml_collections import config_flags

from launch import app

_CONFIG = config_flags.DEFINE_config_file("config", "configs/att_avvad_small.py", "Gives the clock and the crop.")
_DATASET = flags.DEFINE_enum("dataset", "folder", ["folder", "mavc100", "simulated"], "What to prepare.")
_INPUT = flags.DEFINE_string("input", None, "Videos with label files, or a table of them; the files of MAVC100.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for prepared data sets.", required=True)
_NAME = flags.DEFINE_string("name", "default", "Name of the data set.")
_LABELS = flags.DEFINE_string("label_files", None, "Which label files count: tsv, or a pattern as *.v2.tsv.")
_ESTIMATES = flags.DEFINE_bool("estimates", False, "Take what attavvad has detected for labels, too.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the split, where there is no table, and of the simulation.")
_WORKERS = flags.DEFINE_integer("workers", 1, "Processes that prepare recordings side by side.")
_BEAM = flags.DEFINE_string("beam", None, "Options of an Apache Beam pipeline to run on, as --beam='--runner=...'.")
_AUDIO_TRACK = flags.DEFINE_string("audio_track", None, "Of one's own videos, which sound track: number or language.")
_AUDIO_CHANNELS = flags.DEFINE_enum("audio_channels", "mix", ["mix", "left", "right", "side"], "Of the sound track.")
_VIDEO_TRACK = flags.DEFINE_integer("video_track", None, "Of one's own videos, which pictures: their number.")
_MAP = flags.DEFINE_list("map", [], "What labels mean, as SPEAKER_00=speech,music=others,la=none (left out).")
_ORIGIN = flags.DEFINE_float("label_origin_s", None, "Where, in the times of the label files, the videos begin.")
_RATE = flags.DEFINE_float("label_rate_hz", None, "Units a second of label times that are whole numbers without one.")
_PRESET = flags.DEFINE_string("preset", "live", "Difficulty of the simulation.")
_MINUTES = {
  split: flags.DEFINE_float(f"{split}_minutes", minutes, f"Minutes to simulate for the {split} split.")
  for split, minutes in (("train", 20.0), ("validation", 3.0), ("test", 5.0))
}


def main():
  from attavvad_jax import config as config_lib
  from attavvad_jax.annotations import Reading
  from attavvad_jax.datasets import prepare
  from attavvad_jax.media import Tracks

  spec = config_lib.data_spec(_CONFIG.value)
  options = {"name": _NAME.value, "workers": _WORKERS.value, "beam": _BEAM.value}
  if _DATASET.value == "simulated":
    minutes = {split: flag.value for split, flag in _MINUTES.items()}
    print(prepare.prepare_simulated(_OUTPUT.value, spec, _PRESET.value, minutes, seed=_SEED.value, **options))
  elif _INPUT.value is None:
    raise ValueError("--input is missing; expected the folder of the videos")
  elif _DATASET.value == "mavc100":
    print(prepare.prepare_mavc100(_INPUT.value, _OUTPUT.value, spec, **options))
  else:
    tracks = Tracks.parse(_AUDIO_TRACK.value, _VIDEO_TRACK.value, _AUDIO_CHANNELS.value)
    reading = Reading.parse(_MAP.value, _ORIGIN.value, _RATE.value)
    options |= {"tracks": tracks, "reading": reading, "label_files": _LABELS.value, "estimates": _ESTIMATES.value}
    print(prepare.prepare_folder(_INPUT.value, _OUTPUT.value, spec, seed=_SEED.value, **options))


if __name__ == "__main__":
  app.run(main)
