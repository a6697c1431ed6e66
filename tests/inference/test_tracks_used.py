"""Results of files with several tracks: they use, name and contain the chosen tracks."""

import contextlib
import io
import json

import av
import jsonschema
import numpy as np
import pytest
from several_tracks import DEFAULT, NONE, RATE_HZ, dominant_hz, write_tracks
from streams import LevelDetector

from attavvad_jax.commands import main as cli
from attavvad_jax.inference import outputs, run
from attavvad_jax.inference.live import stream
from attavvad_jax.media import Tracks
from attavvad_jax.media.info import probe
from attavvad_jax.media.rewrite import rewrite
from attavvad_jax.reports.detection_page import write_detection_page

AUDIO_TRACKS = [(300, 1, DEFAULT, {"language": "eng"}), (700, 2, NONE, {"language": "deu", "title": "Ton <B>"})]


@pytest.fixture(autouse=True)
def _without_models(monkeypatch):
  """Replaces the face detector: bright frames have a face."""
  faces = np.array([[0.25, 0.25, 0.5, 0.5, 0.9]])
  finder = lambda: contextlib.nullcontext(lambda rgb: faces if rgb.mean() > 128 else faces[:0])  # noqa: E731
  for module in ("read", "camera"):
    monkeypatch.setattr(f"attavvad_jax.recordings.{module}.FaceDetector", finder)
  monkeypatch.setattr("attavvad_jax.inference.streaming.FaceDetector", finder)
  monkeypatch.setattr(run, "Detector", LevelDetector)
  monkeypatch.setattr("attavvad_jax.inference.live.Detector", LevelDetector)


@pytest.fixture(scope="module", params=[".mkv", ".mp4"])
def video(request, tmp_path_factory):
  """Two audio tracks; a dark video track without a face, and a bright one with."""
  return write_tracks(
    tmp_path_factory.mktemp("tracks") / f"a{request.param}", AUDIO_TRACKS, [(20, DEFAULT), (230, DEFAULT)]
  )


def content(path):
  """Returns the frequency of the audio, whether the video is bright, and the number of streams."""
  with av.open(str(path)) as container:
    number = len(container.streams)
    resampler = av.AudioResampler("s16", "mono", RATE_HZ)
    audio = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
  with av.open(str(path)) as container:
    levels = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
  return dominant_hz(np.concatenate(audio)), np.mean(levels) > 128, number


def test_copies_contain_only_the_used_tracks(video, tmp_path):
  rewrite(video, tmp_path / "b.mp4", probe(video, Tracks("deu", 2)), {"aac"})
  assert content(tmp_path / "b.mp4") == (700, True, 2)
  rewrite(video, tmp_path / "c.mp4", probe(video, Tracks("eng", 1)), {"aac"})
  assert content(tmp_path / "c.mp4") == (300, False, 2)


def test_result_names_all_tracks_and_contains_the_used_ones(video, tmp_path, capsys):
  detection = run.detect_file(
    video, output=tmp_path, to=("json", "mp4", "html"), tracks=Tracks("deu"), stream=io.StringIO()
  )
  document = json.loads((tmp_path / "a.json").read_text())
  jsonschema.validate(document, json.loads(outputs.SCHEMA.read_text()))
  assert document["audio_input"]["track"] == document["video_input"]["track"] == 2
  assert [track["language"] for track in document["audio_input"]["tracks"]] == ["eng", "deu"]
  assert [track["channels"] for track in document["audio_input"]["tracks"]] == [1, 2]
  assert [track["width_px"] for track in document["video_input"]["tracks"]] == [64, 64]
  notes = capsys.readouterr().err.splitlines()
  assert sum(line.startswith("audio track 2 (deu") and "not used: 1 (eng" in line for line in notes) == 1
  assert sum(line.startswith("video track 2 (h264, 64x48) of 2; not used: 1 ") for line in notes) == 1
  assert content(tmp_path / "a.annotated.mp4")[0::2] == (700, 2)
  page = (tmp_path / "a.html").read_text()
  assert "Audio track 2 (deu" in page
  assert "Ton <B>" not in page
  assert detection.boxes[0, 0, 2] == 0.5


def test_page_with_a_linked_video_says_that_the_browser_chooses_tracks(video, tmp_path):
  detection = LevelDetector().detect(video)
  write_detection_page(tmp_path / "a.html", video, [detection], LevelDetector().spec.clock, embed=False)
  assert "browser chooses the tracks" in (tmp_path / "a.html").read_text()


def test_command_line_chooses_tracks(video, tmp_path, capsys):
  options = ["--audio-track", "deu", "--video-track=2", "--audio-channels=side", "--output", str(tmp_path)]
  assert cli.main(["detect", str(video), *options]) == 0
  document = json.loads((tmp_path / "a.json").read_text())
  assert (document["audio_input"]["track"], document["audio_input"]["channels"], document["video_input"]["track"]) == (
    2,
    "side",
    2,
  )
  assert cli.main(["detect", str(video), "--audio-track=fra", "--output", str(tmp_path)]) == 2
  error = capsys.readouterr().err.splitlines()[-1]
  assert f"{video}: no audio track fra; there are 1 (eng" in error


def test_stream_chooses_tracks_and_names_them(video, tmp_path):
  screen = io.StringIO()
  stream(str(video), tracks=Tracks("deu"), output=str(tmp_path / "a.jsonl"), screen=screen)
  notices = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
  texts = [notice["text"] for notice in notices if notice["type"] == "notice"]
  assert any(text.startswith("audio track 2 (deu") for text in texts)
  assert any(text.startswith("video track 2 (h264") for text in texts)


def test_canceled_channels_are_in_the_result(tmp_path):
  time_s = np.arange(2 * RATE_HZ) / RATE_HZ
  voice = np.int16(5000 * np.sin(2 * np.pi * 300 * time_s))
  with av.open(str(tmp_path / "a.wav"), "w") as container:
    track = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="stereo")
    frame = av.AudioFrame.from_ndarray(np.stack([voice, -voice], 1).reshape(1, -1), format="s16", layout="stereo")
    frame.sample_rate = RATE_HZ
    container.mux([*track.encode(frame), *track.encode(None)])
  run.detect_file(tmp_path / "a.wav", output=tmp_path, to=("json",), stream=io.StringIO())
  document = json.loads((tmp_path / "a.json").read_text())
  jsonschema.validate(document, json.loads(outputs.SCHEMA.read_text()))
  (passage,) = document["audio_input"]["cancellations"]
  assert passage == {"onset_s": 0.0, "offset_s": 2.0, "channel": "left"}
  assert "the channels cancel from 0.0 to 2.0 s: the left channel is used there" in document["warnings"]
