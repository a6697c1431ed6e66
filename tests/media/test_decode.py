"""Files with known contents, written by PyAV alone and read by `media`."""

from fractions import Fraction
import re

import av
from media_files import SIZE, click, flash_and_click, gray, write_media
import numpy as np
import pytest

from attavvad_jax.media.decode import read_audio, read_frames
from attavvad_jax.media.encode import VideoWriter
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.frame import HOLD_S, LONG_SIDE_PX, Frame, FrameSampler, TimedFrame
from attavvad_jax.media.info import probe
from attavvad_jax.media.joiner import AudioJoiner

NTSC = Fraction(30000, 1001)


def read_all_audio(path, rate_hz=16000, warnings=None):
  return np.concatenate(list(read_audio(path, rate_hz, warnings=warnings)))


def levels(path, times_s, warnings=None):
  """Returns the mean brightness of the frame at each time, NaN where there is none."""
  frames = read_frames(path, times_s, warnings=warnings)
  return np.array([np.nan if frame is None else frame.rgb.mean() for frame in frames])


def middles(times_s, last_s):
  """Returns the time in the middle of each frame."""
  edges = np.array([*map(float, times_s), last_s])
  return (edges[:-1] + edges[1:]) / 2


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".mp4"])
@pytest.mark.parametrize("rate", [8, 25, NTSC, 60])
def test_flash_and_click_are_found_at_their_time(tmp_path, suffix, rate):
  frames, times, audio = flash_and_click(rate)
  path = write_media(tmp_path / f"a{suffix}", frames, times, audio)
  bright = levels(path, middles(times, 2.0)) > 128
  expected = [frame[0, 0, 0] > 128 for frame in frames]
  np.testing.assert_array_equal(bright, expected)
  amplitude = np.abs(read_all_audio(path).astype(int))
  if suffix == ".mp4":  # AAC spreads a click
    assert abs(int(np.argmax(amplitude)) - int(np.argmax(audio))) <= 2
  else:
    np.testing.assert_array_equal(amplitude, audio)


def test_flash_lasts_from_its_time_stamp_to_the_next(tmp_path):
  frames, times, audio = flash_and_click(25)
  path = write_media(tmp_path / "a.mov", frames, times, audio)
  eps = 1e-4
  np.testing.assert_array_equal(
    levels(path, [1 - eps, 1.0, 1 + eps, 1.04 - eps, 1.04]) > 128, [False, True, True, True, False]
  )


def test_time_that_falls_short_by_rounding_gets_the_frame_that_is_due(tmp_path):
  frames, times, audio = flash_and_click(25)
  path = write_media(tmp_path / "a.mov", frames, times, audio)
  assert levels(path, [np.nextafter(1.0, 0)])[0] > 128


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_variable_frame_rate_goes_by_time_stamps(tmp_path, suffix):
  times = np.cumsum(np.random.default_rng(0).integers(10, 200, 30)) / 1000
  times -= times[0]
  frames = [gray(20 + 8 * (i % 25)) for i in range(30)]
  path = write_media(tmp_path / f"a{suffix}", frames, times, click(3.5, 1.0))
  got = levels(path, middles(times, times[-1] + 0.1))
  np.testing.assert_allclose(got, [frame.mean() for frame in frames], atol=3)


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".mp4"])
@pytest.mark.parametrize("both_s", [0, 3])
def test_audio_that_starts_late_is_preceded_by_silence(tmp_path, suffix, both_s):
  frames, times, audio = flash_and_click(25)
  late = write_media(
    tmp_path / f"a{suffix}", frames, [t + both_s for t in times], audio[8000:], audio_start_s=both_s + 0.5
  )
  amplitude = np.abs(read_all_audio(late).astype(int))
  assert abs(int(np.argmax(amplitude)) - 16000) <= (2 if suffix == ".mp4" else 0)
  assert not amplitude[:7000].any()
  assert len(amplitude) == pytest.approx(32000, abs=1)
  assert np.argmax(levels(late, middles(times, 2.0))) == 25


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".mp4"])
def test_first_frame_of_late_video_is_held_backwards_for_a_while(tmp_path, suffix):
  frames, times, audio = flash_and_click(25)
  frames[0] = gray(120)
  path = write_media(tmp_path / f"a{suffix}", frames, [t + 1 for t in times], audio)
  got = levels(path, [0.0, 1 - HOLD_S - 0.02, 1 - HOLD_S + 0.02, 0.98, 1.02, 1.06, 2.02])
  np.testing.assert_allclose(got, [np.nan, np.nan, 120, 120, 120, 20, 230], atol=4)
  assert abs(int(np.argmax(np.abs(read_all_audio(path).astype(int)))) - 16000) <= 2


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".mp4"])
def test_last_frame_of_video_that_ends_early_is_held_and_then_absent(tmp_path, suffix):
  frames, times, audio = flash_and_click(25, seconds=4.0)
  path = write_media(tmp_path / f"a{suffix}", frames[:25], times[:25], audio)
  got = levels(path, [0.99, 1 + HOLD_S - 0.05, 1 + HOLD_S + 0.05, 3.0])
  np.testing.assert_allclose(got, [20, 20, np.nan, np.nan], atol=4)
  assert len(read_all_audio(path)) == pytest.approx(64000, abs=1)


def test_frame_stands_in_for_half_a_second():
  sampler = FrameSampler()
  for time_s in (0.0, 0.04, 3.0):
    sampler.push(TimedFrame(time_s, time_s))
  assert [sampler.at(0.53), sampler.at(0.55)] == [0.04, None]


def test_frame_of_unknown_length_does_not_outlast_a_long_gap():
  """Neither within a file nor at its end: a stream cannot know whether frames will follow a gap."""
  sampler = FrameSampler()
  for time_s in (0.0, 0.04, 3.0):
    sampler.push(TimedFrame(time_s, time_s))
  assert [sampler.at(time_s) for time_s in (0.02, 0.05, 0.03 + HOLD_S, 0.05 + HOLD_S, 2.9, 3.0)] == [
    0.0,
    0.04,
    0.04,
    None,
    None,
    3.0,
  ]


def test_sampler_knows_what_a_later_frame_has_settled():
  sampler = FrameSampler()
  assert not sampler.knows(0.0)
  sampler.push(TimedFrame(0.0, "a"))
  assert not sampler.knows(0.0)
  sampler.push(TimedFrame(0.5, "b"))
  assert sampler.knows(0.4)
  assert not sampler.knows(0.5)
  sampler.end()
  assert sampler.knows(9.0)


def test_frame_that_is_repeated_or_late_is_left_out():
  sampler = FrameSampler()
  assert [sampler.push(TimedFrame(time_s, name)) for time_s, name in ((0.1, "a"), (0.1, "b"), (0.0, "c"))] == [
    True,
    False,
    False,
  ]
  assert sampler.at(0.2) == "a"


def test_frame_from_colors_has_their_luma():
  """The luma is that of BT.601 in its limited range."""
  rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
  gray_frame = Frame.from_rgb(rgb).gray
  assert gray_frame.shape == (48, 64)
  expected = 16 + (rgb @ [65.738, 129.057, 25.064]) / 256
  assert np.abs(gray_frame - expected).max() < 2
  with pytest.raises(ValueError, match="expected uint8"):
    Frame.from_rgb(rgb[..., 0])


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_audio_that_ends_early_ends_early(tmp_path, suffix):
  frames, times, audio = flash_and_click(25)
  path = write_media(tmp_path / f"a{suffix}", frames, times, audio[:20000])
  warnings = []
  assert len(read_all_audio(path, warnings=warnings)) == pytest.approx(20000, abs=1)
  assert warnings == []


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv", ".avi"])
def test_audio_shorter_than_video_is_reported_once_with_both_lengths(tmp_path, suffix):
  times = np.arange(75) / 25
  path = write_media(tmp_path / f"a{suffix}", [gray(20)] * 75, times, click(1.5, 1.0))
  warnings = []
  assert len(read_all_audio(path, warnings=warnings)) == pytest.approx(24000, abs=1200)
  (warning,) = warnings
  match = re.match(r"audio ends at (.*) s, video at (.*) s:", warning)
  audio_s, video_s = map(float, match.groups())
  assert audio_s == pytest.approx(1.5, abs=0.08)
  assert video_s == pytest.approx(3.0, abs=0.05)


def test_video_that_outlasts_the_audio_by_little_causes_no_warning(tmp_path):
  warnings = []
  path = write_media(tmp_path / "a.mp4", [gray(20)] * 47, np.arange(47) / 25, click(1.5, 1.0))
  read_all_audio(path, warnings=warnings)
  assert warnings == []


@pytest.mark.parametrize("rate_hz", [16000, 22050, 44100, 48000])
def test_resampled_stereo_sine_keeps_its_phase_and_length(tmp_path, rate_hz):
  seconds, hz = 2.0, 440.0
  sine = np.round(10000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.int16)
  path = write_media(tmp_path / "a.mkv", audio=np.stack([sine, sine // 2], 1), sample_rate_hz=rate_hz)
  got = read_all_audio(path)
  assert len(got) == pytest.approx(32000, abs=1)
  expected = 7500 * np.sin(2 * np.pi * hz * np.arange(len(got)) / 16000)
  inner = slice(160, -160)  # the resampler sees silence beyond the ends
  # A shift by one sample would cause an error of 1,290.
  assert np.abs(got - expected)[inner].max() < 15


@pytest.mark.parametrize(("late_ms", "lost"), [(0, False), (9, False), (20, True)], ids=["even", "jitter", "lost"])
def test_jitter_of_time_stamps_is_no_gap_and_a_lost_packet_is(late_ms, lost):
  """In the second half, time stamps of 20 ms packets are late by less than a packet, or by a whole lost packet."""
  audio = np.random.default_rng(0).integers(-9000, 9000, 6400).astype(np.int16)
  joiner, got = AudioJoiner(16_000, Fraction(0), []), []
  for packet in range(20):
    frame = av.AudioFrame.from_ndarray(audio[None, 320 * packet : 320 * (packet + 1)], format="s16", layout="mono")
    frame.sample_rate, frame.time_base = 16_000, Fraction(1, 1000)
    frame.pts = 20 * packet + (late_ms if packet >= 10 else 0)
    got += joiner.push(frame)
  got = np.concatenate([*got, *joiner.finish()])
  silence = np.zeros(320 if lost else 0, np.int16)
  np.testing.assert_array_equal(got, np.concatenate([audio[:3200], silence, audio[3200:]]))


def test_gap_in_the_audio_is_silence_and_is_reported(tmp_path):
  audio = click(3.0, 2.5)
  path = tmp_path / "a.mkv"
  write_media(path, [gray(20)] * 75, np.arange(75) / 25, audio)
  cut = tmp_path / "b.mkv"
  with av.open(str(path)) as source, av.open(str(cut), "w") as target:
    streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
    for packet in source.demux():
      if packet.dts is None or (packet.stream.type == "audio" and 0.9 < packet.pts * packet.time_base < 1.9):
        continue
      packet.stream = streams[packet.stream_index]
      target.mux(packet)
  warnings = []
  np.testing.assert_array_equal(read_all_audio(cut, warnings=warnings), audio)
  assert len(warnings) == 1
  assert "the gap is filled with silence" in warnings[0]


def test_audio_that_jumps_back_is_left_out_where_it_overlaps(tmp_path, monkeypatch):
  """Each sample's value is its index; from 1 s on, time stamps are 0.6 s early."""
  audio = np.arange(32000, dtype=np.int16)
  path = write_media(tmp_path / "a.wav", audio=audio)

  def frames(*_):
    for first in range(0, 32000, 1000):
      frame = av.AudioFrame.from_ndarray(audio[None, first : first + 1000], format="s16", layout="mono")
      frame.sample_rate, frame.time_base = 16000, Fraction(1, 16000)
      frame.pts = first if first < 16000 else first - 9600
      yield frame

  info = probe(path)
  monkeypatch.setattr("attavvad_jax.media.decode.decode_frames", frames)
  warnings = []
  samples = np.concatenate(list(read_audio(path, 16000, info=info, warnings=warnings)))
  np.testing.assert_array_equal(samples, [*range(16000), *range(16000 + 9600, 32000)])
  assert any("from 1.00 s to 0.40 s" in line and "left out" in line for line in warnings)


@pytest.mark.parametrize(
  ("matrix", "corner"),
  [
    ((1, 0, 0, 1), (0, 0)),
    ((0, 1, -1, 0), (0, -1)),
    ((-1, 0, 0, -1), (-1, -1)),
    ((0, -1, 1, 0), (-1, 0)),
  ],
)
def test_frames_are_rotated_by_the_matrix_of_the_file(tmp_path, matrix, corner):
  """The QuickTime matrix (a b; c d) takes (x, y), y downwards, to (ax + cy, bx + dy): (0 1; -1 0) turns clockwise."""
  frame = gray(20)
  frame[:16, :16] = 230  # top left as stored
  path = write_media(tmp_path / "a.mp4", [frame] * 5, np.arange(5) / 25, click(0.2, 0.1))
  content = bytearray(path.read_bytes())
  at = content.index(b"tkhd") + 4 + 40
  for place, value in zip((0, 4, 12, 16), matrix, strict=True):
    content[at + place : at + place + 4] = (value << 16).to_bytes(4, "big", signed=True)
  path.write_bytes(content)
  upright = next(read_frames(path, [0.1])).rgb
  width, height = (SIZE[1], SIZE[0]) if matrix[0] == 0 else SIZE
  assert upright.shape == (height, width, 3)
  assert (probe(path).width_px, probe(path).height_px) == (width, height)
  bright = [(y, x) for y in (0, -1) for x in (0, -1) if upright[y, x].mean() > 128]
  assert bright == [corner]


@pytest.mark.parametrize("turns", [0, 1])
def test_pixels_become_square(tmp_path, turns):
  frame = gray(20)
  frame[:, :16] = 230  # a quarter of the width
  path = write_media(tmp_path / "a.mp4", [frame] * 3, np.arange(3) / 25, aspect=Fraction(2), turns=turns)
  shown = np.rot90(next(read_frames(path, [0.0])).rgb, -turns)
  assert shown.shape == (48, 128, 3)
  assert (shown[20, :28] > 128).all()
  assert (shown[20, 36:] < 128).all()
  info = probe(path)
  assert (info.width_px, info.height_px) == ((48, 128) if turns else (128, 48))


@pytest.mark.parametrize(
  ("size", "shown"), [((1920, 1080), (960, 540)), ((540, 1200), (432, 960)), ((64, 48), (64, 48))]
)
def test_large_frames_are_scaled_to_the_long_side(tmp_path, size, shown):
  path = write_media(tmp_path / "a.mp4", [gray(90, size)] * 2, [0, 0.04])
  frame = next(read_frames(path, [0.0])).rgb
  assert frame.shape == (shown[1], shown[0], 3)
  assert max(shown) <= LONG_SIDE_PX
  assert abs(frame.mean() - 90) < 3
  assert (probe(path).width_px, probe(path).height_px) == size


@pytest.mark.parametrize(("size", "turns"), [((64, 48), 0), ((64, 48), 1), ((1440, 810), 0)])
def test_gray_is_the_luma_of_the_same_frame(tmp_path, size, turns):
  """Compares with BT.601's weights in limited range, applied to the colors; also for scaled and rotated frames."""
  frames = [np.zeros((size[1], size[0], 3), np.uint8)] * 3
  frames[0][:, : size[0] // 2], frames[0][:, size[0] // 2 :] = (200, 60, 60), (60, 200, 90)
  shown = next(read_frames(write_media(tmp_path / "a.mp4", frames, np.arange(3) / 25, turns=turns), [0.0]))
  assert shown.gray.shape == shown.rgb.shape[:2]
  assert shown.gray.flags["C_CONTIGUOUS"]
  luma = 16 + shown.rgb @ np.array([0.299, 0.587, 0.114]) * 219 / 255
  assert np.abs(shown.gray - luma).mean() < 1.5
  assert shown.gray is shown.gray


def test_colors_come_back(tmp_path):
  frame = np.zeros((48, 64, 3), np.uint8)
  frame[:, :32], frame[:, 32:] = (200, 60, 60), (60, 60, 200)
  with VideoWriter(tmp_path / "a.mp4", 64, 48, 25, 16000) as writer:
    writer.write_frame(frame)
    writer.write_samples(np.zeros(640, np.int16))
  shown = next(read_frames(tmp_path / "a.mp4", [0.0])).rgb.astype(int)
  assert np.abs(shown[24, 16] - (200, 60, 60)).max() < 8
  assert np.abs(shown[24, 48] - (60, 60, 200)).max() < 8


def test_times_may_depend_on_what_was_read(tmp_path):
  frames, times, audio = flash_and_click(25)
  path = write_media(tmp_path / "a.mov", frames, times, audio)
  asked = []

  def ask():
    for time in (0.02, 1.02, 1.5):
      asked.append(time)
      yield time

  for count, frame in enumerate(read_frames(path, ask()), 1):
    assert len(asked) == count
    assert (frame.rgb.mean() > 128) == (count == 2)


def test_probe_returns_the_contents_of_a_file(tmp_path):
  frames, times, audio = flash_and_click(NTSC)
  path = write_media(tmp_path / "a.mov", frames, [t + 1 for t in times], audio, audio_start_s=1, sample_rate_hz=16000)
  info = probe(path)
  assert info.duration_s == pytest.approx(2.0, abs=1e-3)
  assert (info.sample_rate_hz, info.width_px, info.height_px) == (16000, *SIZE)
  assert info.frames_per_second == pytest.approx(float(NTSC), rel=0.02)
  assert info.has_audio
  assert info.has_video


def test_probe_distinguishes_audio_alone_and_video_alone(tmp_path):
  audio = probe(write_media(tmp_path / "a.wav", audio=click(1.0, 0.5)))
  video = probe(write_media(tmp_path / "b.mp4", [gray(9)] * 3, np.arange(3) / 25))
  assert (audio.has_audio, audio.has_video) == (True, False)
  assert (video.has_audio, video.has_video) == (False, True)


def ramp(seconds=6):
  """Makes frames that brighten each second, over noise that is hard to compress, and a click each second."""
  rng = np.random.default_rng(0)
  times = np.arange(25 * seconds) / 25
  frames = [
    np.clip(gray(40 + 20 * int(t)) + rng.integers(-20, 20, (48, 64, 3)), 0, 255).astype(np.uint8) for t in times
  ]
  audio = sum(click(seconds, second + 0.5) for second in range(seconds))
  return frames, times, audio


FORMATS = [(".mkv", {}), (".ts", {}), (".mp4", {"movflags": "faststart"}), (".mov", {"movflags": "faststart"})]


@pytest.mark.parametrize(("suffix", "options"), FORMATS)
def test_the_intact_beginning_of_a_truncated_file_is_used(tmp_path, suffix, options):
  frames, times, audio = ramp()
  path = write_media(tmp_path / f"a{suffix}", frames, times, audio, options=options)
  path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
  warnings = []
  amplitude = np.abs(read_all_audio(path, warnings=warnings).astype(int))
  seen = levels(path, np.arange(6) + 0.5, warnings)
  assert 3 < len(amplitude) / 16000 < 4.5
  for second in range(3):
    assert abs(np.argmax(amplitude[16000 * second :][:16000]) - 8000) <= (1100 if suffix == ".ts" else 2)
  np.testing.assert_allclose(seen[:3], [40, 60, 80], atol=6)
  assert np.isnan(seen[5])
  assert any("ends at" in line or "damaged" in line for line in warnings)


@pytest.mark.parametrize(("suffix", "options"), FORMATS)
def test_reading_continues_after_a_damaged_place(tmp_path, suffix, options):
  frames, times, audio = ramp()
  path = write_media(tmp_path / f"a{suffix}", frames, times, audio, options=options)
  content = bytearray(path.read_bytes())
  middle = len(content) // 2
  content[middle : middle + 9000] = np.random.default_rng(0).integers(0, 256, 9000, np.uint8).tobytes()
  path.write_bytes(content)
  warnings = []
  amplitude = np.abs(read_all_audio(path, warnings=warnings).astype(int))
  seen = levels(path, np.arange(6) + 0.5, warnings)
  for second in (0, 1, 5):
    assert abs(np.argmax(amplitude[16000 * second :][:16000]) - 8000) <= (1100 if suffix == ".ts" else 2)
  np.testing.assert_allclose(seen[[0, 1, 5]], [40, 60, 140], atol=6)
  assert any("damaged" in line for line in warnings)
  assert len(warnings) <= 3  # fewer than one for each packet


def test_an_undamaged_file_gives_no_warning(tmp_path):
  for suffix, options in FORMATS:
    path = write_media(tmp_path / f"a{suffix}", *ramp(2), options=options, audio_start_s=0)
    warnings = []
    read_all_audio(path, warnings=warnings)
    levels(path, [0.5, 1.5, 2.5], warnings)
    assert (suffix, warnings) == (suffix, [])


def test_late_start_in_matroska_is_not_taken_for_a_missing_end(tmp_path):
  frames, times, audio = flash_and_click(25)
  path = write_media(tmp_path / "a.mkv", frames, times + np.full(50, 3), audio, audio_start_s=3)
  warnings = []
  read_all_audio(path, warnings=warnings)
  assert warnings == []


def without_index(path):
  write_media(path, *flash_and_click(25))
  content = path.read_bytes()
  path.write_bytes(content[: content.index(b"moov") - 4])


def folder(path):
  path.mkdir()


BAD = {
  "missing": (lambda path: None, FileNotFoundError, "no such file"),
  "folder": (folder, IsADirectoryError, "folder"),
  "text": (lambda path: path.write_text("not a video\n" * 50), MediaError, "not a video or audio file"),
  "empty": (lambda path: path.write_bytes(b""), MediaError, "the file is empty"),
  "cut": (without_index, MediaError, "without its index \\(moov\\)"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("read", [probe, lambda path: read_audio(path, 16000), lambda path: read_frames(path, [0.0])])
def test_bad_input_is_named_in_one_line_before_anything_is_read(tmp_path, name, read):
  make, kind, message = BAD[name]
  path = tmp_path / "bad.mp4"
  make(path)
  with pytest.raises(kind, match=message) as error:
    read(path)
  assert str(path) in str(error.value)
  assert "\n" not in str(error.value)


def test_reading_audio_of_a_file_without_audio_is_an_error(tmp_path):
  path = write_media(tmp_path / "a.mp4", [gray(9)] * 3, np.arange(3) / 25)
  with pytest.raises(MediaError, match="no audio in this file"):
    read_audio(path, 16000)


def test_a_colon_in_the_name_is_part_of_the_name(tmp_path, monkeypatch):
  write_media(tmp_path / "http:a.wav", audio=click(1.0, 0.5))
  monkeypatch.chdir(tmp_path)
  np.testing.assert_array_equal(read_all_audio("http:a.wav"), click(1.0, 0.5))


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".flac", "flac")])
def test_a_cover_image_is_not_a_video(tmp_path, suffix, codec):
  path = tmp_path / f"song{suffix}"
  encoder = av.CodecContext.create("png", "w")
  encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *SIZE, "rgb24", Fraction(1, 25)
  image = av.VideoFrame.from_ndarray(gray(99), format="rgb24")
  audio_frame = av.AudioFrame.from_ndarray(click(0.5, 0.2)[None], format="s16", layout="mono")
  audio_frame.sample_rate = 16000
  with av.open(str(path), "w") as container:
    audio = container.add_stream(codec, rate=16000, layout="mono")
    cover = container.add_stream("png", rate=25)
    cover.width, cover.height, cover.pix_fmt = *SIZE, "rgb24"
    cover.disposition = av.stream.Disposition.attached_pic
    container.mux(audio.encode(audio_frame))
    container.mux(audio.encode(None))
    for packet in encoder.encode(image):
      packet.stream = cover
      container.mux(packet)
  with av.open(str(path)) as container:
    assert container.streams.best("video").disposition & av.stream.Disposition.attached_pic
  assert not probe(path).has_video
  assert list(read_frames(path, [0.1])) == [None]
