"""Users' own videos, as real files that are decoded."""

import dataclasses
import json
import os

import numpy as np
import pytest
from several_tracks import DEFAULT, NONE, dominant_hz, write_tracks
from videos import SECONDS, write_video

from attavvad_jax import annotations
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.datasets.manifest import Item
from attavvad_jax.datasets.prepare import prepare_folder
from attavvad_jax.datasets.records import conditions, to_audio_timeline, to_timeline
from attavvad_jax.datasets.summary import Summary
from attavvad_jax.datasets.videos import Video
from attavvad_jax.media import Tracks
from attavvad_jax.timeline import Event, Timeline

HEADER = "onset\toffset\tevent_label\n"


def _pair(folder, stem, labels="0.2\t0.7\tsinging\n"):
  write_video(folder / f"{stem}.mp4")
  (folder / f"{stem}.tsv").write_text(HEADER + labels)


def test_table_with_good_and_bad_files(tmp_path, spec):
  source = tmp_path / "videos"
  source.mkdir()
  _pair(source, "été_1")
  (source / "broken.mp4").write_bytes((source / "été_1.mp4").read_bytes()[:3000])
  (source / "broken.tsv").write_text(HEADER)
  write_video(source / "wrong.mp4")
  (source / "wrong.tsv").write_text(HEADER + "0\t1\twhistling\n")
  write_video(source / "unlabeled.mp4")
  (source / "alone.tsv").write_text(HEADER)
  manifest = ["video\tlabels\trecording\tsplit"]
  manifest += [f"{stem}.mp4\t{stem}.tsv\t{stem}\ttrain" for stem in ("été_1", "broken", "wrong", "none")]
  (source / "table.tsv").write_text("\n".join(manifest) + "\n", encoding="utf-8")

  summary = prepare_folder(source / "table.tsv", tmp_path / "data", spec)

  reasons = {os.path.basename(entry.file): entry.reason for entry in summary.left_out}
  assert set(reasons) == {"broken.mp4", "wrong.mp4", "none.mp4"}
  assert "wrong.tsv:2: event is 'whistling'" in reasons["wrong.mp4"]
  assert all(os.path.basename(file).split(".")[0] in reason for file, reason in reasons.items())
  data = PreparedData(summary.path)
  positions = data.recordings("train")
  assert list(positions) == ["été_1"]
  assert data.timeline("train", positions["été_1"]).events == (Event(0.2, 0.7, "singing"),)
  assert data.spec.label_sets == ("audio_visual",)
  assert any("no face" in warning for warning in summary.warnings)


def test_folder_without_a_table_reports_what_was_skipped(tmp_path, spec):
  source = tmp_path / "videos"
  source.mkdir()
  _pair(source, "a")
  write_video(source / "b.mp4")
  (source / "c.tsv").write_text(HEADER)
  annotations.write(annotations.read(source / "a.tsv"), source / "a.json")
  summary = prepare_folder(source, tmp_path / "data", spec)
  assert {os.path.basename(entry.file): entry.reason.split(";")[0] for entry in summary.left_out} == {
    "a.tsv": "a.json was used as the labels of a.mp4",
    "b.mp4": "no label file of the same name",
    "c.tsv": "no video of the same name",
  }


def test_folder_with_foreign_files_and_a_broken_video_is_prepared_and_reports_gaps(tmp_path, spec, capfd):
  source = tmp_path / "videos"
  source.mkdir()
  for number in range(1, 5):
    _pair(source, f"VID_{number}", "0\t1\tspeech\n")
  (source / "VID_1.json").write_text('{"segments": 3}')
  (source / "VID_4.mp4").write_bytes((source / "VID_4.mp4").read_bytes()[:3000])
  summary = prepare_folder(source, tmp_path / "data", spec)
  assert {os.path.basename(entry.file) for entry in summary.left_out} == {"VID_1.json", "VID_4.mp4"}
  assert summary.recordings == {"train": 1, "validation": 1, "test": 1}
  assert summary.notes[0].startswith("3 recordings in 3 videos; VID_1 is a name from a device")
  assert summary.notes[0] in capfd.readouterr().err
  assert "note: test holds only speech" in str(summary)
  assert Summary.read(summary.path) == summary


def test_table_with_both_label_sets_and_conditions(tmp_path, spec):
  for folder in ("one", "two"):
    (tmp_path / folder).mkdir()
    _pair(tmp_path / folder, "clip")
    (tmp_path / folder / "any.tsv").write_text(HEADER + "0\t1\tspeech\n")
  (tmp_path / "two" / "clip.json").write_text(json.dumps({"snr_db": 6, "preset": "live"}))
  (tmp_path / "manifest.csv").write_text(
    "split,video,labels,audio_labels,conditions,recording\n"
    "train,one/clip.mp4,one/clip.tsv,one/any.tsv,,r1\n"
    "test,two/clip.mp4,two/clip.tsv,two/any.tsv,two/clip.json,r2\n"
  )
  summary = prepare_folder(tmp_path, tmp_path / "data", spec)
  assert not summary.left_out
  data = PreparedData(summary.path)
  assert data.spec.label_sets == ("audio_visual", "audio")
  # Their folders distinguish files of the same name.
  assert [list(data.recordings(split)) for split in ("train", "test")] == [["one/clip"], ["two/clip"]]
  found = list(data.source("test"))
  assert [event.label for event in to_timeline(found)] == ["singing"]
  assert to_audio_timeline(found).events == (Event(0.0, SECONDS, "speech"),)
  assert conditions(found[0]) == {"snr_db": 6, "preset": "live", "recording": "r2"}
  assert conditions(data.source("train")[0]) == {"recording": "r1"}


def test_changed_labels_are_read_again_after_a_failure(tmp_path, spec):
  source = tmp_path / "videos"
  source.mkdir()
  _pair(source, "a")
  (source / "b.mp4").write_bytes(b"not a video")
  (source / "b.tsv").write_text(HEADER)
  rows = ["video\tlabels\trecording\tsplit", "a.mp4\ta.tsv\ta\ttrain", "b.mp4\tb.tsv\tb\ttest"]
  (source / "manifest.tsv").write_text("\n".join(rows))
  with pytest.raises(ValueError, match=r"none of the 1 recordings of split 'test' can be used; the last: .*b.mp4"):
    prepare_folder(source, tmp_path / "data", spec)
  (source / "a.tsv").write_text(HEADER + "0.1\t0.9\tspeech\n")
  (source / "manifest.tsv").write_text("\n".join(rows[:2]))
  data = PreparedData(prepare_folder(source, tmp_path / "data", spec).path)
  assert data.timeline("train", [0, 1, 2]).events == (Event(0.1, 0.9, "speech"),)


def test_label_map_and_origin_can_be_given(tmp_path, spec):
  source = tmp_path / "videos"
  source.mkdir()
  write_video(source / "a.mp4")
  (source / "a.rttm").write_text("SPEAKER a 1 100.2 0.5 <NA> <NA> SPEAKER_00 <NA> <NA>\n")
  with pytest.raises(ValueError, match=r"a\.rttm:1: event is 'SPEAKER_00'; expected .*--map LABEL=EVENT"):
    prepare_folder(source, tmp_path / "none", spec)
  reading = annotations.Reading(labels={"speaker_00": "singing"}, origin_s=100)
  data = PreparedData(prepare_folder(source, tmp_path / "data", spec, reading=reading).path)
  assert data.timeline("train", data.recordings("train")["a"]).events == (Event(0.2, 0.7, "singing"),)


def test_labels_of_several_media_and_of_a_longer_film_are_shifted_to_the_video(tmp_path, spec):
  source = tmp_path / "videos"
  source.mkdir()
  write_video(source / "left.mp4")
  annotations.write(Timeline([Event(0.1, 0.4, "singing")], SECONDS), source / "song.eaf")
  origins = {"a.wav": 50, "left.mp4": 300}
  media = "".join(f'<MEDIA_DESCRIPTOR MEDIA_URL="{name}" TIME_ORIGIN="{ms}"/>' for name, ms in origins.items())
  text = (source / "song.eaf").read_text().replace("<HEADER", f"{media}<HEADER")
  (source / "song.eaf").write_text(text)
  (source / "film.tsv").write_text("film\t900.5\t900.9\tspeech\n")
  write_video(source / "part.mp4")
  (source / "manifest.tsv").write_text(
    "video\tlabels\trecording\tsplit\tlabel_origin_s\n"
    "left.mp4\tsong.eaf\tsong\ttrain\t\npart.mp4\tfilm.tsv\tfilm\ttrain\t900\n"
  )
  data = PreparedData(prepare_folder(source, tmp_path / "data", spec).path)
  assert data.timeline("train", data.recordings("train")["left"]).events == (Event(0.4, 0.7, "singing"),)
  assert data.timeline("train", data.recordings("train")["part"]).events == (Event(0.5, 0.9, "speech"),)


def test_state_of_a_video_depends_on_how_its_labels_are_read(tmp_path):
  item = Item(tmp_path / "a.mp4", tmp_path / "a.rttm", "a", "train")
  readings = [annotations.Reading(), annotations.Reading({"a": None}), annotations.Reading({"a": "speech"})]
  readings += [annotations.Reading(origin_s=1.0), annotations.Reading(rate_hz=1.0)]
  videos = [Video("a", item, reading) for reading in readings]
  videos.append(Video("a", dataclasses.replace(item, label_origin_s=2.0)))
  assert len({video.state() for video in videos}) == len(videos)


def test_records_are_made_from_the_chosen_tracks(tmp_path, spec):
  """The state depends on the tracks, so that a resumed preparation does not reuse records of other tracks."""
  sounds = [(300, 1, DEFAULT, {}), (700, 1, NONE, {})]
  video = write_tracks(tmp_path / "a.mkv", sounds, [(20, DEFAULT)])
  (tmp_path / "a.tsv").write_text(HEADER + "0.2\t0.7\tsinging\n")
  items = [Item(video, tmp_path / "a.tsv", "a", "train", tracks=tracks) for tracks in (Tracks(), Tracks(2))]
  heard = []
  for item in items:
    content = Video("a", item).open(spec)
    heard.append(dominant_hz(np.concatenate([block.waveform for block in content.blocks])))
    assert any("audio track" in warning and "not used" in warning for warning in content.warnings)
  assert heard == [300, 700]
  assert Video("a", items[0]).state() != Video("a", items[1]).state()
