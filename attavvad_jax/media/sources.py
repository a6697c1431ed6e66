"""Sound and pictures as they come in: from a camera and a microphone, from an address, or from a file at its own pace.

Times are seconds after the first sample or picture of a connection.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
from fractions import Fraction
import heapq
import itertools
from pathlib import Path
import queue
import threading
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

import av
import numpy as np

from attavvad_jax.media.decode import (
  Converter,
  SoundJoiner,
  TimedPicture,
  frame_time,
  probe,
  read_sound,
  read_timed_pictures,
  timed_picture,
)
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.shown import decoder

# Input devices of FFmpeg that give pictures, sound or both.
DEVICES = ("alsa", "avfoundation", "dshow", "gdigrab", "lavfi", "oss", "pulse", "v4l2", "x11grab")

# Seconds that a connection may take to be made, and that it may then give nothing before it counts as lost. HLS gives
# seconds of sound at once, and nothing in between.
_OPEN_S = 10.0
SILENT_S = 20.0
# How long a reader is waited for when it is no longer needed.
_CLOSE_S = 1.0
# Time stamps that leap further than this belong to another recording.
_MAX_LEAP_S = 5.0
# How long the first sound waits for the first picture, and the other way round.
_MAX_START_S = 1.0
# Arrivals that may wait to be taken; each may hold a picture.
_MAX_WAITING = 64
# Options that FFmpeg's protocols and devices need to be quick, or to lose nothing.
_OPTIONS = {"rtsp": {"rtsp_transport": "tcp"}, "rtmp": {"rtmp_live": "live"}}


class Arrival(NamedTuple):
  """Samples, int16 [n], that follow those before, or a picture; the media time to which they reach, and when they came.

  `at_s` is a time of `time.monotonic`.
  """

  samples: np.ndarray | None
  picture: TimedPicture | None
  end_s: float
  at_s: float


@dataclasses.dataclass(frozen=True)
class Source:
  """Where sound and pictures come from.

  Attributes:
    name: a file, an address (`rtmp://…`), or a device (`v4l2:/dev/video0`), as the user gave it.
    microphone: a second device for the sound, of a device that gives none.
  """

  name: str
  microphone: str | None = None

  def __post_init__(self):
    if self.microphone is not None and not (self.device and _device(self.microphone)):
      raise ValueError(f"microphone is {self.microphone!r} beside {self.name!r}; expected two devices, as alsa:default")

  @property
  def device(self) -> str | None:
    """The input device of FFmpeg, if it is one."""
    return None if self.is_file else _device(self.name)

  @property
  def is_file(self) -> bool:
    return Path(self.name).exists() or not ("://" in self.name or _device(self.name))

  def connect(self, sample_rate_hz: int) -> "Connection":
    """Opens the source, which is then read in threads of its own.

    Raises:
      OSError, MediaError: it cannot be opened, or has no sound.
    """
    warnings: list[str] = []
    if self.is_file:
      info = probe(self.name)
      if not info.has_sound:
        raise MediaError(f"{self.name}: no sound in this file; expected a video with sound")
      paced = _paced(
        read_sound(self.name, sample_rate_hz, info=info, warnings=warnings),
        read_timed_pictures(self.name, info, warnings),
        sample_rate_hz,
      )
      return Connection([paced], info.has_pictures, ends=True, warnings=warnings)
    with contextlib.ExitStack() as stack:
      names = [name for name in (self.name, self.microphone) if name is not None]
      containers = [stack.enter_context(_open(name)) for name in names]
      kinds = _kinds(containers)
      if "audio" not in itertools.chain(*kinds):
        raise MediaError(f"{self.name}: no sound comes from it; expected sound, or a microphone beside it")
      ends = containers[0].duration is not None
      zero = _Zero() if len(containers) > 1 else None
      arrivals = [
        _live(container, wanted, sample_rate_hz, zero, warnings)
        for container, wanted in zip(containers, kinds, strict=True)
        if wanted
      ]
      has_pictures = "video" in itertools.chain(*kinds)
      return Connection(arrivals, has_pictures, ends=ends, warnings=warnings, close=stack.pop_all().close)


class Connection:
  """A source that is being read; use it in a `with` statement.

  Attributes:
    has_pictures: whether any are to be expected.
    ends: whether its end is the end of the recording; else it means that the connection was lost.
    warnings: what the readers found amiss; to be taken out by who reads them.
  """

  def __init__(
    self,
    arrivals: list[Iterator[Arrival]],
    has_pictures: bool,
    *,
    ends: bool,
    warnings: list[str],
    close: Callable[[], None] = lambda: None,
  ):
    self.has_pictures = has_pictures
    self.ends = ends
    self.warnings = warnings
    self._close = close
    self._waiting: queue.Queue[Arrival | Exception | None] = queue.Queue(_MAX_WAITING)
    self._stop = threading.Event()
    # Daemons: one that hangs in a driver must not keep the program from ending.
    self._readers = [threading.Thread(target=self._read, args=(source,), daemon=True) for source in arrivals]

  def __enter__(self) -> Self:
    for reader in self._readers:
      reader.start()
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
  ) -> None:
    self._stop.set()
    for reader in self._readers:
      reader.join(_CLOSE_S)
    # What a reader still uses is left to it.
    if not any(reader.is_alive() for reader in self._readers):
      self._close()

  def get(self, timeout_s: float) -> Arrival | None:
    """The next arrival, or None if none came in time.

    Raises:
      EOFError: there is no more.
      OSError, MediaError: reading failed.
    """
    try:
      item = self._waiting.get(timeout=timeout_s)
    except queue.Empty:
      return None
    if item is None:
      raise EOFError
    if isinstance(item, Exception):
      raise item
    return item

  def _read(self, arrivals: Iterator[Arrival]) -> None:
    end: Exception | None = None
    try:
      for arrival in arrivals:
        self._put(arrival)
        if self._stop.is_set():
          return
    except av.FFmpegError as error:
      end = MediaError(error.strerror)
    except Exception as error:  # raised again by `get`
      end = error
    self._put(end)

  def _put(self, item: Arrival | Exception | None) -> None:
    while not self._stop.is_set():
      with contextlib.suppress(queue.Full):
        self._waiting.put(item, timeout=0.2)
        return


def _device(name: str) -> str | None:
  prefix, colon, rest = name.partition(":")
  return prefix if colon and rest and not rest.startswith("//") and prefix in DEVICES else None


def _paced(sound: Iterator[np.ndarray], pictures: Iterator[TimedPicture], rate_hz: int) -> Iterator[Arrival]:
  """A file as if it came from a camera: a picture comes at its time, samples when the last of them has been heard."""

  def heard() -> Iterator[Arrival]:
    count = 0
    for samples in sound:
      count += len(samples)
      yield Arrival(samples, None, count / rate_hz, 0.0)

  shown = (Arrival(None, picture, picture.time_s, 0.0) for picture in pictures)
  began_s = time.monotonic()
  for arrival in heapq.merge(heard(), shown, key=lambda arrival: arrival.end_s):
    due_s = began_s + arrival.end_s
    time.sleep(max(0.0, due_s - time.monotonic()))
    yield arrival._replace(at_s=due_s)


def _open(name: str) -> Any:
  device = _device(name)
  file = name.partition(":")[2] if device else name
  options = _OPTIONS.get(name.partition(":")[0], {})
  try:
    return av.open(file, format=device, options=options, timeout=(_OPEN_S, SILENT_S))
  except av.FFmpegError as error:
    raise MediaError(f"{name}: cannot be opened ({error.strerror})") from error
  except ValueError as error:  # no such format
    raise MediaError(f"{name}: this FFmpeg has no input device {device}") from error


def _kinds(containers: list[Any]) -> list[list[str]]:
  """Whether sound, pictures or both are taken from each: from the first that has them."""
  taken: set[str] = set()
  kinds = []
  for container in containers:
    there = [kind for kind in ("video", "audio") if container.streams.best(kind) is not None and kind not in taken]
    taken.update(there)
    kinds.append(there)
  return kinds


class _Zero:
  """The moment at which the first of several inputs began, which have no clock in common."""

  def __init__(self):
    self._lock = threading.Lock()
    self._at_s: float | None = None

  def after(self, at_s: float) -> float:
    """Seconds from the beginning to a time; the first that asks sets it."""
    with self._lock:
      if self._at_s is None:
        self._at_s = at_s
      return at_s - self._at_s


def _live(container: Any, kinds: list[str], rate_hz: int, zero: _Zero | None, warnings: list[str]) -> Iterator[Arrival]:
  """Sound and pictures of an open input, as it gives them."""
  frames = _frames(container, kinds, warnings)
  first, start = _start(frames, set(kinds))
  if zero is not None and first:
    start -= Fraction(zero.after(first[0][2] - _length_s(first[0][1]))).limit_denominator(10**6)
  joiner = SoundJoiner(rate_hz, start, warnings)
  converter: Converter | None = None
  heard = 0
  last: dict[str, Fraction] = {}
  for kind, frame, at_s in itertools.chain(first, frames):
    leap_s = float(frame_time(frame) - last.setdefault(kind, frame_time(frame)))
    if abs(leap_s) > _MAX_LEAP_S:
      raise MediaError(f"time stamps leap by {leap_s:.1f} s")
    last[kind] = frame_time(frame)
    if kind == "audio":
      for samples in joiner.push(frame):
        heard += len(samples)
        yield Arrival(samples, None, heard / rate_hz, at_s)
    else:
      if converter is None:
        converter = Converter(Fraction(container.streams.best("video").sample_aspect_ratio or 1))
      picture = timed_picture(frame, start, converter)
      yield Arrival(None, picture, picture.time_s, at_s)


def _frames(container: Any, kinds: list[str], warnings: list[str]) -> Iterator[tuple[str, Any, float]]:
  """Kind, decoded frame and time of its arrival; what does not decode is passed over."""
  streams = {container.streams.best(kind).index: kind for kind in kinds}
  decoders = {index: decoder(container.streams[index]) for index in streams}
  for stream in container.streams:
    if stream.index in streams:
      stream.thread_type = "SLICE"  # threads that work on several frames at once would hold them back
    else:
      stream.discard = av.stream.Discard.all
  damaged = False
  for packet in container.demux([container.streams[index] for index in streams]):
    at_s = time.monotonic()
    try:
      frames = decoders[packet.stream.index](packet)
    except av.FFmpegError:
      frames = []
      if not damaged:
        damaged = True
        warnings.append("parts of the input are damaged: what can be decoded is used")
    for frame in frames:
      if frame.pts is not None:
        yield streams[packet.stream.index], frame, at_s


def _start(
  frames: Iterator[tuple[str, Any, float]], missing: set[str]
) -> tuple[list[tuple[str, Any, float]], Fraction]:
  """Frames up to the first of each kind, and the earliest of their times."""
  taken: list[tuple[str, Any, float]] = []
  for item in frames:
    taken.append(item)
    missing.discard(item[0])
    times = [frame_time(frame) for _, frame, _ in taken]
    if not missing or max(times) - min(times) > _MAX_START_S:
      break
  return taken, min((frame_time(frame) for _, frame, _ in taken), default=Fraction(0))


def _length_s(frame: Any) -> float:
  return frame.samples / frame.sample_rate if isinstance(frame, av.AudioFrame) else 0.0
