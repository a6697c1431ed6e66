"""Grouping of clips into recordings by the names that devices, programs and users give."""

import pytest

from attavvad_jax.datasets.grouping import group


def grouped(*stems):
  """Returns the clips of each recording with more than one."""
  recordings, _ = group(stems)
  clips = {}
  for stem, recording in zip(stems, recordings, strict=True):
    clips.setdefault(recording, set()).add(stem)
  return sorted((sorted(found) for found in clips.values() if len(found) > 1), key=str)


@pytest.mark.parametrize(
  "pattern",
  [
    *("IMG_{}", "img-{}", "DSC_000{}", "MVI_{}", "VID_2024010{}_120000", "PXL_20240101_09301500{}", "DJI_{}"),
    *("2024-01-0{0}_12-30-15", "2024010{0}_120000", "video_{}", "Video {}", "clip_{}", "untitled-{}", "take_{}"),
    *(
      "New Recording {}",
      "Screen Recording 2024-01-0{} at 10.00.0{}",
      "WhatsApp Video 2024-01-0{0} at 10.00.0{0}",
    ),
    *("0000{}", "song_{}", "concert-{}", "video ({})", "clip{}"),
  ],
)
def test_names_that_differ_only_in_a_number_are_separate_recordings(pattern):
  stems = [pattern.format(number, number) for number in range(1, 7)]
  recordings, line = group(stems)
  assert recordings == stems
  assert line.startswith("6 recordings in 6 videos; ")
  assert line.endswith("; a manifest.tsv overrides this")


@pytest.mark.parametrize(
  ("stems", "together"),
  [
    (("song_1", "song_2", "tune_1"), [["song_1", "song_2"]]),
    (("song 1", "song 2", "tune"), [["song 1", "song 2"]]),
    (("song", "song_1", "IMG_1", "IMG_2"), [["song", "song_1"]]),
    (("027_1", "027_2", "031_1"), [["027_1", "027_2"]]),
    (("song", "song (1)"), [["song", "song (1)"]]),
    (("IMG_0001", "IMG_0001 (1)", "IMG_0002"), [["IMG_0001", "IMG_0001 (1)"]]),
    (("MVI_1234_1", "MVI_1234_2", "MVI_1235_1"), [["MVI_1234_1", "MVI_1234_2"]]),
    (("VID_20240101_120000", "VID_20240101_120000_1"), [["VID_20240101_120000", "VID_20240101_120000_1"]]),
    (("DJI_20240101120000_0001", "DJI_20240102120000_0002"), []),
    (("show_part1", "show_part2"), [["show_part1", "show_part2"]]),
    (("show.cd1", "show.cd2"), [["show.cd1", "show.cd2"]]),
    (("VTS_01_1", "VTS_01_2", "VTS_02_1"), [["VTS_01_1", "VTS_01_2"]]),
    (("GH010123", "GH020123", "GH010124"), [["GH010123", "GH020123"]]),
    (("GOPR0123", "GP010123"), [["GOPR0123", "GP010123"]]),
    (("Un_Año_1", "Un_Año_2", "q"), [["Un_Año_1", "Un_Año_2"]]),
    (("027.30M", "027.31M"), []),
    (("a/clip", "b/clip"), []),
    (("a/song_1", "a/song_2", "b/song_1"), [["a/song_1", "a/song_2"]]),
  ],
)
def test_clips_of_one_recording_stay_together(stems, together):
  assert grouped(*stems) == together


def test_recording_has_the_common_name_of_its_clips():
  assert group(["song_1", "song_2", "IMG_1"])[0] == ["song", "song", "IMG_1"]


@pytest.mark.parametrize(
  ("stems", "line"),
  [
    (["a"], "1 recording in 1 video; a manifest.tsv overrides this"),
    (
      ["a_1", "a_2", "b"],
      "2 recordings in 3 videos; clips are grouped by name: a_1 and a_2 are parts of one recording; a manifest.tsv "
      "overrides this",
    ),
    (
      ["a_1", "a_2"],
      "2 recordings in 2 videos; all are named a, so each number is a recording of its own; a manifest.tsv overrides "
      "this",
    ),
    (
      ["IMG_1", "IMG_2"],
      "2 recordings in 2 videos; IMG_1 is a name from a device or program: such clips are recordings of their own; a "
      "manifest.tsv overrides this",
    ),
  ],
)
def test_grouping_is_reported(stems, line):
  assert group(stems)[1] == line


def test_mavc100_names_are_grouped_as_in_its_table():
  from attavvad_jax.datasets.mavc100_table import RECORDINGS

  stems = [f"{recording.name}_{index}" for recording in RECORDINGS for index in range(recording.num_clips)]
  found = dict(zip(stems, group(stems)[0], strict=True))
  names = [recording.name for recording in RECORDINGS for _ in range(recording.num_clips)]
  assert [found[stem] for stem in stems] == names
