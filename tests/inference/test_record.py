"""Results record their inputs; files that are not recorded as results are never touched."""

import contextlib
import csv
import io
import json
import os
import shutil

import numpy as np
import pytest
from streams import LevelDetector, write_drawn

from attavvad_jax import marks
from attavvad_jax.inference import outputs, run
from attavvad_jax.media import Tracks
from attavvad_jax.timeline import EVENTS

FACES = [(0.05, 0.1, 0.4, 0.8, 0.9), (0.5, 0.2, 0.3, 0.6, 0.9)]


@pytest.fixture(autouse=True)
def faces(monkeypatch):
  """The faces in every frame."""
  seen = list(FACES)
  finder = lambda: contextlib.nullcontext(lambda rgb: np.array(seen))  # noqa: E731
  monkeypatch.setattr(run, "FaceDetector", finder)
  monkeypatch.setattr("attavvad_jax.recordings.read.FaceDetector", finder)
  return seen


@pytest.fixture(autouse=True)
def checkpoint(monkeypatch):
  """The digest of the checkpoint, which tests change."""
  now = {"digest": "0" * 64}

  class Levels(LevelDetector):
    digest = property(lambda self: now["digest"])

  monkeypatch.setattr(run, "Detector", Levels)
  return now


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
  """Two recordings."""
  folder = tmp_path_factory.mktemp("drawn")
  return write_drawn(folder / "a.mp4", 1.2), write_drawn(folder / "b.mp4", 1.3)


@pytest.fixture
def video(tmp_path, drawn):
  (tmp_path / "a").mkdir()
  return shutil.copy(drawn[0], tmp_path / "a" / "Un Año.mp4")


@pytest.fixture
def out(tmp_path):
  return tmp_path / "out"


def detect(video, out, **options):
  """Detects and returns the printed text."""
  stream = io.StringIO()
  assert run.detect_files([str(video)], "none", out, stream=stream, **options) == 0
  return stream.getvalue()


def contents(out):
  return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".attavvad"}


class TestUpToDate:
  def test_only_with_the_same_checkpoint_whatever_its_name(self, video, out, checkpoint):
    detect(video, out)
    assert "up to date" in detect(video, out)
    checkpoint["digest"] = "1" * 64
    assert "replaced the previous result: different checkpoint\n" in detect(video, out)
    assert json.loads((out / "Un Año.json").read_text())["identity"]["checkpoint"] == "1" * 64

  @pytest.mark.parametrize(
    ("options", "differs"),
    [
      ({"performer": "largest"}, "performer"),
      ({"faces": "all"}, "faces, performer"),
      ({"tracks": Tracks(video=1)}, "tracks"),
    ],
  )
  def test_only_with_the_same_choices(self, video, out, options, differs):
    detect(video, out)
    assert f"replaced the previous result: different {differs}" in detect(video, out, **options)
    assert "up to date" in detect(video, out, **options)
    assert f"replaced the previous result: different {differs}" in detect(video, out)

  def test_only_by_the_same_version_and_smoothing(self, video, out, monkeypatch):
    detect(video, out)
    monkeypatch.setattr(run, "__version__", "9.9.9")
    assert "replaced the previous result: different version\n" in detect(video, out)
    assert "replaced the previous result: different smoothing\n" in detect(
      video, out, smoothing={"min_duration_s": 1.0}
    )
    assert "replaced the previous result: different smoothing\n" in detect(
      video, out, smoothing={"speech_threshold": 0.1}
    )
    assert "up to date" in detect(video, out, smoothing={"speech_threshold": 0.1})

  def test_with_the_same_bytes_whatever_the_videos_time_place_or_name(self, video, out, tmp_path):
    detect(video, out)
    os.utime(video, (0, 0))
    assert "up to date" in detect(video, out)
    (tmp_path / "b").mkdir()
    link = tmp_path / "b" / "Un Año.mkv"
    link.symlink_to(video)
    assert "up to date" in detect(link, out)

  def test_not_with_other_bytes_of_the_same_size_and_time(self, video, out):
    detect(video, out)
    status = os.stat(video)
    with open(video, "r+b") as file:
      data = file.read()
      file.seek(data.index(b"Lavf"))  # the name of the program that wrote it
      file.write(b"LAVF")
    os.utime(video, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert os.stat(video).st_size == status.st_size
    assert "replaced the previous result: different video\n" in detect(video, out)

  def test_after_results_and_videos_were_moved_together(self, video, out, tmp_path):
    detect(video, out)
    for folder in ("a", "out"):
      shutil.copytree(tmp_path / folder, tmp_path / "moved" / folder)
    shutil.rmtree(tmp_path / "a")
    assert "up to date" in detect(tmp_path / "moved" / "a" / "Un Año.mp4", tmp_path / "moved" / "out")

  def test_not_while_a_file_is_missing(self, video, out):
    detect(video, out, faces="all")
    (out / "Un Año.face2.tsv").unlink()
    assert "wrote" in detect(video, out, faces="all")
    assert "up to date" in detect(video, out, faces="all")

  def test_further_formats_are_added_to_the_same_result(self, video, out):
    detect(video, out, to=("tsv",))
    assert "replaced" not in detect(video, out, to=("srt",))
    assert "up to date" in detect(video, out, to=("tsv", "srt"))

  def test_timelines_are_printed_again_for_formats_that_cannot_be_read(self, video, out):
    timelines = detect(video, out, faces="all", to=("srt",)).split("wrote", 1)[0]
    assert "face 2" in timelines
    assert detect(video, out, faces="all", to=("srt",)).startswith(timelines)


class TestMixing:
  """Two videos of one name, and results of different detections in one video."""

  @pytest.fixture
  def other(self, tmp_path, drawn):
    (tmp_path / "b").mkdir()
    return shutil.copy(drawn[1], tmp_path / "b" / "Un Año.mp4")

  def test_results_of_another_video_are_not_replaced(self, video, other, out):
    detect(video, out)
    before = contents(out)
    with pytest.raises(
      ValueError, match=r"b/Un Año\.mp4: its results would replace .*Un Año\.tsv.* of .*a/Un Año\.mp4"
    ):
      detect(other, out)
    assert contents(out) == before

  def test_overwrite_replaces_all_results_of_another_video(self, video, other, out):
    detect(video, out, to=("tsv", "srt", "html"))
    printed = detect(other, out, to=("tsv", "json"), overwrite=True)
    assert "replaced the previous result: different video; removed Un Año.html, Un Año.srt\n" in printed
    assert set(contents(out)) == {"Un Año.tsv", "Un Año.json"}

  def test_another_video_may_use_the_name_once_the_results_are_gone(self, video, other, out):
    detect(video, out)
    for name in contents(out):
      (out / name).unlink()
    assert "wrote" in detect(other, out)

  def test_files_of_another_detection_are_removed(self, video, out):
    detect(video, out, to=("tsv", "srt"))
    assert "removed Un Año.srt" in detect(video, out, to=("tsv",), performer="largest")
    assert set(contents(out)) == {"Un Año.tsv"}

  def test_two_programs_at_once_do_not_mix(self, video, other, out, monkeypatch):
    """The second begins and ends while the first detects, and writes another format."""
    detect_in = LevelDetector.detect

    def meanwhile(self, *args, **options):
      monkeypatch.setattr(LevelDetector, "detect", detect_in)
      detect(other, out, to=("json",))
      return detect_in(self, *args, **options)

    monkeypatch.setattr(LevelDetector, "detect", meanwhile)
    with pytest.raises(ValueError, match="another program has written results"):
      detect(video, out, to=("tsv",))
    assert set(contents(out)) == {"Un Año.json"}
    assert "up to date" in detect(other, out, to=("json",))

  def test_files_of_faces_that_are_no_longer_found_are_removed(self, video, out, faces):
    detect(video, out, faces="all", to=("tsv",))
    assert set(contents(out)) == {"Un Año.face1.tsv", "Un Año.face2.tsv"}
    faces.pop()
    assert "removed Un Año.face2.tsv" in detect(video, out, faces="all", to=("tsv",), overwrite=True)
    assert set(contents(out)) == {"Un Año.face1.tsv"}

  def test_tables_of_events_and_of_frames_have_distinct_names(self, video, out):
    detect(video, out, to=("csv", "ava"))
    events, frames = (out / name for name in ("Un Año.csv", "Un Año.ava.csv"))
    assert events.read_text().splitlines()[0] == "onset,offset,event_label,score"
    head, first, *_ = frames.read_text().splitlines()
    assert head.startswith("video_id,timestamp")
    assert first.startswith("Un_Año,0.00,")


class TestEditedFiles:
  """Files that were written or edited by hand are never replaced."""

  @pytest.mark.parametrize("name", [f"Un Año{suffix}" for suffix in outputs.SUFFIXES.values()])
  @pytest.mark.parametrize("overwrite", [False, True])
  def test_file_that_existed_before_stays(self, video, out, name, overwrite):
    out.mkdir()
    (out / name).write_text("0.0\t1.0\tspeech\n")
    before = contents(out)
    to = [key for key, suffix in outputs.SUFFIXES.items() if name == f"Un Año{suffix}"]
    with pytest.raises(ValueError, match=r"Un Año\..* already exists .*never replaced; rename it, or choose another"):
      detect(video, out, to=to, overwrite=overwrite)
    assert contents(out) == before

  def test_edited_result_stays(self, video, out):
    detect(video, out)
    (out / "Un Año.tsv").write_text("0.0\t1.0\tspeech\n")
    before = contents(out)
    for overwrite in (False, True):
      with pytest.raises(ValueError, match=r"Un Año\.tsv already exists"):
        detect(video, out, overwrite=overwrite)
    assert contents(out) == before

  def test_edited_result_is_not_removed(self, video, out):
    detect(video, out, to=("tsv", "srt"))
    (out / "Un Año.srt").write_text("corrected")
    detect(video, out, to=("tsv",), performer="largest")
    assert (out / "Un Año.srt").read_text() == "corrected"

  def test_labels_that_appear_during_detection_stay(self, video, out, monkeypatch):
    detect_in = LevelDetector.detect

    def meanwhile(self, *args, **options):
      out.mkdir()
      (out / "Un Año.tsv").write_text("0.0\t1.0\tspeech\n")
      return detect_in(self, *args, **options)

    monkeypatch.setattr(LevelDetector, "detect", meanwhile)
    with pytest.raises(ValueError, match=r"Un Año\.tsv already exists"):
      detect(video, out, to=("json", "tsv"))
    assert contents(out) == {"Un Año.tsv": b"0.0\t1.0\tspeech\n"}

  def test_link_is_not_written_through(self, video, out, tmp_path):
    detect(video, out, to=("tsv",))
    shutil.move(out / "Un Año.tsv", tmp_path / "mine.tsv")
    (out / "Un Año.tsv").symlink_to(tmp_path / "mine.tsv")
    with pytest.raises(ValueError, match=r"Un Año\.tsv already exists"):
      detect(video, out, to=("tsv",), overwrite=True)

  def test_result_is_an_estimate_until_it_is_edited(self, video, out):
    to = [name for name in outputs.SUFFIXES if name not in ("mp4", "html", "vtt", "srt")]  # not read as labels
    detect(video, out, to=to)
    for name, content in contents(out).items():
      assert marks.is_estimate(out / name), name
      corrected = content.replace(b"silence", b"speech").replace(b"NOT_SPEAKING", b"SPEAKING_AUDIBLE")
      (out / name).write_bytes(corrected)
      assert corrected != content
      assert not marks.is_estimate(out / name), name


class TestInterrupted:
  @pytest.fixture
  def fails(self, monkeypatch):
    """Returns a function that makes writing of TSV files fail with an error."""

    def fail(error):
      write = outputs.write_annotation

      def failing(timeline, path, *more, **named):
        if path.suffix == ".tsv":
          raise error
        write(timeline, path, *more, **named)

      monkeypatch.setattr(outputs, "write_annotation", failing)

    return fail

  @pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
  def test_only_completely_written_files_are_recorded(self, video, out, fails, error, monkeypatch):
    with monkeypatch.context():
      fails(error)
      with pytest.raises(type(error)):
        detect(video, out, to=("json", "tsv"))
    assert set(contents(out)) == {"Un Año.json"}
    monkeypatch.undo()

  def test_previous_result_stays_if_nothing_of_the_next_was_written(self, video, out, fails, checkpoint):
    detect(video, out, to=("tsv", "json"))
    before = contents(out)
    checkpoint["digest"] = "1" * 64
    fails(OSError("No space left on device"))
    with pytest.raises(OSError, match="No space"):
      detect(video, out, to=("tsv", "json"))
    assert contents(out) == before
    checkpoint["digest"] = "0" * 64
    assert "up to date" in detect(video, out, to=("tsv", "json"))

  def test_previous_result_does_not_stay_beside_half_of_the_next(self, video, out, fails, checkpoint):
    detect(video, out, to=("tsv", "json"))
    checkpoint["digest"] = "1" * 64
    fails(OSError("No space left on device"))
    with pytest.raises(OSError, match="No space"):
      detect(video, out, to=("json", "tsv"))
    assert set(contents(out)) == {"Un Año.json"}
    assert "up to date" in detect(video, out, to=("json",))

  def test_file_that_was_being_written_during_a_kill_is_written_again(self, video, out):
    """The kill came between the file and the record of its content."""
    detect(video, out, to=("tsv",))
    path = out / ".Un Año.attavvad"
    record = json.loads(path.read_text())
    record["files"] = {"Un Año.tsv": None}
    path.write_text(json.dumps(record))
    assert "wrote" in detect(video, out, to=("tsv",))
    assert "up to date" in detect(video, out, to=("tsv",))

  @pytest.mark.parametrize("text", ["", "{}", '{"files": {}, "marks": [], "schema_version": 1}', '{"files": 3'])
  def test_damaged_record_protects_all_files(self, video, out, text):
    detect(video, out)
    (out / ".Un Año.attavvad").write_text(text)
    with pytest.raises(ValueError, match="never replaced"):
      detect(video, out)


class TestSummary:
  @pytest.fixture
  def videos(self, tmp_path, drawn):
    folder = tmp_path / "videos"
    folder.mkdir()
    for video in drawn:
      shutil.copy(video, folder)
    (folder / "broken.mp4").write_text("dear diary")
    return folder

  def rows(self, path):
    with path.open(newline="") as file:
      return list(csv.DictReader(file))

  def summarize(self, videos, out, **options):
    stream = io.StringIO()
    code = run.detect_files([str(videos)], "none", out, summary=out.parent / "all.csv", stream=stream, **options)
    return code, self.rows(out.parent / "all.csv")

  def test_has_a_row_for_each_video_including_failed_ones(self, videos, out):
    code, rows = self.summarize(videos, out)
    assert code == 1
    assert sorted(row["video"].rpartition("/")[2] for row in rows) == ["a.mp4", "b.mp4", "broken.mp4"]
    (broken,) = [row for row in rows if row["error"]]
    assert broken["error"].startswith(f"{videos / 'broken.mp4'}: not a video")
    assert broken["duration_s"] == ""

  def test_equals_the_timelines_whether_new_or_kept(self, videos, out):
    _, rows = self.summarize(videos, out)
    _, again = self.summarize(videos, out)
    assert again == rows
    row = next(row for row in rows if row["video"].endswith("/a.mp4"))
    document = json.loads((out / "a.json").read_text())
    duration_s = document["duration_s"]
    assert float(row["duration_s"]) == pytest.approx(duration_s, abs=6e-4)
    for label in EVENTS:
      total_s = sum(e["offset_s"] - e["onset_s"] for e in document["events"] if e["event"] == label)
      assert float(row[f"{label}_s"]) == pytest.approx(total_s, abs=6e-4)
      assert float(row[f"{label}_share"]) == pytest.approx(total_s / duration_s, abs=6e-5)
    assert row["face_found"] == "1.0000"
    assert row["warnings"] == "; ".join(document["warnings"])

  def test_has_a_row_for_each_face(self, videos, out):
    _, rows = self.summarize(videos, out, faces="all")
    assert [row["face"] for row in rows if row["video"].endswith("/a.mp4")] == ["1", "2"]

  def test_is_written_for_a_single_video_that_fails(self, videos, out):
    with pytest.raises(ValueError, match="not a video"):
      self.summarize(videos / "broken.mp4", out)
    (row,) = self.rows(out.parent / "all.csv")
    assert "not a video" in row["error"]

  def test_does_not_replace_another_file(self, videos, out):
    (out.parent / "all.csv").write_text("mine\n")
    with pytest.raises(ValueError, match=r"all\.csv already exists"):
      self.summarize(videos, out)
    assert (out.parent / "all.csv").read_text() == "mine\n"
    assert not out.exists()

  def test_cannot_have_the_name_of_a_result(self, videos, out):
    with pytest.raises(ValueError, match=r"a\.csv: a video or a result has this name"):
      run.detect_files([str(videos / "a.mp4")], "none", out, to=("csv",), summary=out / "a.csv", stream=io.StringIO())
