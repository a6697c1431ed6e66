"""Sources in practice: a paced file, devices of FFmpeg, servers on this machine that disconnect."""

import itertools
import socket
import subprocess
import sys
import threading
import time

from media_files import gray, write_media
import numpy as np
from parts_files import PARTS, beeps_s, expected_marks, flashes_s, remux, remux_to_segments, write_part, write_playlist
import pytest
from rtmp_server import playing
from web_server import Breaking, LiveList, WithoutRanges, WithRanges, serving

from attavvad_jax.media.decode import read_audio, read_timed_frames
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.info import probe
from attavvad_jax.recordings.sources import Source

RATE_HZ = 16_000
# Serves a file once over TCP, at its own pace, to the first client.
SERVER = """
import sys, time, av
path, url = sys.argv[1:]
with av.open(path) as source, av.open(url, "w", format="mpegts") as sink:
  streams = {stream.index: sink.add_stream_from_template(stream) for stream in source.streams}
  began = time.monotonic()
  for packet in source.demux():
    if packet.dts is not None:
      time.sleep(max(0, began + float(packet.dts * packet.time_base) - time.monotonic()))
      packet.stream = streams[packet.stream.index]
      sink.mux(packet)
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
  """Writes a file of three seconds with a flash and a click at 1 s and at 2 s."""
  count = 75
  frames = [gray(230 if i in (25, 50) else 20) for i in range(count)]
  audio = np.zeros(3 * RATE_HZ, np.int16)
  for at in (RATE_HZ, 2 * RATE_HZ):
    audio[at : at + 800] = 20_000 * (-1) ** np.arange(800)
  folder = tmp_path_factory.mktemp("clip")
  return write_media(folder / "a.mp4", frames, np.arange(count) / 25, audio)


def receive(connection, end=EOFError):
  """Returns all arrivals until the exception `end`."""
  arrivals = []
  until_s = time.monotonic() + 20
  with connection:
    try:
      while time.monotonic() < until_s:
        arrivals.append(connection.get(0.2))
    except end:
      return [arrival for arrival in arrivals if arrival is not None]
  raise TimeoutError


def samples_of(arrivals):
  return np.concatenate([a.samples for a in arrivals if a.samples is not None])


def frames_of(arrivals):
  return [a.frame for a in arrivals if a.frame is not None]


def events_of(arrivals):
  """Returns the times of the clicks and of the flashes."""
  loud = np.abs(samples_of(arrivals).astype(int)) > 5000
  bright = [timed.frame.rgb.mean() > 128 for timed in frames_of(arrivals)]
  clicks = np.flatnonzero(np.diff(np.convolve(loud, np.ones(800)) > 0, prepend=False))[::2] / RATE_HZ
  return clicks, [p.time_s for p, b in zip(frames_of(arrivals), bright, strict=True) if b]


@pytest.mark.slow
def test_file_is_read_at_its_own_pace(clip):
  connection = Source(str(clip)).connect(RATE_HZ)
  assert (connection.ends, connection.has_video) == (True, True)
  began_s = time.monotonic()
  arrivals = receive(connection)
  assert 2.9 < time.monotonic() - began_s < 4.5
  np.testing.assert_array_equal(samples_of(arrivals), np.concatenate(list(read_audio(clip, RATE_HZ))))
  assert [p.time_s for p in frames_of(arrivals)] == pytest.approx(np.arange(75) / 25)
  # Everything comes in order, and nothing before its time.
  zeros = {round(a.at_s - a.end_s, 6) for a in arrivals}
  assert len(zeros) == 1
  assert min(zeros) >= began_s - 1e-6
  assert [a.end_s for a in arrivals] == sorted(a.end_s for a in arrivals)


def test_camera_and_microphone_are_put_on_one_clock():
  """FFmpeg's filters act as devices: they begin at their own time stamps, and deliver at the pace of a device."""
  source = Source(
    "lavfi:testsrc=size=64x48:rate=25:duration=1.5,setpts=PTS+100/TB,realtime",
    microphone="lavfi:sine=frequency=440:duration=1.5,arealtime",
  )
  connection = source.connect(RATE_HZ)
  assert connection.has_video
  arrivals = receive(connection)
  first_s, last_s = (frames_of(arrivals)[i].time_s for i in (0, -1))
  assert abs(first_s) < 0.5  # both are opened at the same time, but the machine may be busy
  assert last_s - first_s == pytest.approx(37 / 25)
  assert len(samples_of(arrivals)) == pytest.approx(1.5 * RATE_HZ, rel=0.4)


def test_one_device_may_give_audio_and_video():
  connection = Source("lavfi:testsrc=size=64x48:rate=10:duration=1[out0];sine=duration=1[out1]").connect(RATE_HZ)
  arrivals = receive(connection)
  assert len(frames_of(arrivals)) == 10
  assert abs(len(samples_of(arrivals)) - RATE_HZ) < 100


@pytest.mark.parametrize("suffix", [".ts", ".m4s"])
@pytest.mark.parametrize("handler", [WithRanges, WithoutRanges])
def test_leap_in_a_playlist_of_parts_is_reported_once(tmp_path, suffix, handler):
  path = write_playlist(tmp_path, suffix=suffix)
  with serving(tmp_path, handler) as address:
    connection = Source(f"{address}/list.m3u8").connect(RATE_HZ)
    assert connection.ends
    arrivals = receive(connection)
  assert beeps_s(samples_of(arrivals)) == pytest.approx(expected_marks(), abs=0.1)
  assert flashes_s(frames_of(arrivals)) == pytest.approx(expected_marks(), abs=0.1)
  assert len(connection.warnings) == 1
  assert "time stamps leap at 2.0" in connection.warnings[0]
  # The result equals that of reading the file.
  np.testing.assert_array_equal(samples_of(arrivals), np.concatenate(list(read_audio(path, RATE_HZ))))
  info = probe(path)
  assert [p.time_s for p in frames_of(arrivals)] == [p.time_s for p in read_timed_frames(path, info, [])]


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv", ".flv", "fragmented.mp4"])
@pytest.mark.parametrize("handler", [WithRanges, WithoutRanges])
def test_recording_over_http_ends(tmp_path, suffix, handler):
  options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if suffix.startswith("frag") else {}
  write_part(tmp_path / f"a{suffix}", PARTS[0], options=options, audio_codec="aac")
  with serving(tmp_path, handler) as address:
    connection = Source(f"{address}/a{suffix}").connect(RATE_HZ)
    assert connection.ends
    arrivals = receive(connection)
  assert beeps_s(samples_of(arrivals)) == pytest.approx(PARTS[0][1], abs=0.1)
  assert flashes_s(frames_of(arrivals)) == pytest.approx(PARTS[0][1], abs=0.1)
  assert len(samples_of(arrivals)) == pytest.approx(2.0 * RATE_HZ, abs=0.1 * RATE_HZ)


def test_recording_continues_where_its_connection_broke(tmp_path):
  part = (12.0, tuple(np.arange(1.0, 12.0)))
  write_part(tmp_path / "a.ts", part)
  with serving(tmp_path, type("Once", (Breaking,), {})) as address:
    source = Source(f"{address}/a.ts")
    first = receive(source.connect(RATE_HZ), end=MediaError)
    rest = receive(source.connect(RATE_HZ))
  beeps = [beeps_s(samples_of(arrivals)) for arrivals in (first, rest)]
  assert len(beeps[0]) > 3
  # The second connection begins with the first missing packet, at its own time zero.
  assert len(beeps[0]) + len(beeps[1]) == len(part[1])
  total_s = sum(len(samples_of(arrivals)) for arrivals in (first, rest)) / RATE_HZ
  assert total_s == pytest.approx(12.0, abs=0.15)


@pytest.fixture(scope="module")
def live_segments(tmp_path_factory):
  """Returns a folder of fifteen 0.4 s segments, and the lines of their playlist; a beep each second from 0.2 s on."""
  folder = tmp_path_factory.mktemp("segments")
  whole = write_part(folder / "whole.mp4", (6.0, tuple(np.arange(6) + 0.2)))
  return folder, remux_to_segments(whole, folder / "whole.m3u8", segment_s=0.4)


def feed(playlist, first, upto, ended):
  """Adds segments to a playlist one after the other, in a thread."""

  def run():
    for count in range(first + 1, upto + 1):
      time.sleep(0.2)
      playlist.put(count, ended=ended and count == upto)

  playlist.put(first)
  threading.Thread(target=run, daemon=True).start()


def test_live_playlist_ends_when_it_is_closed(live_segments):
  folder, lines = live_segments
  playlist = LiveList(folder / "closed.m3u8", lines)
  with serving(folder) as address:
    feed(playlist, 4, playlist.count, ended=True)
    connection = Source(f"{address}/closed.m3u8").connect(RATE_HZ)
    assert not connection.ends
    arrivals = receive(connection)
    assert connection.ends
  # FFmpeg begins three segments before the current end.
  assert beeps_s(samples_of(arrivals)) == pytest.approx(np.arange(1, 6) + 0.2 - 0.4, abs=0.1)


@pytest.mark.parametrize("ended", [False, True])
def test_live_playlist_continues_when_its_server_comes_back(live_segments, ended):
  """The playlist still lists delivered segments; one that was closed in the meantime lists all of them."""
  folder, lines = live_segments
  playlist = LiveList(folder / "lost.m3u8", lines)
  with serving(folder) as address:
    source = Source(f"{address}/lost.m3u8")
    feed(playlist, 4, 6, ended=False)
    connection = source.connect(RATE_HZ)
    first = []
    with connection:
      while sum(len(a.samples) for a in first if a.samples is not None) < 1.9 * RATE_HZ:
        first += filter(None, [connection.get(5.0)])
  assert not connection.ends
  # Six segments are delivered, from the second on. Three more appear without a connection, and three later.
  listed = LiveList(folder / "lost.m3u8", lines, window=99) if ended else playlist
  listed.put(9, ended=ended)
  with serving(folder, port=int(address.rpartition(":")[2])):
    connection = source.connect(RATE_HZ)
    if not ended:
      feed(playlist, 9, 12, ended=True)
    rest = receive(connection)
    assert connection.ends
  assert beeps_s(samples_of(first)) == pytest.approx([0.8, 1.8], abs=0.1)
  assert beeps_s(samples_of(rest)) == pytest.approx([0.8] if ended else [0.8, 1.8], abs=0.1)
  assert len(samples_of(rest)) / RATE_HZ == pytest.approx(1.2 if ended else 2.4, abs=0.1)


def test_rtmp_that_breaks_off(clip, tmp_path):
  remux(clip, tmp_path / "a.flv")
  with playing(tmp_path / "a.flv") as address:
    connection = Source(address).connect(RATE_HZ)
    assert not connection.ends
    clicks, flashes = events_of(receive(connection, end=MediaError))
  assert clicks == pytest.approx(flashes, abs=0.03)
  assert np.diff(clicks) == pytest.approx([1.0], abs=0.01)


@pytest.mark.slow
def test_cut_connection_is_not_the_end_of_the_recording(clip):
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  command = [sys.executable, "-c", SERVER, str(clip), f"tcp://127.0.0.1:{port}?listen=1"]
  with subprocess.Popen(command) as server:
    for _ in itertools.count():
      try:
        connection = Source(f"tcp://127.0.0.1:{port}").connect(RATE_HZ)
        break
      except MediaError:
        assert server.poll() is None
        time.sleep(0.2)
    assert not connection.ends
    clicks, flashes = events_of(receive(connection))
  assert clicks == pytest.approx(flashes, abs=0.03)
  assert np.diff(clicks) == pytest.approx([1.0], abs=0.01)


def test_camera_that_resets_its_clock_continues(tmp_path):
  """Time stamps restart within one endless connection."""
  content = b"".join(write_part(tmp_path / f"{i}.ts", part, 5.0).read_bytes() for i, part in enumerate(PARTS))
  with socket.create_server(("127.0.0.1", 0)) as server:

    def send():
      with server.accept()[0] as connected:
        connected.sendall(content)

    threading.Thread(target=send, daemon=True).start()
    connection = Source(f"tcp://127.0.0.1:{server.getsockname()[1]}").connect(RATE_HZ)
    assert not connection.ends
    arrivals = receive(connection)
  assert beeps_s(samples_of(arrivals)) == pytest.approx(expected_marks(), abs=0.1)
  assert flashes_s(frames_of(arrivals)) == pytest.approx(expected_marks(), abs=0.1)
  assert [line.partition(" at ")[0] for line in connection.warnings] == ["time stamps leap"]


def test_lone_leap_of_time_stamps_is_a_lost_connection():
  graph = "testsrc=size=64x48:rate=10:duration=2,setpts='PTS+gte(N,10)*60/TB'[out0];sine=duration=2[out1]"
  connection = Source(f"lavfi:{graph}").connect(RATE_HZ)
  with pytest.raises(MediaError, match=r"time stamps leap by 60\.1 s"):
    receive(connection)


def test_reader_thread_ends_with_the_connection(clip):
  before = threading.active_count()
  with Source(str(clip)).connect(RATE_HZ) as connection:
    assert connection.get(5.0) is not None
    assert threading.active_count() > before
  assert threading.active_count() == before


@pytest.mark.parametrize(
  ("name", "microphone", "message"),
  [
    ("none.mp4", None, r"none\.mp4: no such file"),
    ("rtmp://127.0.0.1:1/live", None, r"rtmp://127\.0\.0\.1:1/live: cannot be opened \(Connection refused\)"),
    ("v4l2:/dev/no_camera", None, "v4l2:/dev/no_camera: cannot be opened"),
    ("lavfi:testsrc=size=64x48", None, "no audio comes from it"),
    ("dshow:video=Camera", None, "this FFmpeg has no input device dshow"),
    ("a.mp4", "alsa:default", "expected two devices"),
    ("v4l2:/dev/video0", "b.wav", "expected two devices"),
  ],
)
def test_unusable_source_is_explained_in_an_error(name, microphone, message):
  if name.startswith("dshow") and sys.platform == "win32":
    pytest.skip("this system has dshow")
  with pytest.raises((MediaError, OSError, ValueError), match=message):
    Source(name, microphone).connect(RATE_HZ)
