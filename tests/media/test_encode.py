"""Files of the writer, read back by PyAV alone."""

from collections import deque
from fractions import Fraction
import hashlib

import av
import numpy as np
import pytest

from attavvad_jax.media.encode import VideoWriter

SIZE = (64, 48)


def gray(value):
  return np.full((SIZE[1], SIZE[0], 3), value, np.uint8)


def write(path, rate=25, seconds=2.0, sample_rate_hz=16000, flash_s=1.0, pieces=1):
  frames = [gray(230 if i == round(flash_s * rate) else 20) for i in range(round(seconds * rate))]
  samples = np.zeros(round(seconds * sample_rate_hz), np.int16)
  samples[round(flash_s * sample_rate_hz)] = 30000
  with VideoWriter(path, *SIZE, rate, sample_rate_hz) as writer:
    for frame in frames[: len(frames) // 2]:
      writer.write_frame(frame)
    for piece in np.array_split(samples, pieces):
      writer.write_samples(piece)
    for frame in frames[len(frames) // 2 :]:
      writer.write_frame(frame)


def read(path):
  with av.open(str(path)) as container:
    levels = [(f.time, f.to_ndarray(format="gray").mean()) for f in container.decode(video=0)]
  with av.open(str(path)) as container:
    stream = container.streams.audio[0]
    frames = list(container.decode(stream))
    duration = stream.duration * stream.time_base
    start = frames[0].pts * stream.time_base
  return levels, np.concatenate([f.to_ndarray()[0] for f in frames]), start, duration


@pytest.mark.parametrize("rate", [8, 25, Fraction(30000, 1001), 60])
def test_flash_and_click_come_back_where_they_were_written(tmp_path, rate):
  write(tmp_path / "a.mp4", rate)
  levels, samples, start, _ = read(tmp_path / "a.mp4")
  assert start == 0
  assert np.argmax(np.abs(samples)) == 16000
  assert np.argmax([level for _, level in levels]) == round(1.0 * rate)
  np.testing.assert_allclose([time for time, _ in levels], np.arange(len(levels)) / float(rate), atol=1e-4)


@pytest.mark.parametrize("seconds", [2.0, 10 / 3])
def test_declared_duration_is_that_of_the_written_audio(tmp_path, seconds):
  write(tmp_path / "a.mp4", seconds=seconds)
  assert read(tmp_path / "a.mp4")[3] == Fraction(round(seconds * 16000), 16000)


def test_piecewise_samples_give_the_same_bytes(tmp_path):
  digests = set()
  for name, pieces in (("a.mp4", 1), ("b.mp4", 77), ("c.mp4", 1)):
    write(tmp_path / name, pieces=pieces)
    digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
  assert len(digests) == 1


def test_float_and_int16_samples_give_the_same_file(tmp_path):
  tone = (8000 * np.sin(np.arange(16000) * 0.2)).astype(np.int16)
  for name, samples in (("a.mp4", tone), ("b.mp4", (tone / 32768).astype(np.float32))):
    with VideoWriter(tmp_path / name, *SIZE, 25, 16000) as writer:
      writer.write_frame(gray(0))
      writer.write_samples(samples)
  assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_exception_leaves_the_folder_as_it_was(tmp_path):
  (tmp_path / "a.mp4").write_bytes(b"old")

  def frames_then_failure():
    yield gray(0)
    raise KeyError("stop")

  with pytest.raises(KeyError, match="stop"), VideoWriter(tmp_path / "a.mp4", *SIZE, 25, 16000) as writer:
    deque(map(writer.write_frame, frames_then_failure()))
  assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
  assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_without_audio_nothing_is_written(tmp_path):
  with (
    pytest.raises(ValueError, match="1 frames and 0 samples"),
    VideoWriter(tmp_path / "a.mp4", *SIZE, 25, 16000) as w,
  ):
    w.write_frame(gray(0))
  assert list(tmp_path.iterdir()) == []


def test_no_file_appears_under_the_name_before_the_end(tmp_path):
  with VideoWriter(tmp_path / "a.mp4", *SIZE, 25, 16000) as writer:
    writer.write_frame(gray(0))
    writer.write_samples(np.zeros(16000, np.float32))
    assert not (tmp_path / "a.mp4").exists()
  assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ((63, 48, 25, 16000), "63x48.*even"),
    ((64, 0, 25, 16000), "64x0.*even"),
    ((64, 48, 0, 16000), "frames_per_second is 0"),
    ((64, 48, 25, 12345), "sample_rate_hz is 12345"),
  ],
)
def test_impossible_settings_are_named_in_errors(tmp_path, arguments, message):
  with pytest.raises(ValueError, match=message):
    VideoWriter(tmp_path / "a.mp4", *arguments)


def test_wrong_frame_and_samples_are_named_in_errors(tmp_path):
  with (
    pytest.raises(ValueError, match="frame 0 is uint8 \\(64, 48, 3\\)"),
    VideoWriter(tmp_path / "a.mp4", *SIZE, 25, 16000) as writer,
  ):
    writer.write_frame(np.zeros((64, 48, 3), np.uint8))
  with pytest.raises(ValueError, match="float64"), VideoWriter(tmp_path / "a.mp4", *SIZE, 25, 16000) as writer:
    writer.write_samples(np.zeros(10))


def test_missing_folder_and_folder_as_file_are_os_errors(tmp_path):
  with pytest.raises(FileNotFoundError, match="absent"), VideoWriter(tmp_path / "absent/a.mp4", *SIZE, 25, 16000):
    pass
  with pytest.raises(IsADirectoryError), VideoWriter(tmp_path, *SIZE, 25, 16000):
    pass
