"""Detection in many files: their results, and resuming an earlier run."""

import contextlib
import io
import json
import os

import jsonschema
import numpy as np
import pytest
from streams import LevelDetector, write_drawn

from attavvad_jax.annotations import read as read_annotation
from attavvad_jax.inference import outputs, run

LABEL_FILES = ("json", "tsv", "rttm", "vtt", "srt", "audacity", "textgrid", "elan", "ava")
FACES = ((0.05, 0.1, 0.4, 0.8), (0.5, 0.2, 0.3, 0.6))


@pytest.fixture(autouse=True)
def _without_models(monkeypatch):
  faces = np.array([(*box, 0.9) for box in FACES])
  finder = lambda: contextlib.nullcontext(lambda rgb: faces)  # noqa: E731
  monkeypatch.setattr(run, "FaceDetector", finder)
  monkeypatch.setattr("attavvad_jax.recordings.read.FaceDetector", finder)
  monkeypatch.setattr(run, "Detector", LevelDetector)


@pytest.fixture
def videos(tmp_path):
  """Two usable videos and an unusable one between them."""
  folder = tmp_path / "videos"
  (folder / "live").mkdir(parents=True)
  write_drawn(folder / "a.b.mp4", 2.6)
  (folder / "broken.mp4").write_text("dear diary")
  write_drawn(folder / "live" / "c.mp4", 2.6)
  return folder


@pytest.fixture
def out(tmp_path):
  return tmp_path / "out"


def detect(video, out, **options):
  """Detects and returns the exit code and the printed text."""
  stream = io.StringIO()
  code = run.detect_files([str(video)], "none", out, stream=stream, **options)
  return code, stream.getvalue()


def files(out):
  """Returns the written files without the records."""
  paths = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".attavvad"]
  return {path.relative_to(out).as_posix(): path.stat().st_mtime_ns for path in paths}


def test_one_bad_file_stops_no_other_and_is_listed_at_the_end(videos, out, capsys):
  code, printed = detect(videos, out)
  assert code == 1
  assert set(files(out)) == {"a.b.tsv", "a.b.json", "live/c.tsv", "live/c.json"}
  assert [line.split("]")[0] for line in printed.splitlines()] == ["[1/3", "[3/3"]
  last, reason = capsys.readouterr().err.splitlines()[-2:]
  assert last == "attavvad: 1 of 3 could not be used:"
  assert reason.startswith(f"  {videos / 'broken.mp4'}: not a video")


def test_existing_results_are_kept_unless_overwritten(videos, out):
  detect(videos, out)
  before = files(out)
  os.remove(out / "live" / "c.json")  # as if killed between the two
  _, printed = detect(videos, out)
  assert "a.b.mp4: up to date" in printed
  assert "c.mp4: wrote c.tsv, c.json" in printed
  after = files(out)
  assert {name for name in after if after[name] != before[name]} == {"live/c.tsv", "live/c.json"}
  _, printed = detect(videos, out, overwrite=True)
  assert "up to date" not in printed
  assert all(files(out)[name] != after[name] for name in after)


def test_changed_video_is_detected_again(videos, out):
  detect(videos, out)
  times_ns = (videos / "a.b.mp4").stat().st_atime_ns, (videos / "a.b.mp4").stat().st_mtime_ns
  write_drawn(videos / "a.b.mp4", 2.9)
  os.utime(videos / "a.b.mp4", ns=times_ns)
  _, printed = detect(videos, out)
  assert "a.b.mp4: wrote a.b.tsv, a.b.json (replaced: different video)" in printed
  assert "c.mp4: up to date" in printed


def test_single_file_prints_its_timeline_again_if_up_to_date(videos, out):
  _, printed = detect(videos / "a.b.mp4", out)
  timeline, _ = printed.split("wrote", 1)
  assert "0:00.0–" in timeline
  code, printed = detect(videos / "a.b.mp4", out)
  assert code == 0
  assert printed == f"{timeline}{videos / 'a.b.mp4'}: up to date; --overwrite detects again\n"


def test_single_bad_file_is_an_error_and_leaves_nothing(videos, out):
  with pytest.raises(ValueError, match="broken"):
    detect(videos / "broken.mp4", out)
  assert not (out).exists()


def test_each_face_has_files_and_the_first_ones_are_written_last(videos, out, monkeypatch):
  written = []
  monkeypatch.setattr(outputs, "write_annotation", lambda timeline, path, *_, **__: written.append(path.name))
  detect(videos / "a.b.mp4", out, faces="all", to=("rttm", "tsv"))
  assert written == ["a.b.face2.rttm", "a.b.face2.tsv", "a.b.face1.rttm", "a.b.face1.tsv"]


def test_page_gets_all_faces(videos, out, monkeypatch):
  page = pytest.importorskip("attavvad_jax.reports.detection_page")
  seen = []
  monkeypatch.setattr(page, "write_detection_page", lambda path, video, faces, clock: seen.append((path.name, faces)))
  detect(videos / "a.b.mp4", out, faces="all", to=("html",))
  ((name, detections),) = seen
  assert name == "a.b.html"
  assert [detection.face for detection in detections] == [1, 2]


def test_every_label_format_is_written_under_the_videos_name(videos, out):
  detect(videos / "a.b.mp4", out, to=LABEL_FILES)
  assert set(files(out)) == {f"a.b{outputs.SUFFIXES[name]}" for name in LABEL_FILES}
  assert (out / "a.b.vtt").read_text().startswith("WEBVTT")
  events = [event.label for event in read_annotation(out / "a.b.json")]
  for name in ("tsv", "rttm", "audacity", "textgrid", "elan"):
    assert [event.label for event in read_annotation(out / f"a.b{outputs.SUFFIXES[name]}")] == events, name


def test_annotated_video_of_an_audio_file_is_an_error_and_nothing_is_written(videos, out):
  import wave

  with wave.open(str(videos / "audio.wav"), "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(16_000)
    file.writeframes(bytes(32_000))
  with pytest.raises(ValueError, match=r"audio\.wav: mp4 output needs video"):
    detect(videos / "audio.wav", out, to=("tsv", "mp4"))
  assert not (out).exists()


class TestJson:
  @pytest.fixture
  def schema(self):
    schema = json.loads(outputs.SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema

  @pytest.mark.parametrize("options", [{}, {"performer": "at:1.0"}, {"faces": "all"}], ids=["default", "at", "all"])
  def test_fits_the_packaged_schema(self, videos, out, schema, options):
    detect(videos / "a.b.mp4", out, **options)
    paths = sorted((out).glob("*.json"))
    assert len(paths) == (2 if options.get("faces") else 1)
    for path in paths:
      jsonschema.validate(json.loads(path.read_text()), schema)

  def test_has_the_scores_boxes_and_times_of_the_detection(self, videos, out):
    detection = run.detect_file(videos / "a.b.mp4", output=videos, to=("json",), stream=io.StringIO())
    document = json.loads((videos / "a.b.json").read_text())
    blocks = document["blocks"]
    np.testing.assert_allclose(blocks["audio_visual"], detection.scores.audio_visual, atol=1e-6)
    np.testing.assert_allclose(blocks["visual"], detection.scores.visual, atol=1e-6)
    np.testing.assert_allclose(blocks["boxes"], detection.boxes, atol=1e-6)
    np.testing.assert_allclose(blocks["onset_s"], np.arange(8) / 3, atol=1e-6)
    np.testing.assert_allclose(document["image_offsets_s"], [1 / 18, 3 / 18, 5 / 18], atol=1e-6)
    assert blocks["attention"] is None
    assert document["versions"]["jax"]
    assert document["performer"] == "prominent"

  @pytest.mark.parametrize(
    ("key", "value"),
    [("face", 0), ("performer", "me"), ("labels", ["speech"]), ("block_rate_hz", 0), ("further", 1), ("versions", {})],
  )
  def test_schema_rejects_other_values(self, schema, key, value):
    document = {**_smallest(), key: value}
    with pytest.raises(jsonschema.ValidationError):
      jsonschema.validate(document, schema)

  def test_schema_takes_the_smallest_document(self, schema):
    jsonschema.validate(_smallest(), schema)


def _smallest():
  return {
    "duration_s": 0.3,
    "events": [],
    "schema_version": 1,
    "video": "a.mp4",
    "face": None,
    "performer": "vocal",
    "checkpoint": "shipped",
    "versions": {"attavvad_jax": "1", "python": "3"},
    "warnings": [],
    "labels": ["silence", "speech", "singing", "others"],
    "block_rate_hz": 3.0,
    "image_offsets_s": [0.1],
    "blocks": {
      "onset_s": [0.0],
      "audio": None,
      "visual": [0.5],
      "audio_visual": [[0, 0, 0.5, 1]],
      "attention": None,
      "boxes": [[None]],
    },
  }
