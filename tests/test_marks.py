"""Tests that estimates are distinguished from people's labels, also after copies and after saving by an editor."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from attavvad_jax import annotations, marks
from attavvad_jax.timeline import Event, Timeline

# Like the output of smoothing: whole blocks, with scores.
ESTIMATE = Timeline(
  [Event(0.0, 1.0, "others", 0.7), Event(1.0, 3 + 1 / 3, "speech", 0.91), Event(3 + 1 / 3, 5.2, "singing", 0.64)], 5.2
)


def write(path, timeline=ESTIMATE, mark=ESTIMATE):
  annotations.write(timeline, path, metadata={} if mark is None else {"mark": marks.mark_of(mark)})
  return path


def record(path, *files, timeline=ESTIMATE):
  """Writes a record that lists the files in their current state."""
  entries = {file.name: dataclasses.asdict(marks.Content.of(file)) for file in files}
  path.write_text(json.dumps({"files": entries, "marks": [marks.mark_of(timeline)]}))


@pytest.mark.parametrize("name", ["clip.json", "clip.eaf", "Un Año.eaf"])
def test_mark_inside_a_file_identifies_an_estimate(tmp_path, name):
  assert marks.is_estimate(write(tmp_path / name))


@pytest.mark.parametrize("name", ["clip.json", "clip.eaf"])
def test_mark_does_not_match_corrected_events(tmp_path, name):
  corrected = Timeline([dataclasses.replace(e, label=e.label.replace("speech", "singing")) for e in ESTIMATE], 5.2)
  assert not marks.is_estimate(write(tmp_path / name, corrected))
  moved = Timeline([dataclasses.replace(e, offset_s=min(e.offset_s + 0.05, 5.2)) for e in ESTIMATE], 5.2)
  assert not marks.is_estimate(write(tmp_path / name, moved))


def test_reformatted_json_is_still_an_estimate(tmp_path):
  path = write(tmp_path / "clip.json")
  path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True, indent=8).replace("\n", "\r\n"))
  assert marks.is_estimate(path)


def test_json_without_mark_is_recognized_by_its_fields(tmp_path):
  fields = ("schema_version", "video", "checkpoint", "versions", "blocks")
  annotations.write(Timeline([Event(0.0, 2.0, "speech")], 2.0), tmp_path / "clip.json", metadata=dict.fromkeys(fields))
  assert marks.is_estimate(tmp_path / "clip.json")


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".rttm"])
class TestFormatsWithoutMark:
  def test_whole_blocks_with_scores_are_an_estimate(self, tmp_path, suffix):
    assert marks.is_estimate(write(tmp_path / f"clip{suffix}"))

  def test_events_without_scores_are_labels(self, tmp_path, suffix):
    timeline = Timeline([dataclasses.replace(event, score=None) for event in ESTIMATE], 5.2)
    assert not marks.is_estimate(write(tmp_path / f"clip{suffix}", timeline))

  def test_events_at_whole_seconds_with_scores_are_labels(self, tmp_path, suffix):
    """Segmenters of other tools may round to seconds."""
    timeline = Timeline([Event(0.0, 4.0, "speech", 0.5), Event(4.0, 9.0, "singing", 0.5)], 9.0)
    assert not marks.is_estimate(write(tmp_path / f"clip{suffix}", timeline))

  def test_one_offset_within_a_block_makes_labels(self, tmp_path, suffix):
    timeline = Timeline([Event(0.0, 1 / 3, "others", 0.5), Event(1 / 3, 2.4, "speech", 0.5), *ESTIMATE.events[2:]], 5.2)
    assert not marks.is_estimate(write(tmp_path / f"clip{suffix}", timeline))


class TestRecord:
  """A label track holds neither mark nor scores, so only the record identifies an estimate."""

  @pytest.fixture
  def track(self, tmp_path):
    path = write(tmp_path / "a.b.face2.txt")
    assert not marks.is_estimate(path)
    record(tmp_path / ".a.b.attavvad", path)
    return path

  def test_identifies_only_the_files_that_it_lists(self, track):
    assert marks.is_estimate(track)
    assert not marks.is_estimate(write(track.with_name("a.b.txt")))

  def test_compares_bytes_if_times_differ(self, track):
    os.utime(track, (0, 0))
    assert marks.is_estimate(track)
    replaced = track.with_name("other")
    replaced.write_bytes(track.read_bytes().replace(b"speech", b"others"))
    os.replace(replaced, track)
    os.utime(track, (0, 0))
    assert not marks.is_estimate(track)

  def test_changed_line_ends_are_no_correction(self, track):
    track.write_bytes(track.read_bytes().replace(b"\n", b"\r\n"))
    assert marks.is_estimate(track)

  def test_corrected_label_on_whole_blocks_makes_labels(self, tmp_path):
    path = write(tmp_path / "clip.tsv")
    record(tmp_path / ".clip.attavvad", path)
    path.write_text(path.read_text().replace("speech", "singing"))
    assert not marks.is_estimate(path)

  def test_is_found_beside_the_target_of_a_link(self, track):
    (track.parent / "labels").mkdir()
    link = track.parent / "labels" / "song.txt"
    link.symlink_to(track)
    assert marks.is_estimate(link)

  @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"files": []}'])
  def test_damaged_record_proves_nothing(self, track, text):
    (track.parent / ".a.b.attavvad").write_text(text)
    assert not marks.is_estimate(track)


@pytest.mark.parametrize("content", [None, "", "dear diary\n", '{"segments": []}', "\0"])
def test_file_without_labels_is_no_estimate(tmp_path, content):
  path = tmp_path / "notes.json"
  if content is not None:
    path.write_text(content)
  assert not marks.is_estimate(path)
  assert not marks.is_estimate(Path("none/at/all.tsv"))
