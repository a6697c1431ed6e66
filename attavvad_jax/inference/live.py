"""`attavvad stream`: reads a camera, an address or a paced file; writes a live display and JSON lines.

Each line of `--output` is one JSON object with a `type`; times are seconds after the first connection began. Within a
connection, parts whose time stamps jump follow each other (`media.parts`). `stream.schema.json` defines the lines:

    start   input and detector: source, checkpoint, checkpoint_sha256, version, block_rate_hz, events, lookahead_s
    block   onset_s, offset_s, event (by this block alone), audio, visual, audio_visual (null if the model has none),
            box (of the last image with a face, else null), delay_ms (after the end of the block)
    event   onset_s, offset_s, event, score; the event is final
    notice  time_s, text: a problem with the input, or the recovery from it
    end     duration_s, blocks, delay_ms: p50, p99, max; null without blocks
"""

from collections.abc import Iterator, Mapping
import contextlib
import dataclasses
import json
import math
import os
from pathlib import Path
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, TextIO

import numpy as np

from attavvad_jax import __version__
from attavvad_jax.inference.detector import Detector
from attavvad_jax.inference.performer import Performer
from attavvad_jax.inference.streaming import ScoredBlock, StreamingDetector, Update
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.tracks import DEFAULT_TRACKS, Tracks
from attavvad_jax.notes import is_quiet
from attavvad_jax.recordings.sources import SILENT_S, Arrival, Connection, Source
from attavvad_jax.timeline import EVENTS, Event, Timeline
from attavvad_jax.timeline.text import event_lines, format_time
from attavvad_jax.weights import SHIPPED

SCHEMA = Path(__file__).parent / "stream.schema.json"

# A pause of the input of at least this length gets a notice.
_NOTABLE_S = 5.0
# Decisions later than this get a notice.
_LATE_S = 2.0
# Interval at which Ctrl-C and pauses are checked while no input arrives.
_TICK_S = 0.2
# Seconds between attempts to reconnect; the last is repeated.
_BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0)
_BARS = " ▁▂▃▄▅▆▇█"


class Delays:
  """Histogram of the delays of decisions after the ends of their blocks, in milliseconds: memory does not grow."""

  _LONGEST_MS = 60_000

  def __init__(self):
    self._counts = np.zeros(self._LONGEST_MS + 1, np.int64)

  def add(self, delay_s: float) -> None:
    self._counts[int(np.clip(math.ceil(1000 * delay_s), 0, self._LONGEST_MS))] += 1

  @property
  def blocks(self) -> int:
    return int(self._counts.sum())

  def percentile_ms(self, percent: float) -> int:
    """Returns the smallest delay that `percent` of the decisions do not exceed, rounded up to a millisecond."""
    return int(np.searchsorted(np.cumsum(self._counts), percent / 100 * self.blocks))

  def summary(self) -> dict[str, int] | None:
    """Returns median, 99th percentile and maximum in milliseconds, or None without decisions."""
    if not self.blocks:
      return None
    return {"p50": self.percentile_ms(50), "p99": self.percentile_ms(99), "max": self.percentile_ms(100)}


class Zero:
  """Estimates media time zero by `time.monotonic`, from the input that arrived with the smallest delay.

  The estimate covers the last 30 s to 60 s, since the clock of a source may run slightly faster or slower than ours.
  """

  _WINDOW_S = 30.0

  def __init__(self):
    self._before = self._now = math.inf
    self._until_s = -math.inf

  def add(self, arrival: Arrival) -> None:
    if arrival.at_s > self._until_s:
      self._before, self._now, self._until_s = self._now, math.inf, arrival.at_s + self._WINDOW_S
    self._now = min(self._now, arrival.at_s - arrival.end_s)

  @property
  def at_s(self) -> float:
    return min(self._before, self._now)


@dataclasses.dataclass
class Session:
  """The output of a stream: JSON lines and the display.

  Attributes:
    lines: file of the JSON lines, flushed after each; None for no file.
    screen: file of the display.
    block_s: seconds of a block.
    offset_s: seconds from the start of the first connection to that of the current one.
    end_s: end of the last scored block.
    duration_s: end of the last event.
    delays: delays of all decisions.
  """

  lines: TextIO | None
  screen: TextIO
  block_s: float
  offset_s: float = 0.0
  end_s: float = 0.0
  duration_s: float = 0.0
  delays: Delays = dataclasses.field(default_factory=Delays)

  def write(self, type: str, **values: Any) -> None:
    """Writes one line of JSON."""
    if self.lines is not None:
      self.lines.write(json.dumps({"type": type, **values}, allow_nan=False, ensure_ascii=False) + "\n")
      self.lines.flush()

  def say(self, text: str) -> None:
    """Prints a line to the display, above the status line."""
    self.screen.write(("\r\x1b[K" if self.screen.isatty() else "") + text + "\n")
    self.screen.flush()

  def notice(self, text: str) -> None:
    self.write("notice", time_s=round(self.end_s, 3), text=text)
    self.say(f"{format_time(self.end_s)}  {text}")

  def block(self, block: ScoredBlock, delay_s: float) -> None:
    onset_s = self.offset_s + block.index * self.block_s
    self.end_s = onset_s + self.block_s
    self.delays.add(delay_s)
    seen = block.boxes[~np.isnan(block.boxes[:, 0])]
    scores = block.scores
    self.write(
      "block",
      onset_s=round(onset_s, 6),
      offset_s=round(self.end_s, 6),
      event=block.label,
      audio=_rounded(scores.audio),
      visual=_rounded(scores.visual),
      audio_visual=_rounded(scores.audio_visual),
      box=_rounded(seen[-1]) if len(seen) else None,
      delay_ms=math.ceil(1000 * delay_s),
    )
    if self.screen.isatty() and not is_quiet():
      self.screen.write(f"\r\x1b[K{_status(block, self.end_s, delay_s)}")
      self.screen.flush()

  def event(self, event: Event) -> None:
    event = dataclasses.replace(event, onset_s=event.onset_s + self.offset_s, offset_s=event.offset_s + self.offset_s)
    self.duration_s = event.offset_s
    self.write(
      "event",
      onset_s=round(event.onset_s, 6),
      offset_s=round(event.offset_s, 6),
      event=event.label,
      score=_rounded(event.score),
    )
    self.say(event_lines(Timeline([event], event.offset_s))[0])

  def end(self) -> None:
    summary = self.delays.summary()
    self.write("end", duration_s=round(self.duration_s, 6), blocks=self.delays.blocks, delay_ms=summary)
    if summary is None:
      self.say("no blocks scored")
    else:
      self.say(
        f"{self.delays.blocks} blocks; decided {summary['p50']} ms after the end of the block (median), "
        f"{summary['p99']} ms (99th percentile), {summary['max']} ms (longest)"
      )


def stream(
  name: str,
  checkpoint: str | Path = SHIPPED,
  *,
  microphone: str | None = None,
  output: str | None = None,
  performer: str | Performer = "prominent",
  tracks: Tracks = DEFAULT_TRACKS,
  smoothing: Mapping[str, Any] | None = None,
  face_lookahead_s: float = 0.0,
  retry_s: float = 60.0,
  screen: TextIO | None = None,
) -> None:
  """Detects in a stream until it ends, or until SIGINT (Ctrl-C) or SIGTERM; then writes the rest.

  A lost connection ends the current event, and a new connection starts new ones. The time between has no events. Input
  that a playlist or a recording has already given is not processed again.

  Args:
    name: a file, an address or a device, see `Source`.
    checkpoint: a workdir, a checkpoint folder, or "shipped": the weights of the package.
    microphone: a device that records the audio of a camera without any.
    output: a new file for the JSON lines, or `-` for standard output; None writes no lines.
    performer: how the performer is chosen, see `Performer`: `prominent` or `box:`.
    tracks: which of several audio and video tracks are used.
    smoothing: fields of `Smoothing` that replace those of the checkpoint.
    face_lookahead_s: seconds that the choice of the performer's face looks ahead.
    retry_s: seconds to try to restore a lost connection; a connection without input does not count as restored.
    screen: file of the display; None for standard error.

  Raises:
    ValueError, OSError: input, checkpoint or output cannot be used, or a lost connection was not restored; in the
      last case all lines have been written.
  """
  performer = Performer.parse(performer) if isinstance(performer, str) else performer
  if performer.by not in ("prominent", "box"):
    raise ValueError(
      f"performer is '{performer}', which needs the whole recording; expected prominent or box:X,Y,WIDTH,HEIGHT"
    )
  source = Source(name, microphone, tracks)
  detector = Detector(checkpoint, smoothing)
  clock = detector.spec.clock
  if output is not None and output != "-" and os.path.lexists(output):
    raise FileExistsError(f"{output} already exists; choose another file or remove it")
  with contextlib.ExitStack() as stack:
    stop = stack.enter_context(_stopped_by_signals())
    connection = source.connect(clock.sample_rate_hz)
    streaming = stack.enter_context(
      StreamingDetector(detector, box=performer.box, has_video=connection.has_video, face_lookahead_s=face_lookahead_s)
    )
    lines = stack.enter_context(_lines(output))
    session = Session(lines, sys.stderr if screen is None else screen, clock.block_s)
    session.write(
      "start",
      source=name,
      checkpoint=detector.name,
      checkpoint_sha256=detector.digest,
      version=__version__,
      block_rate_hz=clock.block_rate_hz,
      events=list(EVENTS),
      lookahead_s=round(streaming.lookahead_s, 6),
    )
    if not is_quiet():
      session.say(f"reading {name}; each event is reported {streaming.lookahead_s:.1f} s after it ends")
    try:
      _run(source, connection, streaming, session, retry_s, stop)
    finally:
      session.end()


def _run(
  source: Source,
  connection: Connection,
  streaming: StreamingDetector,
  session: Session,
  retry_s: float,
  stop: threading.Event,
) -> None:
  """Reads all connections of one stream, one after the other."""
  began_s: float | None = None  # start of the first connection, by time.monotonic
  attempts = _Attempts(source.name, retry_s)
  while True:
    with connection:
      lost, zero = _read(connection, streaming, session, began_s, stop)
    gave = math.isfinite(zero.at_s)
    if began_s is None and gave:
      began_s = zero.at_s
    if lost is None:
      return
    if gave or attempts.count == 0:
      session.notice(f"connection lost: {lost}")
      attempts.begin()
    else:
      attempts.failed(f"no input ({lost})", session)
    attempt = _connect_again(source, streaming, session, attempts, stop)
    if attempt is None:
      return
    connection = attempt


class _Attempts:
  """The attempts to reconnect since the last input."""

  def __init__(self, name: str, retry_s: float):
    self._name, self._retry_s, self._until_s = name, retry_s, math.inf
    self.count = 0

  def begin(self) -> None:
    """Starts the attempts after a connection with input was lost."""
    self.count, self._until_s = 0, time.monotonic() + self._retry_s

  def wait_s(self) -> float:
    """Counts the next attempt and returns the seconds to wait before it."""
    self.count += 1
    return _BACKOFF_S[min(self.count, len(_BACKOFF_S)) - 1]

  def failed(self, why: str, session: Session) -> None:
    """Writes a notice why the last attempt failed.

    Raises:
      MediaError: `retry_s` has passed.
    """
    if time.monotonic() > self._until_s:
      raise MediaError(f"{self._name}: not reconnected within {self._retry_s:.0f} s; last error: {why}")
    session.notice(f"not connected: {why}")


def _read(
  connection: Connection,
  streaming: StreamingDetector,
  session: Session,
  began_s: float | None,
  stop: threading.Event,
) -> tuple[str | None, Zero]:
  """Processes the input of one connection; returns why it was lost, or None at the end, and its time zero."""
  zero = Zero()
  last_s = time.monotonic()
  first, silent, late = True, False, False
  lost: str | None = None
  while not stop.is_set():
    try:
      arrival = connection.get(_TICK_S)
    except EOFError:
      lost = None if connection.ends else "the input ended"
      break
    except (MediaError, OSError) as error:
      lost = str(error)
      break
    waited_s = time.monotonic() - last_s
    if arrival is None:
      if waited_s > SILENT_S:
        lost = f"no input for {waited_s:.0f} s"
        break
      if waited_s > _NOTABLE_S and not silent:
        silent = True
        session.notice(f"no input for {waited_s:.0f} s so far")
      continue
    if silent:
      silent = False
      session.notice(f"input resumed after {waited_s:.1f} s")
    zero.add(arrival)
    if first and began_s is not None:
      session.notice("reconnected")
      session.offset_s = max(session.end_s, zero.at_s - began_s)
    first = False
    delay_s = _report(_push(streaming, arrival), session, zero.at_s)
    if delay_s > _LATE_S and not late:
      late = True
      session.notice(f"decisions are {delay_s:.1f} s late: the input arrives in bursts, or faster than it is processed")
    last_s = time.monotonic()
    _pass_on(connection, session)
  _pass_on(connection, session)
  if not first:
    _report(streaming.finish(), session, zero.at_s)
  return (None if stop.is_set() else lost), zero


def _pass_on(connection: Connection, session: Session) -> None:
  """Writes the warnings of a connection's readers as notices."""
  while connection.warnings:
    session.notice(connection.warnings.pop(0))


def _push(streaming: StreamingDetector, arrival: Arrival) -> Update:
  nothing = np.zeros(0, np.int16)
  if arrival.frame is not None:
    return streaming.push(nothing, [arrival.frame])
  return streaming.push(nothing if arrival.samples is None else arrival.samples)


def _report(update: Update, session: Session, zero_s: float) -> float:
  """Writes and shows an update; returns the delay of its last block in seconds."""
  now_s, delay_s = time.monotonic(), 0.0
  for warning in update.warnings:
    session.notice(warning)
  for block in update.blocks:
    delay_s = now_s - zero_s - (block.index + 1) * session.block_s
    session.block(block, delay_s)
  for event in update.events:
    session.event(event)
  return delay_s


def _connect_again(
  source: Source,
  streaming: StreamingDetector,
  session: Session,
  attempts: _Attempts,
  stop: threading.Event,
) -> Connection | None:
  """Tries until there is a connection, which may lack input, or until `stop` is set (None).

  Raises:
    MediaError: `retry_s` has passed.
  """
  while not stop.wait(attempts.wait_s()):
    try:
      return source.connect(streaming.sample_rate_hz)
    except (MediaError, OSError) as error:
      attempts.failed(str(error), session)
  return None


@contextlib.contextmanager
def _lines(output: str | None) -> Iterator[TextIO | None]:
  """Opens the file of the lines. It has its final name from the start, so that others can follow it while it grows."""
  if output is None or output == "-":
    yield None if output is None else sys.stdout
  else:
    with Path(output).open("x", encoding="utf-8", newline="\n") as file:
      yield file


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
  """Yields an event that the first SIGINT or SIGTERM sets; the second has its usual effect."""
  stop = threading.Event()
  if threading.current_thread() is not threading.main_thread():
    yield stop
    return
  before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

  def handle(number: int, frame: FrameType | None) -> None:
    stop.set()
    signal.signal(number, before[signal.Signals(number)])

  try:
    for number in before:
      signal.signal(number, handle)
    yield stop
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


def _status(block: ScoredBlock, end_s: float, delay_s: float) -> str:
  """Returns the status line: time, event, a bar for each score."""
  bars = "  ".join(f"{name} {_bar(score)}" for name, score in zip(EVENTS, block.scores.decision, strict=True))
  lips = "" if block.scores.visual is None else f"  lips {_bar(block.scores.visual)}"
  face = "face" if not np.isnan(block.boxes[:, 0]).all() else "no face"
  return f"{format_time(end_s)}  {block.label:<8} {bars}{lips}  {face}  {1000 * delay_s:.0f} ms"


def _bar(score: Any) -> str:
  return _BARS[round(float(score) * (len(_BARS) - 1))]


def _rounded(values: Any) -> Any:
  """Rounds scores for JSON: a number, a list or null."""
  return None if values is None else np.round(np.asarray(values, np.float64), 6).tolist()
