"""Bad input gives one clear line and exit code 2, without files and without a traceback."""

import contextlib
import io
import json
import os
from pathlib import Path

import pytest

from attavvad_jax.commands import guard
from attavvad_jax.commands import main as cli
from attavvad_jax.inference import run


@pytest.fixture
def checkpoint(tmp_path):
  """Metadata of a checkpoint, which is read before the video."""
  step = tmp_path / "run" / "checkpoints" / "best" / "3"
  (step / "meta").mkdir(parents=True)
  (step / "variables").mkdir()
  spec = {
    "clock": {"sample_rate_hz": 16_000, "block_rate_hz": 3.0, "images_per_block": 3, "window_ms": 44.0},
    "crop": {"height_px": 32, "width_px": 32, "margin": 0.2},
    "events": ["silence", "speech", "singing", "others"],
    "label_sets": ["audio_visual"],
  }
  config = {"model": {"name": "att_avvad"}, "smoothing": {"mean_blocks": 3, "min_duration_s": 0.5}}
  (step / "meta" / "metadata").write_text(json.dumps({"config": config, "spec": spec, "step": 3}))
  return tmp_path / "run"


def _fails(capsys, *argv):
  """Returns the single line that a failing command prints."""
  assert cli.main(list(argv)) == 2
  captured = capsys.readouterr()
  lines = captured.err.strip().splitlines()
  assert len(lines) == 1, captured.err
  assert lines[0].startswith("attavvad: ")
  assert captured.out == ""
  return lines[0]


def _detect(capsys, tmp_path, checkpoint, video):
  output = tmp_path / "out"
  line = _fails(capsys, "detect", str(video), "--checkpoint", str(checkpoint), "--output", str(output))
  assert not output.exists()
  return line


def test_missing_file(capsys, tmp_path, checkpoint):
  assert "none.mp4" in _detect(capsys, tmp_path, checkpoint, tmp_path / "none.mp4")


def test_folder(capsys, tmp_path, checkpoint):
  assert str(tmp_path) in _detect(capsys, tmp_path, checkpoint, tmp_path)


@pytest.mark.parametrize("content", [b"", b"dear diary\n"], ids=["empty", "text"])
def test_file_that_is_no_video(capsys, tmp_path, checkpoint, content):
  (tmp_path / "a.mp4").write_bytes(content)
  assert "a.mp4" in _detect(capsys, tmp_path, checkpoint, tmp_path / "a.mp4")


def test_mp4_cut_off_before_its_index(capsys, tmp_path, checkpoint):
  import numpy as np

  from attavvad_jax.media import VideoWriter

  with VideoWriter(tmp_path / "whole.mp4", 64, 64, 25, 16_000) as writer:
    for _ in range(25):
      writer.write_frame(np.zeros((64, 64, 3), np.uint8))
    writer.write_samples(np.zeros(16_000, np.float32))
  whole = (tmp_path / "whole.mp4").read_bytes()
  (tmp_path / "cut.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
  assert "cut.mp4" in _detect(capsys, tmp_path, checkpoint, tmp_path / "cut.mp4")


def test_video_without_audio(capsys, tmp_path, checkpoint):
  import av
  import numpy as np

  with av.open(tmp_path / "mute.mp4", "w") as container:
    stream = container.add_stream("libx264", rate=25)
    stream.width = stream.height = 64
    for _ in range(10):
      container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
    container.mux(stream.encode())
  assert "no audio" in _detect(capsys, tmp_path, checkpoint, tmp_path / "mute.mp4")


def test_no_checkpoint(capsys, tmp_path):
  assert "no such checkpoint" in _detect(capsys, tmp_path, tmp_path / "none", tmp_path / "a.mp4")


def test_output_that_is_a_file(capsys, tmp_path, checkpoint):
  (tmp_path / "taken").touch()
  line = _fails(capsys, "detect", "a.mp4", "--checkpoint", str(checkpoint), "--output", str(tmp_path / "taken"))
  assert "is not a folder" in line


def test_output_that_cannot_be_written(capsys, tmp_path, checkpoint, monkeypatch):
  (tmp_path / "locked").mkdir()
  # Tests may run as root, who may write anywhere: the system's answer is replaced.
  monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "locked")
  line = _fails(capsys, "detect", "a.mp4", "--checkpoint", str(checkpoint), "--output", str(tmp_path / "locked"))
  assert "cannot write to" in line


@pytest.mark.parametrize(
  ("source", "message"),
  [
    ("none.mp4", "none.mp4: no such file"),
    ("rtmp://127.0.0.1:1/live", "rtmp://127.0.0.1:1/live: cannot be opened (Connection refused)"),
    ("lavfi:testsrc", "no audio comes from it"),
  ],
)
def test_stream_that_cannot_be_read(capsys, tmp_path, checkpoint, source, message):
  output = tmp_path / "a.jsonl"
  line = _fails(capsys, "stream", source, "--checkpoint", str(checkpoint), "--output", str(output))
  assert message in line
  assert not output.exists()


def test_stream_over_an_existing_file(capsys, tmp_path, checkpoint):
  (tmp_path / "a.jsonl").touch()
  line = _fails(capsys, "stream", "a.mp4", "--checkpoint", str(checkpoint), "--output", str(tmp_path / "a.jsonl"))
  assert "a.jsonl already exists" in line


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_unusable_seconds_are_explained(capsys, seconds):
  with pytest.raises(SystemExit) as error:
    cli.main(["stream", "a.mp4", "--checkpoint", "x", f"--retry_s={seconds}"])
  assert error.value.code == 2
  assert "expected seconds" in capsys.readouterr().err


def test_traceback_on_request(tmp_path, monkeypatch):
  monkeypatch.setenv("ATTAVVAD_TRACEBACK", "1")
  with pytest.raises(ValueError, match="no such checkpoint"):
    cli.main(["detect", "a.mp4", "--checkpoint", str(tmp_path / "none")])


@pytest.mark.parametrize(
  ("performer", "message"),
  [
    ("vocal", "'vocal', which needs the whole recording; expected prominent or box:"),
    ("box:1,2,3", "performer is 'box:1,2,3'"),
  ],
)
def test_unusable_performer_of_a_stream_is_explained(capsys, checkpoint, performer, message):
  assert message in _fails(capsys, "stream", "a.mp4", "--checkpoint", str(checkpoint), f"--performer={performer}")


@pytest.mark.parametrize(
  ("option", "message"),
  [
    ("--performer=loudest", "performer is 'loudest'; expected prominent, largest, vocal, at:SECONDS or box:"),
    ("--performer=at:soon", "performer is 'at:soon'"),
    ("--performer=at:-1", "performer is 'at:-1'"),
    ("--performer=box:1,2,3", "performer is 'box:1,2,3'"),
    ("--to=tsv,xml", "output is xml; expected some of json, tsv, rttm, vtt, srt"),
    ("--to=", "expected some of json"),
  ],
)
def test_unusable_choice_is_explained(capsys, checkpoint, option, message):
  assert message in _fails(capsys, "detect", "a.mp4", "--checkpoint", str(checkpoint), option)


def test_all_faces_and_a_performer_exclude_each_other(capsys, checkpoint):
  line = _fails(capsys, "detect", "a.mp4", "--checkpoint", str(checkpoint), "--faces=all", "--performer=vocal")
  assert "faces=all and a performer" in line


def test_pattern_without_a_match(capsys, tmp_path, checkpoint):
  assert "*.mp4: no file matches" in _detect(capsys, tmp_path, checkpoint, tmp_path / "*.mp4")


def test_list_on_standard_input(capsys, tmp_path, checkpoint, monkeypatch):
  monkeypatch.setattr("sys.stdin", io.StringIO(f"{tmp_path / 'none.mp4'}\n\n"))
  assert "none.mp4: no such file" in _detect(capsys, tmp_path, checkpoint, "-")


def test_bad_files_among_many_are_all_listed_at_the_end(capsys, tmp_path, checkpoint, monkeypatch):
  monkeypatch.setattr(run, "FaceDetector", contextlib.nullcontext)
  (tmp_path / "text.mp4").write_text("dear diary")
  names = [str(tmp_path / name) for name in ("none.mp4", "text.mp4")]
  assert cli.main(["detect", *names, "--checkpoint", str(checkpoint), "--output", str(tmp_path / "out")]) == 1
  lines = capsys.readouterr().err.splitlines()
  assert lines[2] == "attavvad: 2 of 2 could not be used:"
  assert all(name in line for name, line in zip(names, lines[3:], strict=True))
  assert not (tmp_path / "out").exists()


def test_missing_file_is_named_without_an_error_number(capsys):
  def run():
    Path("none/labels.tsv").read_text()

  assert guard.guard(run) == 2
  assert capsys.readouterr().err == "attavvad: none/labels.tsv: no such file or directory\n"
