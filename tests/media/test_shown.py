"""Display time and orientation of decoded frames, for files whose frames show their number or mark their corners."""

from fractions import Fraction
import math

import av
from av.bitstream import BitStreamFilterContext
from media_files import SIZE, click, gray, with_edits, write_media
import numpy as np
import pytest

from attavvad_jax.media.decode import read_audio, read_frames
from attavvad_jax.media.info import probe
from attavvad_jax.media.rewrite import rewrite
from attavvad_jax.media.shown import decoder

AUDIO_HZ = 48000
# Delay of MPEG layer 2 in samples, which its containers do not declare.
AUDIO_DELAY = 481


def write_numbered(path, codec, options=None, count=50):
  """Writes a file that shows frame n, of luma 16 + 4 n, at n / 25 s, with a click at frame 25."""
  with av.open(str(path), "w") as container:
    video = container.add_stream(codec, rate=25, options=options or {})
    video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
    video.codec_context.thread_count = 1
    # Elementary streams hold no audio, and FLV no mp2.
    has_audio = path.suffix not in (".h264", ".m2v", ".flv")
    audio = container.add_stream("mp2", rate=AUDIO_HZ, layout="mono") if has_audio else None
    samples = click(count / 25, 1.0, AUDIO_HZ)
    for n in range(count):
      yuv = np.full((72, 64), 128, np.uint8)
      yuv[:48] = 16 + 4 * n
      frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
      frame.pts, frame.time_base = n, Fraction(1, 25)
      container.mux(video.encode(frame))
      if audio is not None:
        part = samples[n * AUDIO_HZ // 25 : (n + 1) * AUDIO_HZ // 25]
        piece = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
        piece.sample_rate, piece.pts, piece.time_base = AUDIO_HZ, n * AUDIO_HZ // 25, Fraction(1, AUDIO_HZ)
        container.mux(audio.encode(piece))
    for stream in filter(None, (video, audio)):
      container.mux(stream.encode(None))
  return path


def numbers(path, times_s, info=None):
  """Returns the number of the frame at each time, -1 where there is none."""
  frames = read_frames(path, times_s, info=info)
  return [-1 if frame is None else round((frame.gray.mean() - 16) / 4) for frame in frames]


H264 = {"preset": "ultrafast", "b-adapt": "0"}
REORDERED = [
  (".avi", "libx264", H264 | {"bf": "0"}),
  (".avi", "libx264", H264 | {"bf": "2"}),
  (".avi", "libx264", H264 | {"bf": "3", "b-pyramid": "normal"}),
  (".avi", "mpeg4", {"bf": "1", "qmin": "2", "qmax": "2"}),
  (".avi", "mpeg4", {"bf": "2", "qmin": "2", "qmax": "2"}),
  (".wmv", "libx264", H264 | {"bf": "3"}),
  (".flv", "libx264", H264 | {"bf": "3"}),
  (".mkv", "libx264", H264 | {"bf": "3"}),
  (".mp4", "libx264", H264 | {"bf": "3"}),
  (".ts", "libx264", H264 | {"bf": "3"}),
  (".mpg", "mpeg2video", {"bf": "2", "qmin": "2", "qmax": "2"}),
  (".h264", "libx264", H264 | {"bf": "3"}),
  (".m2v", "mpeg2video", {"bf": "2", "qmin": "2", "qmax": "2"}),
]


@pytest.mark.parametrize(("suffix", "codec", "options"), REORDERED)
def test_each_frame_is_displayed_at_its_time_and_with_its_audio(tmp_path, suffix, codec, options):
  """Frames are requested in the middle of their 40 ms. Some containers have no presentation times."""
  path = write_numbered(tmp_path / f"a{suffix}", codec, options)
  info = probe(path)
  zero_s = 0.0
  if info.has_audio:
    amplitude = np.abs(np.concatenate(list(read_audio(path, AUDIO_HZ, info=info))).astype(int))
    zero_s = (int(np.argmax(amplitude)) - AUDIO_DELAY) / AUDIO_HZ - 1
  assert numbers(path, [zero_s + (n + 0.5) / 25 for n in range(50)], info) == list(range(50))


def test_frames_of_a_rewritten_recording_keep_their_times(tmp_path):
  path = write_numbered(tmp_path / "a.avi", "libx264", H264 | {"bf": "2"})
  rewrite(path, tmp_path / "b.mp4", probe(path), {"aac"})
  assert numbers(tmp_path / "b.mp4", [(n + 0.5) / 25 for n in range(50)]) == list(range(50))


def turned(path, matrix):
  """Replaces the matrix (a b; c d) in the track of a file."""
  content = bytearray(path.read_bytes())
  at = content.index(b"tkhd") + 4 + 40
  for place, value in zip((0, 4, 12, 16), matrix, strict=True):
    content[at + place : at + place + 4] = round(value * 65536).to_bytes(4, "big", signed=True)
  path.write_bytes(content)
  return path


# Brightness of the corners top left, top right, bottom left and bottom right, as stored.
CORNERS = (60, 110, 170, 230)


def corners(levels, size=SIZE):
  frame = gray(16, size)
  height, width = frame.shape[:2]
  for level, rows in zip(levels, np.ndindex(2, 2), strict=True):
    frame[rows[0] * height // 2 :, rows[1] * width // 2 :][: height // 2, : width // 2] = level
  return frame


def seen(rgb):
  """Returns the brightness of the four corners, in the order of `CORNERS`."""
  height, width = rgb.shape[:2]
  return [float(rgb[y, x].mean()) for y in (height // 8, -height // 8) for x in (width // 8, -width // 8)]


def displayed(matrix):
  """Returns the corners after each point (x, y), y downwards, moves to (a x + c y, b x + d y)."""
  a, b, c, d = matrix
  at = {(round(a * x + c * y), round(b * x + d * y)): level for (y, x), level in zip(PLACES, CORNERS, strict=True)}
  return [at[x, y] for y, x in PLACES]


PLACES = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
ORIENTATIONS = [
  (1, 0, 0, 1),
  (0, 1, -1, 0),
  (-1, 0, 0, -1),
  (0, -1, 1, 0),
  (-1, 0, 0, 1),
  (0, 1, 1, 0),
  (1, 0, 0, -1),
  (0, -1, -1, 0),
]


@pytest.fixture(scope="module")
def four_corners(tmp_path_factory):
  path = tmp_path_factory.mktemp("corners") / "a.mp4"
  return write_media(path, [corners(CORNERS)] * 3, np.arange(3) / 25, click(0.12, 0.1))


@pytest.mark.parametrize("off_deg", [0, 40])
@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_frames_get_the_nearest_of_eight_orientations(tmp_path, four_corners, matrix, off_deg):
  """Frames are read, and rewritten without a matrix. A further rotation by 40 degrees gives the same orientation."""
  cos, sin = math.cos(math.radians(off_deg)), math.sin(math.radians(off_deg))
  a, b, c, d = matrix
  path = tmp_path / "a.mp4"
  path.write_bytes(four_corners.read_bytes())
  turned(path, (cos * a - sin * b, sin * a + cos * b, cos * c - sin * d, sin * c + cos * d))
  rewrite(path, tmp_path / "b.mp4", probe(path), {"aac"})
  with av.open(str(tmp_path / "b.mp4")) as container:
    rewritten = next(container.decode(video=0)).to_ndarray(format="rgb24")
  frame = next(read_frames(path, [0.1]))
  width, height = SIZE if a else SIZE[::-1]
  assert (probe(path).width_px, probe(path).height_px) == (width, height)
  from_luma = np.stack([(frame.gray - 16.0) * 255 / 219] * 3, axis=2)
  for rgb in (frame.rgb, from_luma, rewritten):
    assert rgb.shape == (height, width, 3)
    np.testing.assert_allclose(seen(rgb), displayed(matrix), atol=12)


def test_frames_get_the_orientation_declared_by_the_codec(tmp_path):
  """H.264's display orientation message: flipped left to right, then rotated counterclockwise by 90 degrees."""
  plain = write_media(tmp_path / "a.h264", [corners(CORNERS)] * 3, np.arange(3) / 25)
  with av.open(str(plain)) as source, av.open(str(tmp_path / "b.h264"), "w") as target:
    stream = source.streams.video[0]
    message = BitStreamFilterContext("h264_metadata=display_orientation=insert:rotate=90:flip=horizontal", stream)
    out = target.add_stream_from_template(stream)
    for packet in source.demux(stream):
      for marked in message.filter(packet if packet.size else None):
        marked.stream = out
        target.mux(marked)
  frame = next(read_frames(tmp_path / "b.h264", [0.0]))
  np.testing.assert_allclose(seen(frame.rgb), [CORNERS[k] for k in (0, 2, 1, 3)], atol=12)


@pytest.mark.parametrize("thread_type", ["AUTO", "NONE"])
def test_a_frame_that_is_repeated_by_an_empty_packet_is_displayed_again(tmp_path, thread_type):
  """Ogg/Theora repeats frames in this way; here, empty packets replace four of five frames."""
  path = write_numbered(tmp_path / "a.mkv", "libx264", H264 | {"g": "1"})
  shown = []
  with av.open(str(path)) as container:
    stream = container.streams.video[0]
    stream.thread_type = thread_type
    decode = decoder(stream)
    for packet in container.demux(stream):
      if packet.size and round(packet.pts * packet.time_base * 25) % 5:
        repeat = av.Packet()
        repeat.pts, repeat.dts, repeat.time_base, repeat.stream = packet.pts, packet.dts, packet.time_base, stream
        packet = repeat
      shown += [(round(frame.time * 25), (frame.to_ndarray()[:48].mean() - 16) / 4) for frame in decode(packet)]
  assert [number for number, _ in shown] == list(range(50))
  np.testing.assert_allclose([level for _, level in shown], np.repeat(np.arange(0, 50, 5), 5), atol=0.3)


def test_a_recording_that_was_paused_is_rewritten_without_the_pause(tmp_path):
  """The edit list has two entries, with packets of hidden frames between them."""
  frames = [gray(16 + 2 * n) for n in range(100)]
  audio = click(4.0, 0.5, AUDIO_HZ) + click(4.0, 3.0, AUDIO_HZ)
  path = write_media(tmp_path / "a.mp4", frames, np.arange(100) / 25, audio, sample_rate_hz=AUDIO_HZ)
  primed_s = 1024 / AUDIO_HZ
  with_edits(path, [(1.5, 0.0), (1.5, 2.5)])
  rewrite(path, tmp_path / "b.mp4", probe(path), {"aac", "h264"})
  for file in (path, tmp_path / "b.mp4"):
    shown = [frame.rgb.mean() for frame in read_frames(file, (np.arange(75) + 0.5) / 25)]
    numbers = [*range(37), *range(63, 100)]  # frames 37 and 62 are each displayed for half of their time
    np.testing.assert_allclose(np.delete(shown, 37), [16 + 2 * n for n in numbers], atol=4)
    amplitude = np.abs(np.concatenate(list(read_audio(file, AUDIO_HZ))).astype(int))
    assert len(amplitude) == pytest.approx(3 * AUDIO_HZ, abs=1024)
    # FFmpeg cuts audio at whole packets.
    for at_s in (0.5, 2.0):
      near = amplitude[round((at_s - 0.2) * AUDIO_HZ) :][: round(0.4 * AUDIO_HZ)]
      assert np.argmax(near) / AUDIO_HZ - 0.2 == pytest.approx(primed_s, abs=1025 / AUDIO_HZ)


def test_reencoded_audio_with_gaps_keeps_its_times(tmp_path):
  """Packets from 0.9 to 1.9 s are missing, and mp4 does not support the codec."""
  audio = sum(click(3.0, at_s, AUDIO_HZ) for at_s in (0.5, 2.5))
  whole = write_media(tmp_path / "a.mkv", [gray(20)] * 75, np.arange(75) / 25, audio, sample_rate_hz=AUDIO_HZ)
  with av.open(str(whole)) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
    streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
    for packet in source.demux():
      if packet.dts is not None and not (packet.stream.type == "audio" and 0.9 < packet.pts * packet.time_base < 1.9):
        packet.stream = streams[packet.stream_index]
        target.mux(packet)
  rewrite(tmp_path / "b.mkv", tmp_path / "c.mp4", probe(tmp_path / "b.mkv"), {"aac"})
  amplitude = np.abs(np.concatenate(list(read_audio(tmp_path / "c.mp4", AUDIO_HZ))).astype(int))
  assert [np.argmax(amplitude[:48000]), 48000 + np.argmax(amplitude[48000:])] == pytest.approx([24000, 120000], abs=3)
