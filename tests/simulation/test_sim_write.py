import csv
import json
import sys

import av
import numpy as np
import pytest

from attavvad_jax.simulation import draw_scene, write, write_folder
from attavvad_jax.timeline import EVENTS

SMALL = {
  "minutes": {"train": 5 / 60, "test": 2.5 / 60},
  "clip_s": 2.5,
  "size": (128, 96),
  "frames_per_second": 10.0,
  "preset": "hard",
}


def rows(path):
  with path.open(encoding="utf-8", newline="") as file:
    return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp("simulated")
  write_folder(path, seed=7, **SMALL)
  return path


def test_manifest_lists_every_clip_with_files_that_exist(folder):
  table = rows(folder / "manifest.tsv")
  assert [row["split"] for row in table] == ["train", "train", "test"]
  assert [row["recording"] for row in table] == ["train_0000", "train_0001", "test_0000"]
  for row in table:
    assert (folder / row["video"]).is_file()
    assert all((folder / row[column]).is_file() for column in ("labels", "audio_labels", "conditions"))
  assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]


@pytest.mark.parametrize(("suffix", "name"), [("", "timeline"), (".audio", "audio_timeline")])
def test_labels_are_the_scenes_timelines(folder, suffix, name):
  table = rows(folder / "labels" / f"train_0001{suffix}.tsv")
  timeline = getattr(draw_scene(7, 1, "train", 2.5, "hard"), name)
  assert [(float(row["onset"]), float(row["offset"]), row["event_label"]) for row in table] == [
    (event.onset_s, event.offset_s, event.label) for event in timeline
  ]
  assert {row["event_label"] for row in table} <= set(EVENTS)


def test_conditions_are_the_scenes(folder):
  text = (folder / "labels" / "train_0001.conditions.json").read_text(encoding="utf-8")
  assert json.loads(text) == draw_scene(7, 1, "train", 2.5, "hard").conditions


def test_video_has_the_requested_size_rate_and_length(folder):
  with av.open(str(folder / "videos" / "train_0000.mp4")) as container:
    video, audio = container.streams.video[0], container.streams.audio[0]
    assert (video.width, video.height, float(video.average_rate)) == (128, 96, 10.0)
    assert audio.rate == 16_000
    frames = sum(1 for _ in container.decode(video=0))
  assert frames == 25


def test_audio_of_the_file_is_the_scenes(folder):
  from attavvad_jax.simulation import render_audio

  wave = render_audio(draw_scene(7, 0, "train", 2.5, "hard"))
  with av.open(str(folder / "videos" / "train_0000.mp4")) as container:
    decoded = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])[: len(wave)]
  lags = np.correlate(decoded, wave[1000:-1000], "valid")
  assert np.corrcoef(decoded[: len(wave)], wave[: len(decoded)])[0, 1] > 0.9
  assert abs(int(np.argmax(lags)) - 1000) <= 1


def test_same_seed_gives_the_same_files(folder, tmp_path):
  write_folder(tmp_path, seed=7, **SMALL)
  for path in sorted(folder.rglob("*")):
    if path.is_file():
      assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes(), path.name


def test_another_seed_gives_other_videos(folder, tmp_path):
  write_folder(tmp_path, seed=8, **SMALL)
  name = "videos/train_0000.mp4"
  assert (folder / name).read_bytes() != (tmp_path / name).read_bytes()


def test_interrupted_folder_is_completed_and_finished_clips_are_kept(tmp_path, monkeypatch):
  made = []
  real = write.write_clip

  def breaks_at_second(clip):
    if len(made) == 1:
      raise KeyboardInterrupt
    made.append(clip.recording)
    real(clip)

  monkeypatch.setattr(write, "write_clip", breaks_at_second)
  with pytest.raises(KeyboardInterrupt):
    write_folder(tmp_path, seed=7, **SMALL)
  assert not (tmp_path / "manifest.tsv").exists()
  monkeypatch.setattr(write, "write_clip", lambda clip: (made.append(clip.recording), real(clip)))
  write_folder(tmp_path, seed=7, **SMALL)
  assert made == ["train_0000", "train_0001", "test_0000"]
  assert len(rows(tmp_path / "manifest.tsv")) == 3


def test_folder_with_another_simulation_is_refused(folder):
  before = (folder / "manifest.tsv").read_bytes()
  with pytest.raises(ValueError, match="another simulation"):
    write_folder(folder, seed=9, **SMALL)
  with pytest.raises(ValueError, match="another simulation"):
    write_folder(folder, seed=7, **{**SMALL, "preset": "live"})
  assert (folder / "manifest.tsv").read_bytes() == before


@pytest.mark.parametrize(
  "wrong",
  [
    {"minutes": {"tset": 1.0}},
    {"minutes": {"train": 0.0}},
    {"minutes": {"train": float("nan")}},
    {"clip_s": 0.5},
    {"preset": "easy"},
    {"size": (127, 96)},
    {"frames_per_second": 0.0},
    {"workers": 0},
  ],
  ids=lambda wrong: next(iter(wrong)),
)
def test_invalid_arguments_leave_nothing_behind(wrong, tmp_path):
  with pytest.raises(ValueError, match="expected"):
    write_folder(tmp_path / "new", **{**SMALL, **wrong})
  assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_workers_write_the_same_files(folder, tmp_path):
  write_folder(tmp_path, seed=7, workers=2, **SMALL)
  for path in sorted(folder.rglob("*")):
    if path.is_file():
      assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes(), path.name


def test_without_the_synthesizer_nothing_is_written(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "espeakng_loader", None)
  with pytest.raises(ValueError, match=r"attavvad-jax\[simulation\]"):
    write_folder(tmp_path / "videos", minutes={"test": 0.1})
  assert not (tmp_path / "videos").exists()
