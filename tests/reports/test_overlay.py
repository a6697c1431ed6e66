from fractions import Fraction
import io
import re

import av
import numpy as np
import pytest

from attavvad_jax.media.errors import MediaError
from attavvad_jax.reports.overlay import write_annotated_video
from attavvad_jax.timeline import Clock, Event, Timeline
from attavvad_jax.timeline.palette import EVENT_COLORS

WIDTH, HEIGHT, SECONDS = 480, 320, 2
# Uneven time stamps in ticks of 1/1000 s, as phones write them.
UNEVEN_MS = np.cumsum([0, *np.random.default_rng(0).integers(20, 90, 34)]).tolist()
EVEN_MS = list(range(0, 1000 * SECONDS, 40))
TIMELINE = Timeline([Event(0, 0.8, "speech"), Event(0.8, 1.4, "singing")], 1.8)


def make_video(path, times_ms=EVEN_MS, *, codec="aac", turned=None, size=(WIDTH, HEIGHT), start_ms=0):
  """Writes a mid-gray video, with a tone as its audio unless `codec` is None."""
  with av.open(str(path), "w") as container:
    video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
    video.width, video.height, video.pix_fmt = *size, "yuv444p"
    video.time_base = video.codec_context.time_base = Fraction(1, 1000)
    if turned is not None:
      video.set_display_rotation(turned)
    audio = container.add_stream(codec, rate=16_000, layout="mono") if codec else None
    for time_ms in times_ms:
      rgb = np.full((size[1], size[0], 3), 128, np.uint8)
      rgb[:20, -20:] = (255, 0, 0)  # marks the top right corner, to see rotations
      frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
      frame.pts, frame.time_base = time_ms + start_ms, Fraction(1, 1000)
      container.mux(video.encode(frame))
    container.mux(video.encode(None))
    if audio is not None:
      tone = np.sin(np.arange(16_000 * SECONDS) * 0.1)[None] * 9000
      frame = av.AudioFrame.from_ndarray(tone.astype(np.int16), format="s16", layout="mono")
      frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
      frame.pts = 16 * start_ms
      container.mux(audio.encode(frame))
      container.mux(audio.encode(None))
  return path


def read_frames(path):
  """Returns (seconds, RGB) of every frame, as stored."""
  with av.open(str(path)) as container:
    return [(frame.time, frame.to_ndarray(format="rgb24").astype(int)) for frame in container.decode(video=0)]


def read_packets(path):
  """Returns (seconds, bytes) of every audio packet."""
  with av.open(str(path)) as container:
    packets = list(container.demux(audio=0))
  return [(round(float(p.pts * p.time_base), 4), bytes(p)) for p in packets if p.dts is not None]


def state_shown(rgb):
  """Returns the event whose color the left edge of the panel has; None without a panel."""
  mean = rgb[2:20, :2].mean(axis=(0, 1))
  distances = {label: np.abs(mean - color).max() for label, color in EVENT_COLORS.items()}
  best = min(distances, key=distances.get)
  return best if distances[best] < 12 else None


@pytest.fixture(scope="module")
def source(tmp_path_factory):
  return make_video(tmp_path_factory.mktemp("overlay") / "source.mp4")


@pytest.fixture(scope="module")
def annotated(source):
  target = source.with_name("annotated.mp4")
  write_annotated_video(source, target, TIMELINE)
  return target


def test_every_frame_keeps_its_time(source, annotated):
  assert [time_s for time_s, _ in read_frames(annotated)] == [time_s for time_s, _ in read_frames(source)]


def test_audio_packets_are_identical(source, annotated):
  assert read_packets(annotated) == read_packets(source)


def test_mp3_is_kept(tmp_path):
  source = make_video(tmp_path / "source.mp4", EVEN_MS[:3], codec="mp3")
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE)
  assert [data for _, data in read_packets(tmp_path / "target.mp4")] == [data for _, data in read_packets(source)]


def test_duration_is_kept(source, annotated):
  with av.open(str(source)) as a, av.open(str(annotated)) as b:
    assert b.duration / 1e6 == pytest.approx(a.duration / 1e6, abs=0.041)


def test_state_changes_with_the_frame_at_the_event(annotated):
  shown = [(round(time_s, 2), state_shown(rgb)) for time_s, rgb in read_frames(annotated)]
  expected = [
    (t, "speech" if t < 0.8 else "singing" if t < 1.4 else "others" if t < 1.8 else None)
    for t in (ms / 1000 for ms in EVEN_MS)
  ]
  assert shown == expected


def test_frames_are_unchanged_outside_the_panel(annotated):
  for _, rgb in read_frames(annotated):
    assert np.abs(rgb[HEIGHT // 2 :] - 128).max() < 8


def test_uneven_times_are_kept(tmp_path):
  source = make_video(tmp_path / "source.mkv", UNEVEN_MS)
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE)
  times_ms = [round(1000 * time_s, 1) for time_s, _ in read_frames(tmp_path / "target.mp4")]
  assert times_ms == UNEVEN_MS


def test_a_file_that_starts_late_starts_at_zero(tmp_path):
  source = make_video(tmp_path / "source.mkv", start_ms=5000)
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE)
  times_s = [time_s for time_s, _ in read_frames(tmp_path / "target.mp4")]
  # Audio starts before the first frame by at most the encoder's delay.
  assert 0 <= times_s[0] < 0.1
  assert np.diff(times_s) == pytest.approx(0.04)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_videos_are_written_upright(tmp_path, degrees):
  source = make_video(tmp_path / "source.mp4", EVEN_MS[:3], turned=degrees)
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE)
  with av.open(str(source)) as container:
    frame = next(container.decode(video=0))
  upright = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90).astype(int)
  _, written = read_frames(tmp_path / "target.mp4")[0]
  assert frame.rotation != 0
  assert written.shape == upright.shape
  # Below the panel and away from the edge of the red corner, the frame is unchanged.
  assert np.abs(written - upright)[160:].mean() < 2
  assert state_shown(written) == "speech"


def test_odd_sizes_are_padded(tmp_path):
  source = make_video(tmp_path / "source.mkv", EVEN_MS[:3], size=(481, 321))
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE)
  assert read_frames(tmp_path / "target.mp4")[0][1].shape == (322, 482, 3)


def test_audio_that_mp4_does_not_hold_becomes_aac(tmp_path):
  source = make_video(tmp_path / "source.mkv", codec="pcm_s16le")
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE)
  with av.open(str(tmp_path / "target.mp4")) as container:
    stream = container.streams.audio[0]
    samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
    assert stream.codec_context.name == "aac"
  # The tone continues to the end at its level.
  assert len(samples) == pytest.approx(16_000 * SECONDS, abs=2048)
  assert np.sqrt(np.mean(samples[4000:28_000] ** 2)) == pytest.approx(9000 / 32768 / np.sqrt(2), rel=0.02)


def test_video_without_audio(tmp_path):
  source = make_video(tmp_path / "source.mp4", codec=None)
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE)
  assert len(read_frames(tmp_path / "target.mp4")) == len(EVEN_MS)


def test_curves_move_below_the_frame(source, tmp_path):
  scores = np.zeros((6, 4))
  scores[:3, 1], scores[3:, 1] = 0.25, 0.75
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE, scores=scores)
  frames = read_frames(tmp_path / "target.mp4")
  for time_s, rgb in frames:
    assert rgb.shape == (HEIGHT + 78, WIDTH, 3)
    assert np.abs(rgb[HEIGHT // 2 : HEIGHT] - 128).max() < 8
    band = rgb[HEIGHT + 4 : -4, 110:]  # right of the legend
    ys, xs = np.nonzero(np.abs(band - EVENT_COLORS["speech"]).max(-1) < 60)
    # The current time is in the middle; to its left, undimmed, are the last 5 s over half of the width.
    middle = (WIDTH - 7 - 104) / 2 - 6
    seconds = (xs - middle) / middle * 5 + time_s
    for low, high, level in ((0.0, 1.0, 0.25), (1.0, 2.0, 0.75)):
      here = ys[(seconds > low + 0.15) & (seconds < min(high, time_s) - 0.15)]
      if min(high, time_s) - low > 0.5:
        # The band has a margin of 12 design pixels at both ends, less the 4 rows that are cut off here.
        assert here.mean() == pytest.approx(3 + 64 * (1 - level), abs=3), (time_s, low)


def test_without_scores_the_frame_keeps_its_size(annotated):
  assert read_frames(annotated)[0][1].shape == (HEIGHT, WIDTH, 3)


def test_box_follows_the_images_of_its_blocks(source, tmp_path):
  clock = Clock(block_rate_hz=1.0, images_per_block=2)
  boxes = np.full((2, 2, 4), np.nan, np.float32)
  boxes[0, 1] = (0.5, 0.5, 0.25, 0.375)  # from 0.5 to 1 s
  write_annotated_video(source, tmp_path / "target.mp4", TIMELINE, boxes=boxes, clock=clock)
  for time_s, rgb in read_frames(tmp_path / "target.mp4"):
    left_edge, inside = rgb[200, 240] - 128, rgb[220, 300] - 128
    assert (np.abs(left_edge).max() > 20) == (0.5 <= time_s < 1.0), time_s
    assert np.abs(inside).max() < 8


def test_audio_without_video_is_an_error(tmp_path):
  with av.open(str(tmp_path / "audio.wav"), "w") as container:
    audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
    frame.sample_rate, frame.pts = 16_000, 0
    container.mux(audio.encode(frame))
  with pytest.raises(MediaError, match=r"audio\.wav: no video"):
    write_annotated_video(tmp_path / "audio.wav", tmp_path / "target.mp4", TIMELINE)


def test_the_video_itself_is_never_overwritten(source):
  before = source.read_bytes()
  with pytest.raises(ValueError, match=r"source\.mp4 is the source video"):
    write_annotated_video(source, source, TIMELINE)
  assert source.read_bytes() == before


@pytest.mark.parametrize(
  ("arrays", "message"),
  [({"scores": np.zeros((6, 3))}, "scores have shape"), ({"boxes": np.zeros((6, 4))}, "boxes have shape")],
)
def test_arrays_of_wrong_shape_are_errors(source, tmp_path, arrays, message):
  with pytest.raises(ValueError, match=message):
    write_annotated_video(source, tmp_path / "target.mp4", TIMELINE, **arrays)


def test_drawing_shows_its_progress_on_a_terminal(source, tmp_path, monkeypatch):
  class Terminal(io.StringIO):
    isatty = lambda self: True  # noqa: E731

  terminal = Terminal()
  monkeypatch.setattr("sys.stderr", terminal)
  monkeypatch.setenv("TQDM_MININTERVAL", "0")
  write_annotated_video(source, tmp_path / "b.mp4", TIMELINE)
  bars = re.findall(r"drawing: +\d+%\|.*?\| (\d)/(\d) ", terminal.getvalue())
  assert sorted({int(done) for done, _ in bars}) == list(range(SECONDS))
  assert {int(total) for _, total in bars} == {SECONDS}


def test_a_failure_leaves_no_file(source, tmp_path):
  with pytest.raises(FileNotFoundError, match="is not a folder"):
    write_annotated_video(source, tmp_path / "none" / "target.mp4", TIMELINE)
  with pytest.raises(TypeError):
    write_annotated_video(source, tmp_path / "target.mp4", TIMELINE, scores=np.full((6, 4), "x"))
  assert list(tmp_path.iterdir()) == []


def test_the_readable_part_of_a_damaged_video_is_used(source, tmp_path):
  data = bytearray(make_video(tmp_path / "source.mkv").read_bytes())
  (tmp_path / "source.mkv").write_bytes(data[: len(data) * 2 // 3])
  write_annotated_video(tmp_path / "source.mkv", tmp_path / "target.mp4", TIMELINE)
  assert 5 < len(read_frames(tmp_path / "target.mp4")) < len(EVEN_MS)
