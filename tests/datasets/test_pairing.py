"""Pairing of videos and label files in realistic folders, and the reasons for files that are left out."""

import json

import pytest

from attavvad_jax.annotations import Reading, read, write
from attavvad_jax.datasets.manifest import read_folder
from attavvad_jax.timeline import Event, Timeline

GOOD = "onset\toffset\tevent_label\n0.5\t2\tspeech\n"
OTHER = "onset\toffset\tevent_label\n0.5\t2\tsinging\n"
FOREIGN = '{"tracks": [1, 2]}'


def fill(folder, **files):
  """Writes files; in their names, `__` stands for a dot and `___` for a slash. Media may be empty."""
  for name, text in files.items():
    path = folder / name.replace("___", "/").replace("__", ".")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def look(folder, **options):
  """Returns label file names by video name, and the reasons for left-out files by name."""
  left_out = []
  items = read_folder(folder, left_out=left_out, **options)
  name = lambda path: path.relative_to(folder).as_posix()  # noqa: E731
  reasons = {entry.file.removeprefix(f"{folder}/"): entry.reason for entry in left_out}
  return {name(item.video): name(item.labels) for item in items}, reasons


def test_foreign_and_broken_files_do_not_hide_labels(tmp_path):
  fill(tmp_path, song__mp4="", song__json=FOREIGN, song__txt="la\n", song__rttm="", song__TextGrid="cut off")
  (tmp_path / "song.rttm").write_text("SPEAKER song 1 0.5 1.5 <NA> <NA> speech <NA> <NA>\n")
  pairs, reasons = look(tmp_path)
  assert pairs == {"song.mp4": "song.rttm"}
  assert sorted(reasons) == ["song.TextGrid", "song.json", "song.txt"]
  assert all(reason.startswith(str(tmp_path / name)) for name, reason in reasons.items())


def test_video_without_a_usable_label_file_is_left_out_with_all_reasons(tmp_path):
  fill(tmp_path, song__mp4="", song__json=FOREIGN, song__txt="la\n", good__mp4="", good__tsv=GOOD)
  pairs, reasons = look(tmp_path)
  assert pairs == {"good.mp4": "good.tsv"}
  assert reasons["song.mp4"] == "none of its label files can be used: song.json, song.txt"
  assert {"song.json", "song.txt"} < set(reasons)


def test_error_for_nothing_usable_lists_what_was_found(tmp_path):
  fill(tmp_path, song__mp4="", song__json=FOREIGN, film__mkv="")
  with pytest.raises(ValueError, match=r"no video with a label file.*film.mkv: no label file.*song.json:1: "):
    read_folder(tmp_path)


def test_label_files_that_disagree_are_refused_and_listed(tmp_path):
  fill(tmp_path, a__mp4="", a__tsv=GOOD, a__csv=OTHER.replace("\t", ","), b__mp4="", b__tsv=GOOD)
  with pytest.raises(ValueError, match=r"a.mp4: a.tsv, a.csv: several label files .* --label_files=EXTENSION"):
    read_folder(tmp_path)
  assert look(tmp_path, label_files="csv")[0] == {"a.mp4": "a.csv"}
  assert look(tmp_path, label_files="*.tsv")[0] == {"a.mp4": "a.tsv", "b.mp4": "b.tsv"}


def test_label_file_takes_precedence_over_a_transcript(tmp_path):
  """A manual label file lies beside a Whisper transcript with other times."""
  heard = {"text": "la", "segments": [{"id": 0, "start": 0.0, "end": 2.8, "text": "la"}], "language": "en"}
  fill(tmp_path, a__mp4="", a__json=json.dumps(heard), a__tsv=GOOD, b__mp4="", b__json=json.dumps(heard))
  pairs, reasons = look(tmp_path)
  assert pairs == {"a.mp4": "a.tsv", "b.mp4": "b.json"}
  assert reasons == {"a.json": "a transcript; a.tsv was used as the labels of a.mp4"}


def test_labels_with_other_names_count_if_mapped(tmp_path):
  fill(tmp_path, a__mp4="", a__tsv=GOOD.replace("speech", "SPEAKER_00"), a__txt="la\n")
  with pytest.raises(ValueError, match="SPEAKER_00"):
    read_folder(tmp_path)
  assert look(tmp_path, reading=Reading({"SPEAKER_00": "speech"}))[0] == {"a.mp4": "a.tsv"}


def test_label_files_that_agree_are_no_conflict(tmp_path):
  fill(tmp_path, a__mp4="", a__tsv=GOOD)
  timeline = read(tmp_path / "a.tsv", 3.0)
  # Unmarked time counts as others, and scores do not matter.
  scored = [Event(event.onset_s, event.offset_s, event.label, 0.9) for event in timeline]
  write(Timeline([*scored, Event(0, 0.5, "others")], 3.0), tmp_path / "a.rttm")
  pairs, reasons = look(tmp_path)
  assert pairs == {"a.mp4": "a.rttm"}
  assert reasons == {"a.tsv": "a.rttm was used as the labels of a.mp4"}


def test_label_files_agree_up_to_rounding(tmp_path):
  fill(tmp_path, a__mp4="")
  timeline = Timeline([Event(0.5005, 2.2345, "speech"), Event(1.9995, 2.5, "singing")], 3.0)
  for suffix in ("tsv", "eaf", "TextGrid"):
    write(timeline, tmp_path / f"a.{suffix}")
  assert look(tmp_path)[0] == {"a.mp4": "a.eaf"}
  write(Timeline([Event(0.5105, 2.2345, "speech"), Event(1.9995, 2.5, "singing")], 3.0), tmp_path / "a.tsv")
  with pytest.raises(ValueError, match="several label files"):
    read_folder(tmp_path)


def _estimate(path):
  """Writes events as the detector does: with scores, on block boundaries."""
  events = [Event(1 / 3, 2 / 3, "speech", 0.8), Event(2 / 3, 2.1, "others", 0.7)]
  write(Timeline(events, 2.1), path)


def test_detections_are_not_used_as_labels(tmp_path):
  fill(tmp_path, a__mp4="", a__tsv=GOOD, b__mp4="")
  _estimate(tmp_path / "a.json")
  _estimate(tmp_path / "b.json")
  pairs, reasons = look(tmp_path)
  assert pairs == {"a.mp4": "a.tsv"}
  assert "a.json is an uncorrected detection" in reasons["a.json"]
  assert "b.json is an uncorrected detection" in reasons["b.json"]
  assert look(tmp_path, estimates=True, label_files="json")[0] == {"a.mp4": "a.json", "b.mp4": "b.json"}


def test_detections_are_refused_in_a_manifest(tmp_path):
  fill(tmp_path, a__mp4="", manifest__tsv="video\tlabels\trecording\tsplit\na.mp4\ta.json\ta\ttrain\n")
  _estimate(tmp_path / "a.json")
  with pytest.raises(ValueError, match=r"1 of 1 label files are uncorrected detections .*\(a.json\).* --estimates"):
    read_folder(tmp_path)
  assert len(read_folder(tmp_path, estimates=True)) == 1


def test_extensions_of_all_containers_count_in_any_case(tmp_path):
  names = [
    "1.MTS",
    "2.m2ts",
    "3.VOB",
    "4.wmv",
    "5.3gp",
    "6.mpeg",
    "7.FLAC",
    "8.ogg",
    "9.Opus",
    "10.aiff",
    "11.mxf",
    "12.WebM",
  ]
  for name in names:
    (tmp_path / name).touch()
    (tmp_path / f"{name.split('.')[0]}.TSV").write_text(GOOD)
  assert sorted(look(tmp_path)[0]) == sorted(names)


def test_names_with_dots_keep_their_labels(tmp_path):
  for name in ("027.30M", "027.31M"):
    (tmp_path / f"{name}.mp4").touch()
    (tmp_path / f"{name}.tsv").write_text(GOOD)
  (tmp_path / "027.tsv").write_text(OTHER)
  pairs, reasons = look(tmp_path)
  assert pairs == {"027.30M.mp4": "027.30M.tsv", "027.31M.mp4": "027.31M.tsv"}
  assert reasons == {"027.tsv": "no video of the same name"}


def test_label_file_may_have_the_full_name_of_its_video(tmp_path):
  fill(tmp_path, song__mp4="", song__mp4__tsv=GOOD)
  assert look(tmp_path)[0] == {"song.mp4": "song.mp4.tsv"}


@pytest.mark.parametrize(
  ("videos", "labels"),
  [
    (["a.mp4"], ["labels/a.tsv"]),
    (["videos/a.mp4"], ["a.tsv"]),
    (["videos/a.mp4", "videos/b.mp4"], ["labels/a.tsv", "labels/b.tsv"]),
    (["x/videos/a.mp4", "y/videos/a.mp4"], ["x/labels/a.tsv", "y/labels/a.tsv"]),
    (["videos/x/a.mp4", "videos/y/a.mp4"], ["labels/x/a.tsv", "labels/y/a.tsv"]),
    (["x/a.mp4", "y/a.mp4"], ["x/a.tsv", "y/a.tsv"]),
  ],
)
def test_label_files_may_lie_in_their_own_folder(tmp_path, videos, labels):
  for path in (*videos, *labels):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(GOOD if path in labels else "")
  pairs, reasons = look(tmp_path)
  assert pairs == dict(zip(videos, labels, strict=True))
  assert not reasons


def test_labels_of_a_video_are_never_paired_with_another_of_its_name(tmp_path):
  fill(tmp_path, x___a__mp4="", x___a__tsv=GOOD, y___a__mp4="")
  pairs, reasons = look(tmp_path)
  assert pairs == {"x/a.mp4": "x/a.tsv"}
  assert list(reasons) == ["y/a.mp4"]
  (tmp_path / "x" / "a.tsv").rename(tmp_path / "a.tsv")
  (tmp_path / "b.mp4").touch()
  (tmp_path / "b.tsv").write_text(GOOD)
  pairs, reasons = look(tmp_path)
  assert pairs == {"b.mp4": "b.tsv"}
  assert reasons["a.tsv"] == "not beside its video"


def test_twins_and_links_are_one_video(tmp_path):
  fill(tmp_path, song__mp4="", song__MP4="", song__wav="", song__tsv=GOOD, tune__wav="", tune__tsv=GOOD)
  fill(tmp_path, SONG__MP4="", SONG__tsv=OTHER, link__tsv=GOOD)
  (tmp_path / "link.mp4").symlink_to(tmp_path / "tune.wav")
  pairs, reasons = look(tmp_path)
  assert {video: pairs[video] for video in sorted(pairs)} == {
    "SONG.MP4": "SONG.tsv",
    "link.mp4": "link.tsv",
    "song.MP4": "song.tsv",
  }
  assert reasons["song.wav"].startswith("song.MP4 was used")
  assert reasons["song.mp4"].startswith("song.MP4 was used")
  assert reasons["tune.wav"].startswith("link.mp4 was used")


def test_links_to_folders_are_followed_once(tmp_path):
  (tmp_path / "away").mkdir()
  folder = tmp_path / "folder"
  fill(folder, deep___b__mp4="", deep___b__tsv=GOOD)
  fill(tmp_path / "away", a__mp4="", a__tsv=GOOD)
  (folder / "linked").symlink_to(tmp_path / "away")
  (folder / "deep" / "back").symlink_to(folder)
  assert look(folder)[0] == {"deep/b.mp4": "deep/b.tsv", "linked/a.mp4": "linked/a.tsv"}


def test_skipped_files_are_counted_and_named_but_hidden_files_are_not(tmp_path):
  fill(
    tmp_path, a__mp4="", a__tsv=GOOD, __DS_Store="", **{"._a__mp4": "", "cover__jpg": "", "README": "", "b__jpg": ""}
  )
  fill(tmp_path, a__annotated__mp4="")
  (tmp_path / ".DS_Store").touch()
  pairs, reasons = look(tmp_path)
  assert pairs == {"a.mp4": "a.tsv"}
  assert list(reasons.values()) == [
    "3 files skipped, neither videos nor label files by their extensions (.jpg README): README, b.jpg, cover.jpg"
  ]


def test_names_match_across_unicode_normalization_forms(tmp_path):
  (tmp_path / "e\u0301te\u0301.mp4").touch()
  (tmp_path / "\u00e9t\u00e9.tsv").write_text(GOOD)
  assert len(look(tmp_path)[0]) == 1


def test_videos_that_cannot_be_opened_are_left_out_before_the_split(tmp_path):
  fill(tmp_path, **{f"{name}__mp4": "" for name in "abcd"}, **{f"{name}__tsv": GOOD for name in "abcd"})

  def probe_s(video):
    if video.name != "d.mp4":
      return 3.0
    raise ValueError(f"{video}: broken")

  left_out = []
  items = read_folder(tmp_path, left_out=left_out, probe_s=probe_s)
  assert {item.split for item in items} == {"train", "validation", "test"}
  assert [str(entry) for entry in left_out] == [f"{tmp_path}/d.mp4: broken"]


def test_grouping_is_noted(tmp_path):
  fill(tmp_path, **{f"IMG_{i}__mp4": "" for i in range(6)}, **{f"IMG_{i}__tsv": GOOD for i in range(6)})
  notes = []
  items = read_folder(tmp_path, notes=notes)
  assert {item.split for item in items} == {"train", "validation", "test"}
  assert len(notes) == 1
  assert notes[0].startswith("6 recordings in 6 videos; IMG_0 is a name from a device")


def test_mark_in_json_identifies_detections(tmp_path):
  """Events off the block boundaries may be detections, too: the mark in the file says so."""
  from attavvad_jax.marks import mark_of

  fill(tmp_path, a__mp4="", b__mp4="", b__tsv=GOOD)
  timeline = Timeline([Event(0.5, 2.0, "speech")], 3.0)
  write(timeline, tmp_path / "a.json", metadata={"mark": mark_of(timeline)})
  assert json.loads((tmp_path / "a.json").read_text())["mark"]
  assert look(tmp_path)[0] == {"b.mp4": "b.tsv"}
