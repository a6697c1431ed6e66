"""Opens media files, reads their packets on one time line, and decodes the frames of one stream."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
import io
import os
from pathlib import Path
from typing import Any

import av

from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.order import PacketOrder
from attavvad_jax.media.parts import in_parts
from attavvad_jax.media.shown import decoder, frame_time

# Within this distance of a joint between parts, intact packets may be marked as damaged.
_JOINT = Fraction(1)
# A playlist without an end marker is read from its beginning, and waits for new segments no longer than one segment.
# Referenced files are read from disk only, as FFmpeg does by default where it opens a file by name.
_OPTIONS = {"live_start_index": "0", "max_reload": "1", "protocol_whitelist": "file,crypto,data"}
# Reading continues after unreadable places, unless there are more than this many in a row.
_MAX_READ_ERRORS = 100


def open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
  """Opens a file for reading.

  Raises:
    OSError, MediaError: in one line, why it cannot be read.
  """
  _check_file(Path(path))
  return open(path, "rb")


def _check_file(path: Path) -> None:
  if path.is_dir():
    raise IsADirectoryError(f"{path} is a folder; expected a video file")
  if not path.exists():
    raise FileNotFoundError(f"{path}: no such file")
  if path.is_file() and not path.stat().st_size:
    raise MediaError(f"{path}: the file is empty; expected a video with audio")


def open_container(path: str | os.PathLike[str], file: io.BufferedReader | None = None) -> av.container.InputContainer:
  """Opens a container for reading, in an open `file` where one is given; raises errors as `open_file`."""
  _check_file(Path(path))
  try:
    # The prefix keeps FFmpeg from reading a colon in the name as a protocol.
    return av.open(f"file:{Path(path)}" if file is None else file, "r", options=_OPTIONS)
  except av.FFmpegError as error:
    with open(path, "rb") as stream:
      head = stream.read(12)
    if head[4:8] == b"ftyp":
      raise MediaError(f"{path}: mp4 file without its index (moov): cut off while it was written or copied") from error
    raise MediaError(f"{path}: not a video or audio file that FFmpeg can read ({error.strerror})") from error


def take_only(container: Any, streams: Iterable[Any]) -> None:
  """Makes a container skip the packets of all other streams."""
  taken = {stream.index for stream in streams}
  for stream in container.streams:
    if stream.index not in taken:
      stream.discard = av.stream.Discard.all


def start_decoder(stream: Any) -> Callable[[Any], list[Any]]:
  """Returns the function that decodes a stream's packets, in as many threads as there are cores."""
  stream.codec_context.thread_type = "AUTO"
  return decoder(stream)


def read_packets(
  container: Any,
  streams: list[Any],
  *,
  damaged: Callable[[], None] = lambda: None,
  on_part: Callable[[float], None] = lambda place: None,
  order: PacketOrder | None = None,
) -> Iterator[Any]:
  """Reads the packets of a file's audio and video, all parts on the clock of the first (`in_parts`).

  Args:
    container: the open file.
    streams: the streams to read; the same streams always give the same parts.
    damaged: called where something cannot be read; later packets still come.
    on_part: receives the time stamp in seconds at which each part but the first begins.
    order: records the order of the packets.
  """
  order = PacketOrder() if order is None else order

  def unreadable() -> None:
    order.damaged()
    damaged()

  def leaps(place: float) -> None:
    order.num_leaps += 1
    on_part(place)

  return in_parts(order.watch(_packets(container, streams, unreadable)), container, on_part=leaps)


def _packets(container: Any, streams: list[Any], damaged: Callable[[], None]) -> Iterator[Any]:
  """Reads packets in the container's order, and continues after unreadable places."""
  packets = container.demux(streams)
  errors = 0
  while errors <= _MAX_READ_ERRORS:
    try:
      packet = next(packets, None)
    except av.FFmpegError:
      damaged()
      packets = container.demux(streams)
      errors += 1
      continue
    if packet is None:
      return
    errors = 0
    yield packet


def decode_frames(
  path: str | os.PathLike[str],
  index: int,
  start: Fraction,
  warnings: list[str],
  beside: int | None = None,
  on_part: Callable[[float], None] = lambda place: None,
  order: PacketOrder | None = None,
) -> Iterator[Any]:
  """Decodes the frames of a stream that have a time stamp; skips damaged ones.

  All parts of the recording are on the clock of the first (`in_parts`), which also needs the stream `beside`;
  `on_part` receives the time at which each other part begins. One warning gives the place of damage, in seconds after
  `start`.
  """
  with open_container(path) as container:
    stream: Any = container.streams[index]
    if stream.codec_context is None:  # no decoder for it
      return
    taken = [stream] if beside is None else [stream, container.streams[beside]]
    take_only(container, taken)
    decode = start_decoder(stream)
    damage = _Damage("audio" if stream.type == "audio" else "video", start, warnings)

    def leaps(place: float) -> None:
      damage.joined()
      on_part(place)

    for packet in read_packets(container, taken, damaged=damage.found, on_part=leaps, order=order):
      if packet.stream.index != index:
        continue
      frames: list[Any] = []
      try:
        frames = decode(packet)
      except av.FFmpegError:
        damage.found()
      if any(frame.is_corrupt for frame in frames):
        damage.found()
      if packet.is_corrupt:
        damage.marked()
      for frame in frames:
        if frame.pts is not None:
          damage.passed(frame_time(frame))
          yield frame
    damage.finish()


class _Damage:
  """Warns once where a stream is damaged.

  Packets that a container marks as damaged do not count near a joint between parts, where packet numbers restart.

  Args:
    name: the damaged stream, as the warning calls it.
    start: time stamp of time zero in seconds.
    warnings: receives the warning.
  """

  def __init__(self, name: str, start: Fraction, warnings: list[str]):
    self._name, self._start, self._warnings = name, start, warnings
    self._last = start
    self._marked: Fraction | None = None
    self._joined: Fraction | None = None
    self._is_reported = False

  def passed(self, time: Fraction) -> None:
    """Notes an intact frame."""
    self._last = time
    if self._marked is not None and time - self._marked > _JOINT:
      self.finish()

  def marked(self) -> None:
    """Notes a packet that the container marks as damaged."""
    if self._marked is None and (self._joined is None or self._last - self._joined > _JOINT):
      self._marked = self._last

  def joined(self) -> None:
    """Notes that a part begins about here."""
    self._marked, self._joined = None, self._last

  def found(self) -> None:
    """Notes that something cannot be read or decoded."""
    self._warn(self._last)

  def finish(self) -> None:
    """Settles a marked packet: no joint between parts has followed it."""
    if self._marked is not None:
      self._warn(self._marked)

  def _warn(self, place: Fraction) -> None:
    if not self._is_reported:
      self._is_reported = True
      after_s = float(place - self._start)
      self._warnings.append(f"{self._name} damaged after {after_s:.2f} s: what can be decoded is used")
