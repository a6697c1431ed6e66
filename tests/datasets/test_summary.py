"""What a preparation says that it lacks, a line each."""

from pathlib import Path

import pytest

from attavvad_jax.datasets.summary import Summary
from attavvad_jax.timeline import EVENTS


def notes(**splits):
  """The notes of a data set whose splits hold seconds of some events, of one recording each."""
  seconds = {split: {"audio_visual": {**dict.fromkeys(EVENTS, 0.0), **held}} for split, held in splits.items()}
  counts = {split: {"audio_visual": dict.fromkeys(EVENTS, 0)} for split in splits}
  ones = dict.fromkeys(splits, 1)
  text = str(Summary(Path("data"), ones, ones, seconds, counts, [], [], ["grouped"]))
  found = [line.removeprefix("  note: ") for line in text.splitlines() if line.startswith("  note: ")]
  assert found[0] == "grouped"
  return found[1:]


ALL = dict.fromkeys(EVENTS, 5.0)


def test_whole_data_lack_nothing():
  assert notes(train=ALL, validation=ALL, test=ALL) == []


@pytest.mark.parametrize(
  ("splits", "lines"),
  [
    (
      {"train": ALL},
      ["no validation and no test split: it takes three recordings, or a manifest.tsv that tells the splits"],
    ),
    (
      {"train": ALL, "test": ALL},
      ["no validation split: it takes three recordings, or a manifest.tsv that tells the splits"],
    ),
    (
      {"train": {"speech": 9.0, "others": 0.1}, "validation": {"others": 3.0}, "test": ALL},
      [
        "train holds speech alone: there is nothing to tell it from",
        "validation holds others alone: there is nothing to tell it from",
      ],
    ),
    (
      {"train": {"speech": 9.0, "others": 1.0}, "validation": ALL, "test": {**ALL, "silence": 0.0}},
      [
        "train holds no silence and no singing: what is not there cannot be learnt",
        "test holds no silence: what is not there cannot be scored",
      ],
    ),
  ],
  ids=["one recording", "no validation", "one class", "events missing"],
)
def test_what_is_missing_is_said(splits, lines):
  assert notes(**splits) == lines
