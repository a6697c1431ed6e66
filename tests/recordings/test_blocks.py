"""Blocks of files with known contents, compared with the clock."""

import dataclasses
from pathlib import Path
import re
import subprocess
import sys
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import click, flash_and_click, gray, write_media
import numpy as np
import pytest

from attavvad_jax.blocks import Block, Crop, FaceImages, ImagesBefore
from attavvad_jax.faces import crop_face
from attavvad_jax.media.decode import read_audio
from attavvad_jax.media.errors import MediaError
from attavvad_jax.recordings import Report, read_blocks
from attavvad_jax.recordings.assembler import _Waveforms
from attavvad_jax.timeline import Clock

CLOCK = Clock()
CROP = Crop(16, 16)
FACE = (0.25, 0.25, 0.5, 0.5)


def one_face(rgb):
  return np.array([(*FACE, 0.9)])


def no_face(rgb):
  return np.zeros((0, 5))


def read(path, clock=CLOCK, crop=CROP, detect=one_face, **options):
  report = Report()
  blocks = list(read_blocks(path, clock, crop, report=report, detect=detect, **options))
  return blocks, report


def numbered(count, rate=25):
  """Returns frames whose brightness encodes their number, and their times; a constant structure avoids cuts."""
  structure = np.linspace(-15, 15, 64)[None, :, None]
  frames = [np.clip(gray(40) + 2 * (i % 80) + structure, 0, 255).astype(np.uint8) for i in range(count)]
  return frames, np.arange(count) / rate


def noise(seconds):
  return np.random.default_rng(0).integers(-9000, 9000, round(16000 * seconds)).astype(np.int16)


@pytest.mark.parametrize("clock", [CLOCK, Clock(block_rate_hz=4.0, images_per_block=5), Clock(images_per_block=1)])
def test_waveforms_are_cut_out_by_the_clock(tmp_path, clock):
  audio = noise(5.1)
  path = write_media(tmp_path / "a.mov", *numbered(125), audio)
  blocks, report = read(path, clock)
  assert [block.index for block in blocks] == list(range(clock.num_blocks(5.1)))
  padded = np.pad(audio, (0, clock.block_samples))
  for block in blocks:
    start = clock.start_sample(block.index)
    assert block.waveform.dtype == np.int16
    np.testing.assert_array_equal(block.waveform, padded[start : start + clock.block_samples])
  assert (report.duration_s, report.num_blocks) == (len(audio) / 16000, len(blocks))
  assert report.num_images == len(blocks) * clock.images_per_block


@pytest.mark.parametrize("clock", [CLOCK, Clock(images_per_block=8), Clock(block_rate_hz=4.0)])
@pytest.mark.parametrize("rate", [25, 60])
def test_images_are_the_frames_displayed_at_the_clocks_times(tmp_path, clock, rate):
  frames, times = numbered(3 * rate, rate)
  blocks, _ = read(write_media(tmp_path / "a.mov", frames, times, noise(3.0)), clock)
  assert len(blocks) == clock.num_blocks(3.0)
  for block in blocks:
    assert block.image_mask.all()
    np.testing.assert_allclose(block.boxes, np.tile(FACE, (clock.images_per_block, 1)), atol=1e-6)
    for image, at in zip(block.images, clock.image_times_s(block.index), strict=True):
      number = np.searchsorted(times, at, side="right") - 1
      luma = (16 + frames[number][..., 0] * (219 / 255)).astype(np.uint8)
      expected = crop_face(luma, np.array(FACE), CROP)
      # Neighbors differ by 2 in brightness.
      assert abs(image.mean() - expected.mean()) < 0.9
      assert (image.shape, image.dtype) == ((16, 16), np.uint8)


def test_last_block_is_filled_with_zeros(tmp_path):
  audio = np.full(16000 + 100, 5, np.int16)
  blocks, _ = read(write_media(tmp_path / "a.mov", *numbered(30), audio))
  assert len(blocks) == 4
  assert (blocks[3].waveform[:100] == 5).all()
  assert not blocks[3].waveform[100:].any()


@pytest.mark.parametrize("images_per_block", [1, 3, 12])
def test_delayed_recording_moves_by_as_much_in_the_blocks(tmp_path, images_per_block):
  """Audio is delayed by one audio frame of 22 ms, video by the time of one image; each moves by exactly that."""
  clock = Clock(images_per_block=images_per_block)
  image_s = clock.block_s / images_per_block
  frames, times = numbered(125, 25)
  frames[50:] = [frame + np.uint8(40) for frame in frames[50:]]
  audio = noise(5.0)
  plain, _ = read(write_media(tmp_path / "a.mov", frames, times, audio), clock)
  hop = clock.hop_samples
  late_audio, _ = read(write_media(tmp_path / "b.mov", frames, times, np.pad(audio, (hop, 0))), clock)
  shifted = [0.0, *(times[1:] + image_s)]
  late_frames, _ = read(write_media(tmp_path / "c.mov", frames, shifted, audio), clock)

  for before, after in zip(plain, late_audio, strict=False):
    np.testing.assert_array_equal(after.waveform[hop:], before.waveform[:-hop])
    np.testing.assert_array_equal(after.images, before.images)
  levels = [np.concatenate([b.images.mean((1, 2)) for b in blocks]) for blocks in (plain, late_frames)]
  np.testing.assert_allclose(levels[1][2:-2], levels[0][1:-3], atol=0.6)
  for before, after in zip(plain, late_frames, strict=True):
    np.testing.assert_array_equal(after.waveform, before.waveform)


def test_flash_and_click_fall_into_the_same_block(tmp_path):
  for rate in (8, 30000 / 1001, 60):
    frames, times, audio = flash_and_click(rate, seconds=3.0, at_s=1.4)
    blocks, _ = read(write_media(tmp_path / "a.mp4", frames, times, audio), Clock(images_per_block=30))
    of_click = max(blocks, key=lambda b: np.abs(b.waveform[:5334].astype(int)).max()).index
    of_flash = max(blocks, key=lambda b: b.images.mean((1, 2)).max()).index
    assert of_click == of_flash == 4


def test_images_after_the_end_of_the_video_are_masked_and_reported(tmp_path):
  path = write_media(tmp_path / "a.mov", *numbered(25), noise(4.0))
  blocks, report = read(path)
  mask = np.concatenate([block.image_mask for block in blocks])
  times = np.concatenate([CLOCK.image_times_s(block.index) for block in blocks])
  np.testing.assert_array_equal(mask, times < 1.5)
  missing = int((~mask).sum())
  assert (report.images_without_frame, report.images_without_face) == (missing, 0)
  assert report.warnings == [f"no video frame for {missing} of {len(mask)} images"]
  last = blocks[-1]
  assert not last.images.any()
  assert np.isnan(last.boxes).all()


def test_frames_beyond_the_audio_are_left_out(tmp_path):
  blocks, report = read(write_media(tmp_path / "a.mov", *numbered(100), noise(1.0)))
  assert len(blocks) == 3
  assert report.duration_s == 1.0


def test_images_without_a_face_are_masked_and_reported(tmp_path):
  blocks, report = read(write_media(tmp_path / "a.mov", *numbered(50), noise(2.0)), detect=no_face)
  assert not any(block.image_mask.any() or block.images.any() for block in blocks)
  assert np.isnan([block.boxes for block in blocks]).all()
  assert (report.images_without_frame, report.images_without_face, report.num_images) == (0, 18, 18)
  assert report.warnings == ["no face in 18 of 18 images"]


def test_good_recording_gives_no_warning(tmp_path):
  _, report = read(write_media(tmp_path / "a.mp4", *numbered(50), noise(2.0)))
  assert report == Report(duration_s=2.0, num_blocks=6, num_images=18)


def test_audio_alone_is_read_with_every_image_masked(tmp_path):
  def detect(rgb):
    raise AssertionError("there is no video")

  blocks, report = read(write_media(tmp_path / "a.wav", audio=noise(2.0)), detect=detect)
  assert len(blocks) == 6
  assert not any(block.image_mask.any() for block in blocks)
  assert (report.images_without_frame, report.num_images) == (18, 18)
  assert report.warnings == ["no video: every image is masked"]


def test_given_box_is_cropped_without_face_detection(tmp_path):
  def detect(rgb):
    raise AssertionError("faces are detected")

  frames, times = numbered(50)
  for frame in frames:
    frame[12:24, 16:32] = 240
  path = write_media(tmp_path / "a.mov", frames, times, noise(2.0))
  blocks, report = read(path, crop=Crop(12, 16, margin=0.0), detect=detect, box=(0.25, 0.25, 0.25, 0.25))
  for block in blocks:
    np.testing.assert_allclose(block.boxes, 0.25)
    assert (block.images > 210).mean() > 0.9  # 240 has the luma 222
  assert report.warnings == []


@pytest.mark.parametrize(
  "box", [(-0.1, 0, 0.5, 0.5), (0, 0, 1.1, 0.5), (0.6, 0, 0.5, 0.5), (0, 0, 0, 0.5), (0, 0, float("nan"), 0.5)]
)
def test_box_outside_the_frame_is_refused_before_anything_is_read(tmp_path, box):
  with pytest.raises(ValueError, match=rf"face box.*{re.escape(str(box))}"):
    read_blocks(tmp_path / "never opened.mp4", CLOCK, CROP, box=box)


def test_damaged_end_is_reported_and_the_rest_is_used(tmp_path):
  path = write_media(tmp_path / "a.mov", *numbered(100), noise(4.0), options={"movflags": "faststart"})
  whole, _ = read(path)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  blocks, report = read(path)
  assert 4 <= len(blocks) < len(whole)
  assert any("damaged end" in line for line in report.warnings)
  for before, after in zip(whole[:3], blocks, strict=False):
    np.testing.assert_array_equal(after.waveform, before.waveform)
    np.testing.assert_array_equal(after.images, before.images)


def test_bad_input_is_refused_at_the_call(tmp_path):
  with pytest.raises(FileNotFoundError, match="no such file"):
    read_blocks(tmp_path / "absent.mp4", CLOCK, CROP)
  silent = write_media(tmp_path / "a.mp4", *numbered(5))
  with pytest.raises(MediaError, match="no audio in this file"):
    read_blocks(silent, CLOCK, CROP)


def test_detections_finish_before_the_detector_closes_when_reading_stops_early(tmp_path, monkeypatch):
  running = []
  running_at_exit = []

  class Detector:
    def __enter__(self):
      return self

    def __exit__(self, *_):
      running_at_exit.append(len(running))

    def __call__(self, rgb):
      running.append(1)
      time.sleep(0.02)
      running.pop()
      return no_face(rgb)

  monkeypatch.setattr("attavvad_jax.recordings.read.FaceDetector", Detector)
  blocks = read_blocks(write_media(tmp_path / "a.mov", *numbered(400), noise(16.0)), CLOCK, CROP)
  next(blocks)
  blocks.close()
  assert running_at_exit == [0]


def test_joined_blocks_are_the_audio(tmp_path):
  """No sample is lost between the decoder's pieces: the beginnings of blocks, joined, are the audio of `read_audio`."""
  path = write_media(tmp_path / "a.mkv", audio=noise(20.0)[: 16000 * 20 - 77], sample_rate_hz=44100)
  audio = np.concatenate(list(read_audio(path, 16000)))
  blocks, _ = read(path)
  starts = [CLOCK.start_sample(block.index) for block in blocks] + [len(audio)]
  parts = [b.waveform[: end - start] for b, start, end in zip(blocks, starts[:-1], starts[1:], strict=True)]
  np.testing.assert_array_equal(np.concatenate(parts), audio)


PEAK = """
import re, sys
import numpy as np
from attavvad_jax.blocks import Crop
from attavvad_jax.recordings import read_blocks
from attavvad_jax.timeline import Clock
faces = lambda rgb: np.array([(0.3, 0.3, 0.4, 0.4, 0.9)])
count = sum(1 for _ in read_blocks(sys.argv[1], Clock(), Crop(), detect=faces))
print(count, int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(
  not Path("/proc/self/status").exists(), reason="peak memory of a process is read from Linux's /proc"
)
def test_memory_does_not_grow_with_the_length(tmp_path):
  peaks_mib = []
  for seconds in (30, 300):
    frames, times = numbered(5 * seconds, 5)
    frames = [np.repeat(np.repeat(frame, 5, 0), 5, 1) for frame in frames]
    path = write_media(tmp_path / f"{seconds}.mp4", frames, times, click(seconds, 1.0))
    done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
    count, peak_mib = done.stdout.split()
    assert int(count) == 3 * seconds
    peaks_mib.append(float(peak_mib))
  # The gray frames of the longer recording would take 200 MiB more.
  assert peaks_mib[1] - peaks_mib[0] < 20


@pytest.mark.parametrize("before", [2, 3, 7])
def test_images_before_a_block_are_the_last_earlier_images(tmp_path, before):
  path = write_media(tmp_path / "a.mov", *numbered(75), noise(3.0))
  plain, _ = read(path)
  blocks, report = read(path, dataclasses.replace(CLOCK, images_before=before))
  images = np.concatenate([np.zeros((before, 16, 16), np.uint8), *(block.images for block in plain)])
  mask = np.arange(len(images)) >= before
  assert len(blocks) == len(plain)
  for k, (block, own) in enumerate(zip(blocks, plain, strict=True)):
    span = slice(3 * k, 3 * k + before + 3)
    np.testing.assert_array_equal(block.images, images[span])
    np.testing.assert_array_equal(block.image_mask, mask[span])
    np.testing.assert_array_equal(block.boxes, own.boxes)
  assert report.num_images == 3 * len(blocks)


def test_images_before_a_face_are_its_own_and_masked_where_it_was_not_seen():
  def face(number, value):
    return FaceImages(number, 0, np.full((3, 2, 2), value, np.uint8), np.ones(3, bool), np.zeros((3, 4), np.float32))

  def block(index, *faces):
    return Block(index, np.zeros(4, np.int16), *dataclasses.astuple(face(0, 10 + index))[2:], faces)

  before = ImagesBefore(Clock(images_before=1))
  given = [(face(1, 100), face(2, 200)), (face(1, 101),), (face(1, 102), face(2, 202))]
  first, second, third = (before.put(block(index, *faces)) for index, faces in enumerate(given))
  assert [of.images[:2, 0, 0].tolist() for of in (first, *first.faces)] == [[0, 10], [0, 100], [0, 200]]
  assert [of.images[:2, 0, 0].tolist() for of in (second, *second.faces)] == [[10, 11], [100, 101]]
  assert [of.images[:2, 0, 0].tolist() for of in (third, *third.faces)] == [[11, 12], [101, 102], [0, 202]]
  assert [of.image_mask.tolist() for of in third.faces] == [[True] * 4, [False] + [True] * 3]


STILL_AND_LOST = {
  ".mp4": "libx264",
  ".mov": "libx264",
  ".mkv": "libx264",
  ".ts": "libx264",
  ".flv": "libx264",
  ".webm": "libvpx",
}


@pytest.mark.parametrize("suffix", STILL_AND_LOST)
def test_a_still_frame_is_displayed_until_the_next_in_every_container(tmp_path, suffix):
  """A still of 5 s begins at 1 s; no frame comes from 7 s to 15 s; the last frame, at 16 s, lasts as long as others."""
  times = [*np.arange(26) / 25, *(6.05 + np.arange(26) / 25), *(14.98 + np.arange(26) / 25)]
  frames = [gray(40 + n) for n in range(len(times))]
  audio_codec = {".ts": "aac", ".flv": "aac", ".webm": "libopus"}.get(suffix)
  path = write_media(
    tmp_path / f"a{suffix}",
    frames,
    times,
    np.zeros(3 * 18 * 16000, np.int16),
    sample_rate_hz=48000,
    video_codec=STILL_AND_LOST[suffix],
    audio_codec=audio_codec,
  )
  blocks, report = read(path, detect=None, box=FACE)
  mask = np.concatenate([block.image_mask for block in blocks])
  at = np.concatenate([CLOCK.image_times_s(block.index) for block in blocks])
  expected = (at < 7.05 + 5.5) | ((at >= 14.98) & (at < 15.98 + 0.04 + 0.5))
  np.testing.assert_array_equal(mask, expected)
  shown = np.concatenate([block.images.mean((1, 2)) for block in blocks])
  number = np.searchsorted(times, at + 1e-3, side="right") - 1
  np.testing.assert_allclose(shown[mask], 16 + (40 + number[mask]) * 219 / 255, atol=4)
  assert report.images_without_frame == np.count_nonzero(~expected)


@pytest.mark.parametrize("rate", [1, 2, 4, 5, 10])
def test_where_frames_come_too_seldom_to_follow_lips_the_audio_alone_decides(tmp_path, rate):
  frames, times = numbered(6 * rate, rate)
  blocks, report = read(write_media(tmp_path / "a.mkv", frames, times, noise(6.0)), faces="all")
  mask = np.concatenate([block.image_mask for block in blocks])
  at = np.concatenate([CLOCK.image_times_s(block.index) for block in blocks])
  # From the third frame on, the rate is known.
  expected = (at < 2 / rate) | (rate >= 5)
  np.testing.assert_array_equal(mask, expected)
  assert not np.isnan(np.concatenate([block.boxes for block in blocks])).any()
  for block in blocks:
    for face in block.faces:
      np.testing.assert_array_equal(face.image_mask, block.image_mask)
  warning = f"only {rate}.0 video frames per second: lips cannot be followed"
  reported = [line for line in report.warnings if warning in line]
  assert (len(reported), report.images_too_seldom) == (int(rate < 5), np.count_nonzero(~expected))


def test_audio_before_a_block_is_that_of_the_recording_and_silence_before_its_start(tmp_path):
  path = write_media(tmp_path / "a.mov", *numbered(75), noise(3.0))
  plain, _ = read(path)
  longer, _ = read(path, dataclasses.replace(CLOCK, frames_before=20))
  before = 20 * CLOCK.hop_samples
  assert len(longer) == len(plain)
  whole = np.zeros(before + CLOCK.start_sample(len(plain)) + CLOCK.block_samples, np.int16)
  for block in plain:
    start = before + CLOCK.start_sample(block.index)
    whole[start : start + CLOCK.block_samples] = block.waveform
  for block in longer:
    start = CLOCK.start_sample(block.index)
    np.testing.assert_array_equal(block.waveform, whole[start : start + before + CLOCK.block_samples])
  assert not longer[0].waveform[:before].any()
  assert longer[0].waveform[before:].any()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=12), st.integers(0, 60))
def test_waveforms_with_audio_before_do_not_depend_on_how_samples_come_in(lengths, frames_before):
  clock = Clock(frames_before=frames_before)
  samples = np.random.default_rng(0).integers(-9000, 9000, sum(lengths)).astype(np.int16)
  cutter = _Waveforms(clock)
  made = [wave for part in np.split(samples, np.cumsum(lengths)[:-1]) for wave in cutter.push(part)] + cutter.finish()
  whole = np.pad(samples, (clock.samples_before, clock.block_samples))
  starts = [clock.start_sample(block) for block in range(clock.num_blocks(len(samples) / clock.sample_rate_hz))]
  np.testing.assert_array_equal(made, [whole[start : start + clock.block_samples] for start in starts])
