"""Live audio and video: from a camera and a microphone, from an address, or from a file at its own pace.

Times are seconds after the first sample or frame of a connection.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
from fractions import Fraction
import functools
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

from attavvad_jax.media.decode import read_audio, read_timed_frames
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.frame import Converter, TimedFrame, timed_frame
from attavvad_jax.media.joiner import AudioJoiner
from attavvad_jax.media.parts import Leaps, in_order, in_parts
from attavvad_jax.media.resuming import DeliveredPackets
from attavvad_jax.media.shown import decoder, frame_time
from attavvad_jax.media.tracks import DEFAULT_TRACKS, KINDS, Kind, Tracks, all_tracks, chosen, describe_choice
from attavvad_jax.recordings.camera import with_camera

# Input devices of FFmpeg that give video, audio or both.
DEVICES = ("alsa", "avfoundation", "dshow", "gdigrab", "lavfi", "oss", "pulse", "v4l2", "x11grab")

# Timeouts for opening a connection, and for data on it before it counts as lost. HLS delivers seconds of audio at once,
# and nothing in between.
_OPEN_S = 10.0
SILENT_S = 20.0
# How long closing waits for a reader to stop.
_CLOSE_S = 1.0
# An input that fails less than this before its declared end has ended: not every server declares how much it sends.
_NEAR_END_S = 1.0
# How long the first audio waits for the first frame, and vice versa.
_MAX_START_S = 1.0
# Arrivals that may wait in the queue; each may hold a frame.
_MAX_WAITING = 64
# Options with which FFmpeg's protocols are fast and lose nothing.
_OPTIONS = {"rtsp": {"rtsp_transport": "tcp"}, "rtmp": {"rtmp_live": "live"}}


class Arrival(NamedTuple):
  """The next samples, int16 [n], or a frame; the media time at which they end, and the time of their arrival.

  `at_s` is a time of `time.monotonic`.
  """

  samples: np.ndarray | None
  frame: TimedFrame | None
  end_s: float
  at_s: float


@dataclasses.dataclass(frozen=True)
class Source:
  """A file, address or device that audio and video come from.

  A further connection to the same playlist or recording continues where the last one stopped; nothing comes twice.

  Attributes:
    name: a file, an address (`rtmp://…`), or a device (`v4l2:/dev/video0`), as given by the user.
    microphone: a second device for the audio, beside a device without audio.
    tracks: which of several audio and video tracks are used.
  """

  name: str
  microphone: str | None = None
  tracks: Tracks = DEFAULT_TRACKS
  _delivered: DeliveredPackets = dataclasses.field(
    default_factory=DeliveredPackets, init=False, repr=False, compare=False
  )

  def __post_init__(self):
    if self.microphone is not None and not (self.device and _device(self.microphone)):
      raise ValueError(
        f"microphone is {self.microphone!r} beside {self.name!r}; expected two devices, such as alsa:default"
      )

  @property
  def device(self) -> str | None:
    """FFmpeg's name of the input device; None for files and addresses."""
    return None if self.is_file else _device(self.name)

  @property
  def is_file(self) -> bool:
    return Path(self.name).exists() or not ("://" in self.name or _device(self.name))

  def connect(self, sample_rate_hz: int) -> "Connection":
    """Opens the source; the connection reads it in its own threads.

    Raises:
      OSError, MediaError: the source cannot be opened, or has no audio.
    """
    warnings: list[str] = []
    if self.is_file:
      info = with_camera(self.name, self.tracks)
      warnings += info.choices()
      if not info.has_audio:
        raise MediaError(f"{self.name}: no audio in this file; expected a video with audio")
      paced = _paced(
        read_audio(self.name, sample_rate_hz, info=info, warnings=warnings),
        read_timed_frames(self.name, info, warnings),
        sample_rate_hz,
      )
      return Connection([paced], info.has_video, ends=True, warnings=warnings)
    with contextlib.ExitStack() as stack:
      names = [name for name in (self.name, self.microphone) if name is not None]
      containers = [stack.enter_context(_open(name)) for name in names]
      used = _choose(containers, names, self.tracks, warnings)
      kinds = [kind for streams in used for kind in streams]
      if "audio" not in kinds:
        raise MediaError(f"{self.name}: no audio comes from it; expected audio, or a microphone beside it")
      is_list, ends = _is_list(containers[0]), _ends(containers[0])
      zero = _Zero() if len(containers) > 1 else None
      delivered = self._delivered if is_list or ends else None
      arrivals = [
        _live(_Input(container, streams, self.tracks.channels, ends, delivered), sample_rate_hz, zero, warnings)
        for container, streams in zip(containers, used, strict=True)
        if streams
      ]
      return Connection(
        arrivals,
        "video" in kinds,
        ends=ends,
        warnings=warnings,
        close=stack.pop_all().close,
        has_ended=functools.partial(_has_ended, self.name) if is_list else lambda: False,
      )


class Connection:
  """An open source; use it in a `with` statement.

  Attributes:
    has_video: whether video is expected.
    ends: whether the end of the input is the end of the recording, rather than a lost connection. For a live playlist,
      this is known only at its end.
    warnings: warnings of the readers; whoever reports a line removes it.
  """

  def __init__(
    self,
    arrivals: list[Iterator[Arrival]],
    has_video: bool,
    *,
    ends: bool,
    warnings: list[str],
    close: Callable[[], None] = lambda: None,
    has_ended: Callable[[], bool] = lambda: False,
  ):
    self.has_video = has_video
    self.ends = ends
    self.warnings = warnings
    self._close, self._has_ended = close, has_ended
    self._waiting: queue.Queue[Arrival | Exception | None] = queue.Queue(_MAX_WAITING)
    self._stop = threading.Event()
    # Daemon threads, as a reader that hangs in a driver must not keep the program from exiting.
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
    # Inputs that a reader still uses stay open.
    if not any(reader.is_alive() for reader in self._readers):
      self._close()

  def get(self, timeout_s: float) -> Arrival | None:
    """Returns the next arrival, or None if none came in time.

    Raises:
      EOFError: the input has ended.
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
      self.ends = self.ends or self._has_ended()
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


def _paced(audio: Iterator[np.ndarray], frames: Iterator[TimedFrame], rate_hz: int) -> Iterator[Arrival]:
  """Paces a file like a camera: a frame arrives at its time, samples at the end of the last of them."""

  def of_audio() -> Iterator[Arrival]:
    count = 0
    for samples in audio:
      count += len(samples)
      yield Arrival(samples, None, count / rate_hz, 0.0)

  of_video = (Arrival(None, frame, frame.time_s, 0.0) for frame in frames)
  began_s = time.monotonic()
  for arrival in heapq.merge(of_audio(), of_video, key=lambda arrival: arrival.end_s):
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


# The used streams of a container, by kind.
_Streams = dict[Kind, Any]


def _choose(containers: list[Any], names: list[str], tracks: Tracks, warnings: list[str]) -> list[_Streams]:
  """Returns the used streams of each container: audio and video each come from the first container that has them."""
  used: list[_Streams] = [{} for _ in containers]
  for kind in KINDS:
    for container, name, streams in zip(containers, names, used, strict=True):
      if there := all_tracks(container, kind):
        streams[kind] = chosen(container, kind, tracks, name)[0]
        track = next(track for track in there if track.index == streams[kind].index)
        warnings += filter(None, [describe_choice(kind, track, there)])
        break
  return used


class _Zero:
  """The start of the first of several inputs, which share no clock."""

  def __init__(self):
    self._lock = threading.Lock()
    self._at_s: float | None = None

  def after(self, at_s: float) -> float:
    """Returns the seconds from the start to a time; the first call sets the start."""
    with self._lock:
      if self._at_s is None:
        self._at_s = at_s
      return at_s - self._at_s


def _is_list(container: Any) -> bool:
  """Returns whether an input is a playlist (HLS)."""
  return container.format.name == "hls"


def _ends(container: Any) -> bool:
  """Returns whether an input is a recording: it declares its duration, or its server declares its size."""
  return container.duration is not None or (not _is_list(container) and container.size > 0)


def _has_ended(name: str) -> bool:
  """Returns whether a playlist has an end marker; FFmpeg reports the end for lost connections too."""
  try:
    with _open(name) as container:
      return _ends(container)
  except MediaError:
    return False


class _Input(NamedTuple):
  """An open input.

  Attributes:
    container: PyAV's container.
    streams: the used streams.
    channels: channels of the audio, as in `Tracks`.
    ends: whether the input is a recording.
    delivered: packets of earlier connections, which are not delivered again; None for inputs that cannot repeat.
  """

  container: Any
  streams: _Streams
  channels: str
  ends: bool
  delivered: DeliveredPackets | None

  def packets(self, on_part: Callable[[float], None]) -> Iterator[Any]:
    """Reads packets on one time line; `on_part` receives the time stamp at which each part but the first begins.

    Raises:
      MediaError: the time stamps of one stream leap alone.
    """
    container, indices = self.container, [stream.index for stream in self.streams.values()]
    packets = container.demux([container.streams[index] for index in indices])
    if self.delivered is not None:
      packets = self.delivered.new(packets, is_list=_is_list(container), is_over=self.ends)
    if self.ends or _is_list(container):
      return in_order(in_parts(packets, container, on_part=on_part), indices)
    return in_parts(packets, container, is_live=True, on_part=on_part, on_lone_leap=_refuse_leap)


def _refuse_leap(by_s: float) -> None:
  raise MediaError(f"time stamps leap by {by_s:.1f} s")


def _live(given: _Input, rate_hz: int, zero: _Zero | None, warnings: list[str]) -> Iterator[Arrival]:
  """Reads the audio and video of an open input."""
  end_s = 0.0
  try:
    for arrival in _arrivals(given, rate_hz, zero, warnings):
      end_s = max(end_s, arrival.end_s)
      yield arrival
  except av.FFmpegError:
    declared = given.container.duration
    if declared is None or end_s < declared / av.time_base - _NEAR_END_S:
      raise


def _arrivals(given: _Input, rate_hz: int, zero: _Zero | None, warnings: list[str]) -> Iterator[Arrival]:
  places: list[float] = []  # time stamps at which parts begin, not yet reported
  frames = _frames(given, places.append, warnings)
  first, start = _start(frames, set(given.streams))
  if zero is not None and first:
    start -= Fraction(zero.after(first[0][2] - _length_s(first[0][1]))).limit_denominator(10**6)
  joiner, leaps = AudioJoiner(rate_hz, start, warnings, given.channels), Leaps(float(start), warnings)
  converter: Converter | None = None
  num_samples = 0
  for kind, frame, at_s in itertools.chain(first, frames):
    while places:
      if zero is not None:
        raise MediaError("time stamps leap, unlike those of the other device")
      leaps.add(places.pop(0))
    if kind == "audio":
      for samples in joiner.push(frame):
        num_samples += len(samples)
        yield Arrival(samples, None, num_samples / rate_hz, at_s)
    else:
      if converter is None:
        converter = Converter(Fraction(given.streams["video"].sample_aspect_ratio or 1))
      timed = timed_frame(frame, start, converter)
      yield Arrival(None, timed, timed.time_s, at_s)
  for samples in joiner.finish():
    num_samples += len(samples)
    yield Arrival(samples, None, num_samples / rate_hz, time.monotonic())
  leaps.finish()


def _frames(given: _Input, on_part: Callable[[float], None], warnings: list[str]) -> Iterator[tuple[Kind, Any, float]]:
  """Yields kind, decoded frame and arrival time; skips packets that do not decode."""
  kinds = {stream.index: kind for kind, stream in given.streams.items()}
  decoders = {index: decoder(given.container.streams[index]) for index in kinds}
  for stream in given.container.streams:
    if stream.index in kinds:
      stream.thread_type = "SLICE"  # frame threads would delay frames
    else:
      stream.discard = av.stream.Discard.all
  damaged = False
  for packet in given.packets(on_part):
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
        yield kinds[packet.stream.index], frame, at_s


def _start(
  frames: Iterator[tuple[Kind, Any, float]], missing: set[Kind]
) -> tuple[list[tuple[Kind, Any, float]], Fraction]:
  """Returns the frames up to the first of each kind, and the earliest of their times."""
  taken: list[tuple[Kind, Any, float]] = []
  for item in frames:
    taken.append(item)
    missing.discard(item[0])
    times = [frame_time(frame) for _, frame, _ in taken]
    if not missing or max(times) - min(times) > _MAX_START_S:
      break
  return taken, min((frame_time(frame) for _, frame, _ in taken), default=Fraction(0))


def _length_s(frame: Any) -> float:
  return frame.samples / frame.sample_rate if isinstance(frame, av.AudioFrame) else 0.0
