"""Files, folders, patterns and lists on a command line."""

from pathlib import Path

import pytest

from attavvad_jax.inference.inputs import find_jobs


@pytest.fixture
def folder(tmp_path):
  for name in ("a.mp4", "b.MKV", "notes.txt", "a.annotated.mp4", "deep/er/c.webm", "odd [1].mp4"):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
  return tmp_path


def find(*inputs, listed=()):
  """Returns the names of the videos and of their results, and the reasons of failures."""
  jobs, failures = find_jobs(list(map(str, inputs)), listed)
  return [job.video.name for job in jobs], [job.stem.as_posix() for job in jobs], list(map(str, failures))


def test_folder_stands_for_its_videos_and_results_keep_their_folders(folder):
  expected = ["a.mp4", "b.MKV", "c.webm", "odd [1].mp4"], ["a", "b", "deep/er/c", "odd [1]"], []
  assert find(folder) == expected


def test_folder_includes_every_container_and_audio_files_in_any_case(tmp_path):
  names = ["1.MTS", "2.m2ts", "3.VOB", "4.wmv", "5.3gp", "6.mpeg", "7.FLAC", "8.ogg", "9.Opus"]
  for name in (*names, "1.wav", ".hidden.mp4", "._1.MTS", ".git/10.mp4"):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
  notes = []
  jobs, failures = find_jobs([str(tmp_path)], (), notes)
  assert [job.video.name for job in jobs] == names
  assert not failures
  assert notes == [f"{tmp_path}: 1 audio file skipped beside videos of the same names: 1.wav"]


def test_skipped_files_are_counted_and_named_except_those_of_a_video(folder):
  for name in ("a.json", "a.face1.tsv", "a.txt", "deep/er/c.html", "deep/cover.JPG", "README"):
    (folder / name).touch()
  notes = []
  find_jobs([str(folder)], (), notes)
  assert notes == [
    f"{folder}: 3 files skipped, neither video nor audio by their extensions (.JPG .txt README): README, cover.JPG, "
    "notes.txt"
  ]


def test_names_with_dots_have_separate_results(tmp_path):
  for name in ("027.30M.mp4", "027.31M.mp4", "v1.0.mp4"):
    (tmp_path / name).touch()
  assert find(tmp_path)[1] == ["027.30M", "027.31M", "v1.0"]
  assert find(tmp_path / "027.30M.mp4", tmp_path / "027.31M.mp4")[1] == ["027.30M", "027.31M"]


def test_links_to_folders_are_followed_once(folder, tmp_path):
  (folder / "deep" / "back").symlink_to(folder)
  (folder / "other").symlink_to(folder / "deep" / "er")
  assert find(folder)[0].count("c.webm") == 1


def test_pattern_stands_for_its_matches(folder):
  assert find(folder / "*.mp4")[0] == ["a.annotated.mp4", "a.mp4", "odd [1].mp4"]
  assert find(folder / "**" / "*.webm")[:2] == (["c.webm"], ["c"])


def test_name_with_brackets_is_a_file_if_there_is_one(folder):
  assert find(folder / "odd [1].mp4")[0] == ["odd [1].mp4"]


def test_list_has_files_folders_and_patterns(folder):
  listed = [f"{folder / 'a.mp4'}\n", "\n", f"{folder / 'deep'}\r\n", f"{folder}/b*"]
  assert find("-", listed=listed)[:2] == (["a.mp4", "c.webm", "b.MKV"], ["a", "er/c", "b"])


def test_video_that_is_named_twice_is_taken_once(folder):
  assert find(folder / "a.mp4", folder / "deep" / ".." / "a.mp4", folder)[0].count("a.mp4") == 1


def test_second_video_with_results_of_the_same_name_is_refused(folder):
  (folder / "a.mov").touch()
  names, _, failures = find(folder)
  assert "a.mov" in names
  assert "a.mp4" not in names
  (failure,) = failures
  assert failure.startswith(f"{folder / 'a.mp4'}: its results would have the same names as those of {folder / 'a.mov'}")


def test_input_without_videos_is_a_failure_and_stops_nothing(folder):
  (folder / "empty").mkdir()
  names, _, failures = find(folder / "empty", folder / "*.flv", folder / "a.mp4")
  assert names == ["a.mp4"]
  assert ["no videos in this folder" in failures[0], "*.flv: no file matches" in failures[1]] == [True, True]


def test_missing_file_is_returned_as_a_job(tmp_path):
  (job,), _ = find_jobs([str(tmp_path / "none.mp4")], ())
  assert (job.video, job.stem) == (tmp_path / "none.mp4", Path("none"))
