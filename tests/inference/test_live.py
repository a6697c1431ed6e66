"""`attavvad stream`: its lines and display, for a paced file and for lost, silent or refused connections."""

import functools
import http.server
import io
import json
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

import av
import jsonschema
import numpy as np
import pytest
from streams import BOX, LevelDetector, drawn_audio, drawn_frames, write_drawn

from attavvad_jax.inference import live
from attavvad_jax.inference.performer import Performer
from attavvad_jax.media.errors import MediaError
from attavvad_jax.recordings.sources import Arrival, Connection, Source

SCHEMA = jsonschema.Draft202012Validator(json.loads(live.SCHEMA.read_text()))


@pytest.fixture(autouse=True)
def _detector(monkeypatch):
  monkeypatch.setattr(live, "Detector", LevelDetector)
  monkeypatch.setattr(live, "_BACKOFF_S", (0.01, 0.02))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
  return write_drawn(tmp_path_factory.mktemp("live") / "a.mp4", 2.6)


class Terminal(io.StringIO):
  def isatty(self):
    return True


def run(name, output, screen=None, **options):
  """Runs the command and returns its lines."""
  performer = Performer("box", box=BOX)
  live.stream(str(name), "none", output=str(output), performer=performer, screen=screen or io.StringIO(), **options)
  return read(output)


def read(output):
  """Reads the lines and validates them against the packaged schema."""
  lines = [json.loads(line) for line in output.read_text().splitlines()]
  for line in lines:
    SCHEMA.validate(line)
  return lines


def of_type(lines, name):
  return [line for line in lines if line["type"] == name]


def texts(lines):
  return [line["text"] for line in of_type(lines, "notice")]


def arrivals(duration_s, after_s=None, error=None, pause=None):
  """Yields audio and video together, then may raise `error`. `pause` seconds pass before `after_s`."""
  audio, frames = drawn_audio(duration_s), drawn_frames(duration_s)
  began_s = time.monotonic()
  for frame in frames:
    if after_s is not None and frame.time_s >= after_s:
      time.sleep(pause)
      after_s = None
    first = round(frame.time_s * 16_000)
    at_s = began_s + frame.time_s
    yield Arrival(None, frame, frame.time_s, at_s)
    yield Arrival(audio[first : first + 640], None, frame.time_s + 0.04, at_s + 0.04)
  if error is not None:
    raise error


def connections(monkeypatch, *scripts):
  """Lets a source give one script after the other: arrivals, or the error of the connection."""
  scripts = iter(scripts)

  def connect(self, sample_rate_hz):
    script = next(scripts, MediaError("nobody there"))
    if isinstance(script, Exception):
      raise script
    return Connection([script], True, ends=False, warnings=[])

  monkeypatch.setattr(Source, "connect", connect)


def test_lines_hold_what_the_offline_detector_finds(video, tmp_path):
  offline = LevelDetector().detect(video, performer=Performer("box", box=BOX))
  screen = io.StringIO()
  lines = run(video, tmp_path / "a.jsonl", screen)
  assert [line["type"] for line in (lines[0], lines[-1])] == ["start", "end"]
  assert lines[0]["checkpoint_sha256"] == LevelDetector.digest
  assert lines[0]["lookahead_s"] == pytest.approx(1.0)
  blocks = of_type(lines, "block")
  np.testing.assert_allclose([b["audio_visual"] for b in blocks], offline.decision, atol=1e-5)
  np.testing.assert_allclose([b["visual"] for b in blocks], offline.scores.visual, atol=1e-5)
  assert [b["onset_s"] for b in blocks] == pytest.approx(np.arange(8) / 3, abs=1e-6)
  assert all(b["box"] == list(BOX) for b in blocks)
  assert all(b["event"] == lines[0]["events"][int(np.argmax(b["audio_visual"]))] for b in blocks)
  events = of_type(lines, "event")
  assert [(e["onset_s"], e["offset_s"], e["event"]) for e in events] == [
    (round(e.onset_s, 6), round(e.offset_s, 6), e.label) for e in offline.timeline
  ]
  assert lines[-1]["duration_s"] == pytest.approx(2.6, abs=1e-6)
  assert lines[-1]["blocks"] == 8
  # The last audio of a block arrives 19 ms after its end.
  assert 19 <= lines[-1]["delay_ms"]["p50"] <= lines[-1]["delay_ms"]["p99"] == lines[-1]["delay_ms"]["max"]
  assert "\x1b" not in screen.getvalue()
  assert "8 blocks; decided" in screen.getvalue().splitlines()[-1]
  assert all(event.label in screen.getvalue() for event in offline.timeline)


def write_playlist(folder):
  """Writes a finished HLS playlist of two parts whose time stamps begin at the same time."""
  lines = []
  for number, duration_s in enumerate((2.0, 1.4)):
    part = folder / f"{number}.m3u8"
    with (
      av.open(str(write_drawn(folder / f"{number}.mp4", duration_s))) as source,
      av.open(str(part), "w", options={"hls_playlist_type": "vod"}) as sink,
    ):
      streams = {stream.index: sink.add_stream_from_template(stream) for stream in source.streams}
      for packet in source.demux():
        if packet.dts is not None:
          packet.stream = streams[packet.stream.index]
          sink.mux(packet)
    text = part.read_text().splitlines()
    first = next(i for i, line in enumerate(text) if line.startswith("#EXTINF"))
    lines += text[:-1] if not lines else ["#EXT-X-DISCONTINUITY", *text[first:-1]]
  path = folder / "list.m3u8"
  path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
  return path


def test_playlist_of_parts_gives_the_offline_result_and_ends(tmp_path):
  path = write_playlist(tmp_path)
  offline = LevelDetector().detect(path, performer=Performer("box", box=BOX))

  class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
      pass

  server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
  threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
  try:
    lines = run(f"http://127.0.0.1:{server.server_port}/list.m3u8", tmp_path / "a.jsonl")
  finally:
    server.shutdown()
    server.server_close()
  assert lines[-1]["duration_s"] == pytest.approx(offline.timeline.duration_s, abs=1e-6)
  assert lines[-1]["duration_s"] == pytest.approx(3.4, abs=0.2)
  blocks = of_type(lines, "block")
  assert [b["onset_s"] for b in blocks] == pytest.approx(np.arange(len(offline.decision)) / 3, abs=1e-6)
  np.testing.assert_allclose([b["audio_visual"] for b in blocks], offline.decision, atol=1e-5)
  notices = [line.partition(" at ")[0] for line in texts(lines) if not line.startswith("decisions are")]
  assert notices == ["time stamps leap"]
  assert [line.partition(" at ")[0] for line in offline.report.warnings] == notices


def test_terminal_shows_a_status_line(monkeypatch, tmp_path):
  connections(monkeypatch, arrivals(2.0))
  screen = Terminal()
  with pytest.raises(MediaError):
    run("rtmp://there/live", tmp_path / "a.jsonl", screen, retry_s=0.0)
  shown = screen.getvalue().split("\r\x1b[K")
  assert sum("lips" in line and "face" in line and line.rstrip().endswith("ms") for line in shown) == 6


def test_lost_connection_is_restored_and_starts_new_events(monkeypatch, tmp_path):
  lost = MediaError("Connection reset by peer")
  connections(monkeypatch, arrivals(2.0, error=lost), MediaError("Connection refused"), arrivals(1.0))
  output = tmp_path / "a.jsonl"
  with pytest.raises(MediaError, match=r"not reconnected within 0 s; last error: nobody there"):
    run("rtmp://there/live", output, retry_s=0.05)
  lines = read(output)
  assert texts(lines)[:3] == [
    "connection lost: Connection reset by peer",
    "not connected: Connection refused",
    "reconnected",
  ]
  assert "connection lost: the input ended" in texts(lines)
  onsets = np.array([b["onset_s"] for b in of_type(lines, "block")])
  assert len(onsets) == 9
  # The second recording begins at its arrival, and its blocks begin there.
  assert onsets[:6] == pytest.approx(np.arange(6) / 3, abs=1e-6)
  assert onsets[6] >= 2.0 - 1e-6
  assert np.diff(onsets[6:]) == pytest.approx([1 / 3] * 2, abs=1e-5)
  events = of_type(lines, "event")
  assert any(event["offset_s"] == 2.0 for event in events)
  assert any(event["onset_s"] == onsets[6] for event in events)
  assert lines[-1]["type"] == "end"
  assert lines[-1]["blocks"] == 9


def test_connections_without_input_do_not_count_as_restored(monkeypatch, tmp_path):
  """Each connection ends at once; the command gives up after `retry_s`."""
  connections(monkeypatch, arrivals(1.0), *(iter(()) for _ in range(10_000)))
  output = tmp_path / "a.jsonl"
  began_s = time.monotonic()
  with pytest.raises(MediaError, match=r"not reconnected within 0 s; last error: no input \(the input ended\)"):
    run("rtmp://there/live", output, retry_s=0.3)
  assert 0.3 < time.monotonic() - began_s < 20
  notices = texts(read(output))
  assert notices[0] == "connection lost: the input ended"
  assert set(notices[1:]) == {"not connected: no input (the input ended)"}
  assert len(of_type(read(output), "block")) == 3


def test_input_after_connections_without_input_is_processed(monkeypatch, tmp_path):
  connections(monkeypatch, arrivals(1.0), iter(()), iter(()), arrivals(1.0))
  output = tmp_path / "a.jsonl"
  with pytest.raises(MediaError, match="nobody there"):
    run("rtmp://there/live", output, retry_s=0.3)
  assert texts(read(output))[:4] == [
    "connection lost: the input ended",
    *["not connected: no input (the input ended)"] * 2,
    "reconnected",
  ]
  assert len(of_type(read(output), "block")) == 6


def test_warning_at_the_end_is_written(monkeypatch, tmp_path):
  warnings = []

  def script():
    yield from arrivals(1.0)
    warnings.append("damaged at the end")

  monkeypatch.setattr(Source, "connect", lambda self, rate: Connection([script()], True, ends=True, warnings=warnings))
  lines = run("http://there/a.mp4", tmp_path / "a.jsonl")
  assert texts(lines) == ["damaged at the end"]
  assert lines[-1]["type"] == "end"


def test_silent_input_is_reported_and_then_given_up(monkeypatch, tmp_path):
  monkeypatch.setattr(live, "_NOTABLE_S", 0.2)
  monkeypatch.setattr(live, "_TICK_S", 0.05)
  monkeypatch.setattr(live, "SILENT_S", 0.9)
  connections(monkeypatch, arrivals(2.0, after_s=1.0, pause=0.6), arrivals(2.0, after_s=1.0, pause=1.3))
  output = tmp_path / "a.jsonl"
  with pytest.raises(MediaError, match="nobody there"):
    run("rtmp://there/live", output, retry_s=0.0)
  notices = texts(read(output))
  assert notices[0].startswith("no input for ")
  assert notices[1].startswith("input resumed after 0.")
  assert notices[-1].startswith("connection lost: no input for ")


def test_existing_output_is_not_touched(video, tmp_path):
  (tmp_path / "a.jsonl").write_text("precious")
  with pytest.raises(FileExistsError, match=r"a\.jsonl already exists"):
    run(video, tmp_path / "a.jsonl")
  assert (tmp_path / "a.jsonl").read_text() == "precious"


def test_input_that_cannot_be_read_leaves_no_output(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
    run(tmp_path / "none.mp4", tmp_path / "a.jsonl")
  assert list(tmp_path.iterdir()) == []


def test_schema_is_valid_and_rejects_other_lines(video, tmp_path):
  jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)
  for line in run(video, tmp_path / "a.jsonl"):
    for wrong in (line | {"type": "else"}, line | {"more": 1}, {k: v for k, v in list(line.items())[:-1]}):
      assert not SCHEMA.is_valid(wrong), wrong


def test_percentiles_of_delays_equal_numpys():
  delays, seconds = live.Delays(), np.random.default_rng(0).exponential(0.05, 1000)
  for delay_s in seconds:
    delays.add(delay_s)
  milliseconds = np.ceil(1000 * seconds)
  for percent in (1, 50, 99, 100):
    assert delays.percentile_ms(percent) == np.percentile(milliseconds, percent, method="inverted_cdf")
  assert live.Delays().summary() is None


# Runs the command without a checkpoint.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from attavvad_jax.inference import live
from streams import BOX, LevelDetector
live.Detector = LevelDetector
live.stream(sys.argv[2], "none", output=sys.argv[3], performer=f"box:{','.join(map(str, BOX))}")
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_complete_output(video, tmp_path, number):
  """Interrupts a process; the last line of its file is the summary."""
  output = tmp_path / "a.jsonl"
  command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[1]), str(video), str(output)]
  with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and not (output.exists() and output.read_text().count('"block"') > 2):
      time.sleep(0.02)
    process.send_signal(number)
    errors = process.communicate(timeout=20)[1].decode()
  assert process.returncode == 0, errors
  assert "Traceback" not in errors
  lines = read(output)
  assert lines[-1]["type"] == "end"
  assert 2 < lines[-1]["blocks"] == len(of_type(lines, "block")) < 8
  # The events cover all input.
  events = of_type(lines, "event")
  assert events[0]["onset_s"] == 0
  assert [e["offset_s"] for e in events[:-1]] == [e["onset_s"] for e in events[1:]]
  assert events[-1]["offset_s"] == lines[-1]["duration_s"] > 0.9
