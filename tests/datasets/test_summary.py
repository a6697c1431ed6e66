"""The lines in which a summary reports gaps in the data."""

from pathlib import Path

import pytest

from attavvad_jax.datasets.summary import Summary
from attavvad_jax.timeline import EVENTS


def notes(**splits):
  """Returns the notes on a data set whose splits hold seconds of some events, one recording each."""
  seconds = {split: {"audio_visual": {**dict.fromkeys(EVENTS, 0.0), **held}} for split, held in splits.items()}
  counts = {split: {"audio_visual": dict.fromkeys(EVENTS, 0)} for split in splits}
  ones = dict.fromkeys(splits, 1)
  text = str(Summary(Path("data"), ones, ones, seconds, counts, [], [], ["grouped"]))
  found = [line.removeprefix("  note: ") for line in text.splitlines() if line.startswith("  note: ")]
  assert found[0] == "grouped"
  return found[1:]


ALL = dict.fromkeys(EVENTS, 5.0)


def test_complete_data_have_no_gaps():
  assert notes(train=ALL, validation=ALL, test=ALL) == []


@pytest.mark.parametrize(
  ("splits", "lines"),
  [
    (
      {"train": ALL},
      ["no validation and no test split; add recordings (at least three), or assign splits in a manifest.tsv"],
    ),
    (
      {"train": ALL, "test": ALL},
      ["no validation split; add recordings (at least three), or assign splits in a manifest.tsv"],
    ),
    (
      {"train": {"speech": 9.0, "others": 0.1}, "validation": {"others": 3.0}, "test": ALL},
      [
        "train holds only speech, and no other event to discriminate it from",
        "validation holds only others, and no other event to discriminate it from",
      ],
    ),
    (
      {"train": {"speech": 9.0, "others": 1.0}, "validation": ALL, "test": {**ALL, "silence": 0.0}},
      [
        "train holds no silence and no singing: missing events cannot be learned",
        "test holds no silence: missing events cannot be scored",
      ],
    ),
  ],
  ids=["one recording", "no validation", "one class", "events missing"],
)
def test_gaps_are_reported(splits, lines):
  assert notes(**splits) == lines
