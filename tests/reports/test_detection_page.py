import base64
from html.parser import HTMLParser
import itertools
import json
import re

import av
import chromium
from media_files import flash_and_click, write_media
import numpy as np
import pytest

from attavvad_jax.inference.detector import Detection
from attavvad_jax.media import MediaError, VideoWriter, probe, read_audio, read_frames
from attavvad_jax.predict import BlockScores
from attavvad_jax.recordings import Report
from attavvad_jax.reports import detection_page, palette
from attavvad_jax.reports.detection_page import write_detection_page
from attavvad_jax.timeline import EVENTS, Clock, Event, Timeline

SECONDS, FPS, RATE_HZ = 6, 10, 16_000
CLOCK = Clock()
LABELS = ["others"] * 3 + ["singing"] * 9 + ["silence"] * 3 + ["speech"] * 3


def make_video(path):
  """Writes a gray mp4 of six seconds with a tone."""
  with VideoWriter(path, 160, 120, FPS, RATE_HZ) as writer:
    for i in range(SECONDS * FPS):
      writer.write_frame(np.full((120, 160, 3), 40 + 3 * i, np.uint8))
    writer.write_samples(np.sin(np.arange(SECONDS * RATE_HZ) * 0.1).astype(np.float32) * 0.3)
  return path


def make_detection(labels=LABELS, *, box=(0.5, 0.25, 0.2, 0.4), score=0.8, warnings=()):
  """Returns a detection: each block's event has `score`, the rest a quarter; audio has half; block 0 has no face."""
  fused = score * (0.25 + 0.75 * np.eye(4)[[EVENTS.index(label) for label in labels]])
  edges = [0, *(i for i in range(1, len(labels)) if labels[i] != labels[i - 1]), len(labels)]
  events = [Event(a / 3, b / 3, labels[a], score) for a, b in itertools.pairwise(edges)]
  boxes = np.tile(np.float32(box), (len(labels), 3, 1))
  boxes[0] = np.nan
  visual = fused[:, 1:3].sum(axis=1)
  duration_s = len(labels) / 3
  scores = BlockScores(fused / 2, visual, fused, None)
  return Detection(Timeline(events, duration_s), scores, boxes, Report(duration_s=duration_s, warnings=list(warnings)))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
  return make_video(tmp_path_factory.mktemp("page") / "one & <two>.mp4")


@pytest.fixture(scope="module")
def page(video):
  path = video.with_name("page.html")
  write_detection_page(path, video, [make_detection(warnings=["no face in 3 of 54 images"])], CLOCK)
  return path


class Reader(HTMLParser):
  """Checks that tags close in order; keeps attributes that fetch, text, and scripts by type."""

  VOID = ("meta", "link")

  def __init__(self, path):
    super().__init__()
    self.open, self.fetched, self.text, self.scripts = [], [], [], {}
    self._type = None
    self.feed(path.read_text(encoding="utf-8"))
    assert self.open == []

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    self.fetched += [attrs[name] for name in ("src", "href", "srcset") if name in attrs]
    self._type = attrs.get("type", "") if tag == "script" else None
    if tag not in self.VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    self._type = None
    assert self.open.pop() == tag

  def handle_data(self, data):
    if self._type is None:
      self.text.append(data)
    else:
      self.scripts.setdefault(self._type, []).append(data)

  @property
  def data(self):
    return json.loads(self.scripts["application/json"][0])

  @property
  def embedded(self):
    return b"".join(base64.b64decode(part) for part in self.scripts.get("text/plain", []))


def test_page_is_well_formed_and_self_contained(page, video):
  reader = Reader(page)
  assert reader.fetched == ["data:,"]
  assert not re.search(r"https?:|url\(|@import", page.read_text(encoding="utf-8"))
  assert reader.embedded == video.read_bytes()
  text = " ".join(" ".join(reader.text).split())
  for expected in ("one & <two>.mp4", "No face in 3 of 54 images.", "0:01.0 0:04.0 3.0 s singing 0.80"):
    assert expected in text


def test_scores_are_stored_to_half_a_255th(tmp_path, video):
  detection = make_detection(score=0.7)
  write_detection_page(tmp_path / "page.html", video, [detection], CLOCK)
  data = Reader(tmp_path / "page.html").data
  for text, values in ((data["audio"], detection.scores.audio), (data["faces"][0]["visual"], detection.scores.visual)):
    stored = np.frombuffer(base64.b64decode(text), np.uint8).reshape(values.shape) / 255
    np.testing.assert_allclose(stored, values, atol=0.5001 / 255)


def test_models_without_fusion_have_a_page(tmp_path, video):
  scores = BlockScores(make_detection().scores.audio, None, None, None)
  detection = make_detection()
  write_detection_page(
    tmp_path / "page.html", video, [Detection(detection.timeline, scores, detection.boxes, detection.report)], CLOCK
  )
  assert Reader(tmp_path / "page.html").data["faces"][0]["fused"] is None


def test_parts_of_a_long_video_decode_separately(tmp_path, video, monkeypatch):
  monkeypatch.setattr(detection_page, "_PART_BYTES", 999)
  write_detection_page(tmp_path / "page.html", video, [make_detection()], CLOCK)
  reader = Reader(tmp_path / "page.html")
  assert len(reader.scripts["text/plain"]) > 5
  assert reader.embedded == video.read_bytes()


@pytest.mark.parametrize("embed", [True, False])
def test_a_linked_video_is_named_by_its_path_relative_to_the_page(tmp_path, video, monkeypatch, embed):
  if embed:  # too large to embed
    monkeypatch.setattr(detection_page, "MAX_EMBEDDED_BYTES", 1000)
  (tmp_path / "results").mkdir()
  (tmp_path / "a & b.mp4").write_bytes(video.read_bytes())
  page = tmp_path / "results" / "page.html"
  write_detection_page(page, tmp_path / "a & b.mp4", [make_detection()], CLOCK, embed=embed)
  reader = Reader(page)
  assert reader.fetched == ["data:,", "../a%20%26%20b.mp4"]
  assert reader.embedded == b""
  assert any("is linked, not embedded" in text for text in reader.text) == embed


def test_video_that_browsers_do_not_play_is_embedded_as_a_copy(tmp_path):
  source = tmp_path / "source.avi"
  with av.open(str(source), "w") as container:
    video_stream = container.add_stream("mpeg4", rate=25)
    video_stream.width, video_stream.height, video_stream.pix_fmt = 64, 48, "yuv420p"
    audio_stream = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
    for i in range(50):
      container.mux(video_stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), i, np.uint8), format="rgb24")))
    container.mux(video_stream.encode(None))
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * RATE_HZ), np.int16), format="s16", layout="mono")
    frame.sample_rate, frame.pts = RATE_HZ, 0
    container.mux(audio_stream.encode(frame))
  write_detection_page(tmp_path / "page.html", source, [make_detection()], CLOCK)
  (tmp_path / "copy.mp4").write_bytes(Reader(tmp_path / "page.html").embedded)
  with av.open(str(tmp_path / "copy.mp4")) as container:
    assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]
    assert container.streams.video[0].frames == 50


def test_audio_without_video_has_a_page(tmp_path):
  with av.open(str(tmp_path / "audio.aiff"), "w") as container:
    audio_stream = container.add_stream("pcm_s16be", rate=RATE_HZ, layout="mono")
    frame = av.AudioFrame.from_ndarray(np.zeros((1, RATE_HZ), np.int16), format="s16", layout="mono")
    frame.sample_rate, frame.pts = RATE_HZ, 0
    container.mux(audio_stream.encode(frame))
  write_detection_page(tmp_path / "page.html", tmp_path / "audio.aiff", [make_detection()], CLOCK)
  (tmp_path / "copy.mp4").write_bytes(Reader(tmp_path / "page.html").embedded)
  with av.open(str(tmp_path / "copy.mp4")) as container:
    assert [stream.codec_context.name for stream in container.streams] == ["aac"]


def test_unusable_input_leaves_no_page(tmp_path, video):
  page = tmp_path / "page.html"
  detection = make_detection()
  with pytest.raises(ValueError, match="no detections"):
    write_detection_page(page, video, [], CLOCK)
  with pytest.raises(ValueError, match=r"boxes.*\(18, 3, 4\).*\(18, 5, 4\)"):
    write_detection_page(page, video, [detection], Clock(images_per_block=5))
  with pytest.raises(FileNotFoundError):
    write_detection_page(page, tmp_path / "missing.mp4", [detection], CLOCK)
  with pytest.raises(FileNotFoundError, match=r"missing is not a folder"):
    write_detection_page(tmp_path / "missing" / "page.html", video, [detection], CLOCK)
  (tmp_path / "text.mp4").write_text("no video")
  with pytest.raises(MediaError, match=r"text\.mp4"):
    write_detection_page(page, tmp_path / "text.mp4", [detection], CLOCK)
  assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]


# Tests in a browser.

needs_chromium = pytest.mark.skipif(chromium.find_chromium() is None, reason="no Chromium on this machine")
TIME = "document.querySelector('video').currentTime"
STATE = "document.querySelector('.state').textContent"
CURSOR = (
  "document.querySelector('#cursor').getBoundingClientRect().x"
  " - document.querySelector('#content').getBoundingClientRect().x + 1"
)
WIDTH = "document.querySelector('#content').getBoundingClientRect().width"
READY = "document.querySelector('video').readyState >= 2 && !document.querySelector('video').seeking"


@pytest.fixture(scope="module")
def browser():
  with chromium.browser() as page:
    yield page


@pytest.fixture
def opened(browser, page):
  """Opens the page in a browser and waits for its first frame."""
  browser.open(page)
  browser.wait(READY)
  return browser


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_loads_without_errors_or_requests(browser, page, dark):
  browser.open(page, dark=dark)
  browser.wait(READY)
  assert browser.ask("document.querySelector('video').duration") == pytest.approx(SECONDS, abs=0.1)
  ground = browser.ask("getComputedStyle(document.body).backgroundColor")
  assert (max(map(int, re.findall(r"\d+", ground))) < 60) == dark
  assert browser.troubles == []
  assert [url for url in browser.fetched if not url.startswith(("data:", "blob:"))] == [page.resolve().as_uri()[:100]]


@needs_chromium
def test_stripes_cover_the_blocks_whose_score_is_below_a_half(browser, video, tmp_path):
  detection = make_detection()
  detection.scores.audio_visual[4:6, EVENTS.index("singing")] = 0.4
  write_detection_page(tmp_path / "a.html", video, [detection], CLOCK)
  browser.open(tmp_path / "a.html")
  box = "(r => [r.x, r.width])(document.querySelector('%s').getBoundingClientRect())"
  (x, width), (lane_x, lane_width) = browser.ask(box % ".unsure"), browser.ask(box % ".lane.singing .event")
  assert browser.ask("document.querySelectorAll('.unsure').length") == 1
  # The event of singing has blocks 3 to 11.
  assert (x - lane_x) / lane_width == pytest.approx(1 / 9, abs=0.01)
  assert width / lane_width == pytest.approx(2 / 9, abs=0.01)
  assert "below 0.5" in (tmp_path / "a.html").read_text()


@needs_chromium
def test_a_click_on_an_event_seeks_the_video(opened):
  opened.click(".lane .event.silence")
  opened.wait(READY)
  assert opened.ask(TIME) == pytest.approx(4.0, abs=1e-3)
  assert opened.ask(STATE) == "silence"
  assert opened.ask("document.querySelector('tr.current').dataset.label") == "silence"
  assert opened.ask(CURSOR) == pytest.approx(opened.ask(WIDTH) * 4 / 6, abs=1)


@needs_chromium
def test_a_click_on_a_curve_seeks_to_that_time(opened):
  opened.click("canvas[data-curve=audio]", part=0.5)
  assert opened.ask(TIME) == pytest.approx(3.0, abs=0.02)
  assert opened.ask(CURSOR) == pytest.approx(opened.ask(WIDTH) / 2, abs=2)


@needs_chromium
def test_a_click_on_a_row_seeks_the_video(opened):
  opened.click("#events tr.speech td.name")
  assert opened.ask(TIME) == pytest.approx(5.0, abs=1e-3)


@needs_chromium
def test_the_cursor_moves_as_the_video_plays(opened):
  before = opened.ask(CURSOR)
  opened.press(" ")
  opened.wait(f"{TIME} > 0.5")
  opened.press(" ")
  assert opened.ask("document.querySelector('video').paused")
  opened.wait(f"Math.abs({CURSOR} - {WIDTH} * {TIME} / {SECONDS}) < 2")
  assert opened.ask(CURSOR) > before + 0.5 / SECONDS * opened.ask(WIDTH) - 2


@needs_chromium
def test_keys_move_by_seconds_decisions_and_events(opened):
  for key, expected in [
    ("n", 1.0),
    ("n", 4.0),
    ("p", 1.0),
    ("ArrowRight", 2.0),
    (".", 7 / 3),
    (",", 2.0),
    (",", 5 / 3),
    ("ArrowLeft", 2 / 3),
    ("End", 6.0),
    ("Home", 0.0),
  ]:
    opened.press(key)
    assert opened.ask(TIME) == pytest.approx(expected, abs=1e-3), key


@needs_chromium
def test_scores_and_face_are_those_of_the_current_time(opened):
  opened.click(".lane .event.silence")
  shown = opened.ask("[...document.querySelectorAll('[data-score=fused]')].map(cell => cell.textContent)")
  assert shown == ["0.80", "0.20", "0.20", "0.20"]
  assert opened.ask("document.querySelector('[data-score=visual]').textContent") == "0.40"
  box, screen = (
    opened.ask(f"(r => [r.x, r.y, r.width, r.height])(document.querySelector('{name}').getBoundingClientRect())")
    for name in (".box", "video")
  )
  x, y, w, h = ((box[i] - screen[i] * (i < 2)) / screen[2 + i % 2] for i in range(4))
  assert (x, y, w, h) == pytest.approx((0.5, 0.25, 0.2, 0.4), abs=0.01)
  opened.press("Home")  # no face in the first block
  assert opened.ask("document.querySelector('.box').hidden")


@needs_chromium
def test_curves_are_drawn_at_their_scores(opened):
  # In the middle of 1 to 4 s singing has 0.8; there are 8 px of margin above and below.
  height = opened.ask("document.querySelector('canvas[data-curve=fused]').clientHeight")
  column = opened.ask(
    "(c => [...c.getContext('2d').getImageData(Math.round(c.width * 2.5 / 6), 0, 1, c.height).data])"
    "(document.querySelector('canvas[data-curve=fused]'))"
  )
  pixels = np.array(column).reshape(-1, 4)[:, :3]
  (rows,) = np.nonzero(np.abs(pixels - palette.EVENT_INKS["singing"]).max(axis=1) < 25)
  assert rows.mean() == pytest.approx(height - 8 - 0.8 * (height - 16), abs=1)


@needs_chromium
def test_zoomed_view_follows_the_cursor(opened):
  whole = opened.ask(WIDTH)
  assert opened.ask("document.querySelector('#overview').hidden")
  opened.press("+")
  assert opened.ask(WIDTH) > 1.2 * whole
  assert not opened.ask("document.querySelector('#overview').hidden")
  opened.press("End")
  view = opened.ask("(s => [s.scrollLeft, s.scrollLeft + s.clientWidth])(document.querySelector('#scroller'))")
  assert view[0] <= opened.ask(CURSOR) <= view[1] + 2
  opened.press("0")
  assert opened.ask(WIDTH) == whole


@needs_chromium
def test_each_of_several_faces_has_its_lanes(browser, video, tmp_path):
  other = make_detection(["silence"] * 9 + ["speech"] * 9, box=(0.1, 0.1, 0.2, 0.2))
  write_detection_page(tmp_path / "page.html", video, [make_detection(), other], CLOCK)
  browser.open(tmp_path / "page.html")
  browser.wait(READY)
  assert browser.ask("document.querySelectorAll('.content .lane').length") == 8
  browser.click(".lane[data-face='1'] .event.speech")
  assert browser.ask(TIME) == pytest.approx(3.0, abs=1e-3)
  states = browser.ask("[...document.querySelectorAll('.state')].map(state => state.textContent)")
  assert states == ["singing", "speech"]
  onsets = browser.ask("[...document.querySelectorAll('#events tr')].map(row => Number(row.dataset.onset))")
  assert onsets == sorted(onsets)
  assert browser.troubles == []


@needs_chromium
def test_an_hour_fits_a_narrow_screen(browser, video, tmp_path):
  write_detection_page(tmp_path / "page.html", video, [make_detection(LABELS * 600)], CLOCK, embed=False)
  browser.open(tmp_path / "page.html", width=390, height=800)
  browser.wait(READY)  # the linked video is found
  assert browser.ask("document.documentElement.scrollWidth") == 390
  # Two minutes are in view, and only these are drawn.
  view = browser.ask("document.querySelector('#scroller').clientWidth")
  assert browser.ask(WIDTH) == pytest.approx(30 * view, rel=0.01)
  assert browser.ask("Math.max(...[...document.querySelectorAll('canvas')].map(c => c.width))") == view


@needs_chromium
def test_a_missing_video_is_reported_and_the_rest_works(browser, video, tmp_path):
  (tmp_path / "moved.mp4").write_bytes(video.read_bytes())
  write_detection_page(tmp_path / "page.html", tmp_path / "moved.mp4", [make_detection()], CLOCK, embed=False)
  (tmp_path / "moved.mp4").unlink()
  browser.open(tmp_path / "page.html")
  browser.wait("!document.querySelector('#trouble').hidden")
  assert "moved.mp4" in browser.ask("document.querySelector('#trouble').textContent")
  browser.click(".lane .event.silence")
  assert browser.ask(STATE) == "silence"


FLASH = {
  "late start": (".mp4", {}),
  "late start of WebM": (".webm", {}),
  "fragments": (".mp4", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
  "from zero": (".mp4", {}),
}
BRIGHTNESS = """
  (async (time) => {
    const video = document.querySelector("video"), canvas = document.createElement("canvas");
    const sought = new Promise((done) => video.addEventListener("seeked", done, { once: true }));
    const shown = new Promise((done) => { video.requestVideoFrameCallback(done); setTimeout(done, 1000); });
    video.currentTime = time;
    await Promise.all([sought, shown]);
    const pen = canvas.getContext("2d");
    pen.drawImage(video, 0, 0);
    return pen.getImageData(30, 20, 1, 1).data[0];
  })
"""


def write_flash(path, start_s, **options):
  """Writes a flash and a click 4 s after the first frame and the first sample, which are at `start_s`."""
  frames, times, waveform = flash_and_click(25, seconds=6.0, at_s=4.0, sample_rate_hz=48000)
  codecs = {"video_codec": "libvpx", "audio_codec": "libopus"} if path.suffix == ".webm" else {}
  times = [time + start_s for time in times]
  return write_media(path, frames, times, waveform, sample_rate_hz=48000, audio_start_s=start_s, **codecs, **options)


@needs_chromium
@pytest.mark.parametrize("name", FLASH)
def test_the_player_shows_the_frame_that_the_timeline_has_at_its_time(browser, tmp_path, name):
  suffix, options = FLASH[name]
  video = write_flash(tmp_path / f"a{suffix}", 0 if name in ("from zero", "fragments") else 3, **options)
  info = probe(video)
  times_s = np.arange(0, 5.9, 0.01) + 0.001
  bright = [frame.gray.mean() > 100 for frame in read_frames(video, times_s, info=info)]
  seen_s = times_s[np.argmax(bright)]
  assert seen_s == pytest.approx(4.0, abs=0.06)
  write_detection_page(tmp_path / "page.html", video, [make_detection()], CLOCK)
  assert (Reader(tmp_path / "page.html").embedded == video.read_bytes()) == (name == "from zero")
  (tmp_path / "embedded.mp4").write_bytes(Reader(tmp_path / "page.html").embedded)
  (before, after) = (
    int(np.argmax(np.abs(np.concatenate(list(read_audio(file, 48000))).astype(int))))
    for file in (video, tmp_path / "embedded.mp4")
  )
  assert after == pytest.approx(before, abs=3)
  browser.open(tmp_path / "page.html")
  browser.wait(READY)
  for time_s, expected in ((seen_s - 0.02, False), (seen_s + 0.02, True), (seen_s + 0.06, False)):
    assert (browser.ask(f"{BRIGHTNESS}({time_s})") > 100) == expected, time_s


@needs_chromium
def test_a_linked_video_is_shown_on_the_timelines_clock(browser, tmp_path):
  """Checks a video that starts at 3 s, which Chromium's clock does not subtract."""
  video = write_flash(tmp_path / "a.mp4", 3)
  start_s = float(probe(video).start)
  write_detection_page(tmp_path / "page.html", video, [make_detection()], CLOCK, embed=False)
  browser.open(tmp_path / "page.html")
  browser.wait(READY)
  browser.click(".lane .event.singing")
  browser.wait(READY)
  assert browser.ask(TIME) == pytest.approx(start_s + 1.0, abs=1e-3)
  assert browser.ask(STATE) == "singing"
  assert browser.ask(CURSOR) == pytest.approx(browser.ask(WIDTH) / 6, abs=1)
  browser.press(" ")
  browser.wait(f"{TIME} > {start_s + 1.5}")
  browser.press(" ")
  browser.wait(f"Math.abs({CURSOR} - {WIDTH} * ({TIME} - {start_s}) / {SECONDS}) < 2")


@needs_chromium
def test_space_plays_from_an_event_whose_time_was_clicked(opened):
  opened.click("#events tr.silence button")
  opened.wait(READY)
  assert opened.ask(TIME) == pytest.approx(4.0, abs=1e-3)
  opened.press(" ", code="Space", windowsVirtualKeyCode=32)
  opened.wait(f"{TIME} > 4.3")
  opened.press(" ", code="Space", windowsVirtualKeyCode=32)
  assert opened.ask("document.querySelector('video').paused")
  assert opened.ask(TIME) > 4.3


@needs_chromium
def test_space_plays_after_a_zoom_by_mouse_and_zooms_on_a_button_focused_by_keys(opened):
  opened.click("#zoom-in")
  width = opened.ask(WIDTH)
  opened.press(" ", code="Space", windowsVirtualKeyCode=32)
  opened.wait(f"{TIME} > 0.1")
  assert opened.ask(WIDTH) == width
  opened.press(" ", code="Space", windowsVirtualKeyCode=32)
  opened.ask("document.querySelector('#zoom-out').focus()")
  opened.press(" ", code="Space", windowsVirtualKeyCode=32)
  opened.wait(f"{WIDTH} < {width} - 1")
  assert opened.ask("document.querySelector('video').paused")


def test_page_says_that_decisions_are_smoothed_and_scores_are_not(page):
  text = " ".join(" ".join(Reader(page).text).split())
  assert "decision, smoothed in time" in text
  assert "scores, not smoothed" in text
