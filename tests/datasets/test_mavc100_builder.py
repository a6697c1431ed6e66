"""MAVC100 under its real file names, with generated clips and stand-in label files."""

import os
import shutil
import subprocess
import unicodedata
import zipfile

import pytest
from videos import write_video

from attavvad_jax.datasets import mavc100, mavc100_table
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.datasets.mavc100_table import RECORDINGS, Recording
from attavvad_jax.datasets.prepare import prepare_mavc100
from attavvad_jax.datasets.records import to_audio_timeline
from attavvad_jax.timeline import Event

FEW = (
  Recording("Sebastian_Yatra_performs_Un_Año", 2, "train"),
  Recording("Annie_Lennox_performs_I_Save_the_World_Today_", 1, "validation"),
  Recording("tuziya_yibaiwangekeneng", 1, "test"),
)
CLIPS = [f"{recording.name}_{i}" for recording in FEW for i in range(recording.num_clips)]


def _cues(*rows):
  lines = ["Name\tStart\tDuration\tTime Format\tType\tDescription"]
  lines += [f"{name}\t{start}\t0:00.000\tdecimal\tCue\t" for name, start in rows]
  return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()


PERFORMER = _cues(("2s", "0:00.100"), ("2e", "0:00.900"))
ANY_VOICE = _cues(("1s", "0:00.000"), ("1e", "0:00.100"), ("2s", "0:00.100"), ("2e", "0:00.900"))


@pytest.fixture
def few(monkeypatch):
  monkeypatch.setattr(mavc100_table, "RECORDINGS", FEW)


def _place(folder, form="NFC"):
  """Writes the files of the few clips, with names in a Unicode normalization form."""
  write_video(folder / "video.mp4")
  for name, content in (("audio_visual_labels", PERFORMER), ("audio_labels", ANY_VOICE)):
    (folder / name).mkdir()
    for clip in CLIPS:
      (folder / name / f"{unicodedata.normalize(form, clip)}.csv").write_bytes(content)
  for clip in CLIPS:
    shutil.copy(folder / "video.mp4", folder / f"{unicodedata.normalize(form, clip)}.mp4")
  (folder / "video.mp4").unlink()


def test_table_holds_28_recordings_of_200_clips():
  assert len({recording.name for recording in RECORDINGS}) == 28
  clips = {split: sum(r.num_clips for r in RECORDINGS if r.split == split) for split in ("train", "validation", "test")}
  assert clips == {"train": 145, "validation": 15, "test": 40}
  assert all(unicodedata.is_normalized("NFC", recording.name) for recording in RECORDINGS)


def test_clips_have_both_label_sets_and_their_split(few, tmp_path, spec):
  source = tmp_path / "mavc100"
  source.mkdir()
  _place(source, "NFD")
  summary = prepare_mavc100(source, tmp_path / "data", spec)
  assert summary.path == tmp_path / "data" / "mavc100" / "default" / "2.0.0"
  assert not summary.left_out
  data = PreparedData(summary.path)
  assert data.spec.label_sets == ("audio_visual", "audio")
  assert [sorted(data.recordings(split)) for split in data.splits] == [CLIPS[:2], CLIPS[2:3], CLIPS[3:]]
  positions = data.recordings("train")["Sebastian_Yatra_performs_Un_Año_1"]
  assert data.timeline("train", positions).events == (Event(0.1, 0.9, "singing"),)
  source = data.source("train")
  found = to_audio_timeline(source[position] for position in positions)
  assert found.events == (Event(0.0, 0.1, "speech"), Event(0.1, 0.9, "singing"))
  assert os.listdir(tmp_path / "data") == ["mavc100"]


class _Unmarked(zipfile.ZipInfo):
  """A UTF-8 name without the encoding flag, as many programs write it."""

  def _encodeFilenameFlags(self):
    return self.filename.encode(), self.flag_bits & ~0x800


@pytest.mark.parametrize("info", [zipfile.ZipInfo, _Unmarked])
def test_labels_are_read_from_archives(few, tmp_path, info):
  _place(tmp_path)
  for folder, archive, inside in (
    ("audio_visual_labels", "Frame_level_audio-visual_labels.zip", ""),
    ("audio_labels", "labels.zip", "audio_labels/"),
  ):
    with zipfile.ZipFile(tmp_path / archive, "w") as file:
      for path in (tmp_path / folder).iterdir():
        file.writestr(info(inside + path.name), path.read_bytes())
        file.writestr(info(f"__MACOSX/{inside}._{path.name}"), b"")
    shutil.rmtree(tmp_path / folder)
  items = mavc100.find_clips(tmp_path, tmp_path / "scratch")
  assert [item.video.stem for item in items] == CLIPS
  assert [item.labels.read_bytes() for item in items] == [PERFORMER] * 4
  assert [item.audio_labels.read_bytes() for item in items] == [ANY_VOICE] * 4


def test_labels_of_a_replaced_archive_are_not_used(few, tmp_path):
  source = tmp_path / "mavc100"
  source.mkdir()
  _place(source)
  labels, archive = source / "audio_labels", source / "audio_labels.zip"
  for clips in (CLIPS, CLIPS[1:]):
    with zipfile.ZipFile(archive, "w") as file:
      for clip in clips:
        file.writestr(f"{clip}.csv", ANY_VOICE)
    shutil.rmtree(labels, ignore_errors=True)
    if clips == CLIPS:
      assert len(mavc100.find_clips(source, tmp_path / "scratch")) == 4
  with pytest.raises(ValueError, match=rf"lacks 1 of 4 audio label files \({CLIPS[0]}\)"):
    mavc100.find_clips(source, tmp_path / "scratch")


def test_archives_of_one_name_in_two_folders_are_distinguished(few, tmp_path):
  source = tmp_path / "mavc100"
  source.mkdir()
  _place(source)
  for kind, content in (("audio_visual", PERFORMER), ("audio", ANY_VOICE)):
    shutil.rmtree(source / f"{kind}_labels")
    (source / kind).mkdir()
    with zipfile.ZipFile(source / kind / "labels.zip", "w") as file:
      for clip in CLIPS:
        file.writestr(f"{clip}.csv", content)
  items = mavc100.find_clips(source, tmp_path / "scratch")
  assert [item.labels.read_bytes() for item in items] == [PERFORMER] * 4
  assert [item.audio_labels.read_bytes() for item in items] == [ANY_VOICE] * 4


def test_rar_archive_is_unpacked_by_an_installed_program(few, tmp_path, monkeypatch):
  source, packed = tmp_path / "mavc100", tmp_path / "packed"
  source.mkdir()
  _place(source)
  shutil.move(source / "audio_labels", packed)
  (source / "Frame_level_audio_labels.rar").touch()
  monkeypatch.setattr(shutil, "which", lambda name: None)
  with pytest.raises(ValueError, match=r"audio_labels.rar: RAR archives need one of bsdtar, unar, 7z, unrar; install"):
    mavc100.find_clips(source, tmp_path / "scratch")

  def run(command, **kwargs):
    assert command[:2] == ["7z", "x"]
    shutil.copytree(packed, command[3].removeprefix("-o"), dirs_exist_ok=True)
    return subprocess.CompletedProcess(command, 0)

  monkeypatch.setattr(shutil, "which", lambda name: name if name == "7z" else None)
  monkeypatch.setattr(subprocess, "run", run)
  assert len(mavc100.find_clips(source, tmp_path / "scratch")) == 4


def test_missing_files_are_counted_and_named_with_instructions(few, tmp_path, spec):
  source = tmp_path / "mavc100"
  source.mkdir()
  _place(source)
  (source / f"{CLIPS[0]}.mp4").unlink()
  for clip in CLIPS[1:3]:
    (source / "audio_labels" / f"{clip}.csv").unlink()
  with pytest.raises(ValueError, match="mavc100 lacks 1 of 4 videos") as caught:
    prepare_mavc100(source, tmp_path / "data", spec)
  message = str(caught.value)
  assert f"1 of 4 videos ({CLIPS[0]}); 2 of 4 audio label files ({CLIPS[1]}, {CLIPS[2]}); place the 200" in message
  assert "Open_dataset_MAVC100" in message
  assert "\n" not in message
  assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize("exists", [True, False])
def test_error_for_an_empty_folder_says_what_to_place(tmp_path, spec, exists):
  source = tmp_path / "mavc100"
  if exists:
    source.mkdir()
  with pytest.raises(ValueError, match="MAVC100: the folder of its files is missing or empty; place the 200 videos"):
    prepare_mavc100(source, tmp_path / "data", spec)


def test_all_missing_files_are_counted_and_some_are_named(tmp_path):
  (tmp_path / "readme.txt").touch()
  with pytest.raises(ValueError, match=r"lacks 200 of 200 videos \(Adam_Lambert_\S+_0, (\S+, ){4}\.\.\.\); 200 of 200"):
    mavc100.find_clips(tmp_path, tmp_path / "scratch")
