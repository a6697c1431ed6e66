"""Decoded pictures as they are shown: when each of them is, and which way up.

Axes: H, W picture.
"""

from collections.abc import Callable
import math
from typing import Any, NamedTuple

import av
from av.format import Flags
from av.sidedata.sidedata import Type
import numpy as np

# Containers that say when a packet is to be decoded, and not when its picture is shown.
_DECODING_TIMES = {"avi", "asf"}
# Of these, the ones that number packets from the start of the sound on, however many pictures the decoder holds back.
_NUMBERED = {"avi"}
# Share of the frames whose time stamps may go back, as where packets are missing, before the stamps are not believed.
_MAX_FAULTS = 0.1


def decoder(stream: Any) -> Callable[[Any], list[Any]]:
  """What decodes the packets of a stream of sound or pictures, of which nothing has been decoded yet."""
  return FrameDecoder(stream).decode if stream.type == "video" else _decode_audio


def _decode_audio(packet: Any) -> list[Any]:
  # To a decoder, a packet without content is the end.
  return [] if not packet.size and packet.dts is not None else packet.decode()


class FrameDecoder:
  """Decodes the packets of a stream of pictures; each frame's `pts` then says when it is shown.

  Frames come in the order in which they are shown. Their time stamps are believed as FFmpeg's best-effort time
  believes them: those of presentation, unless these go back much more often than those of decoding. A frame without
  one follows the frame before at its length. AVI numbers packets only: a picture is shown as many numbers after the
  first as the decoder gives it out after the first, which is as the sound goes.

  A packet without content repeats the picture before it (Ogg/Theora): that comes again, at the packet's time.

  Args:
    stream: pictures of an open container, of which nothing has been decoded yet.
  """

  def __init__(self, stream: Any):
    container = stream.container.format
    self._goes_by_decoding = container.name in _DECODING_TIMES
    # What is taken off the times of decoding; where None, the first picture tells.
    self._delay = None if container.name in _NUMBERED else 0
    # When a frame without a time stamp is shown. Elementary streams have no stamps at all, and start at zero.
    self._next = 0 if container.flags & Flags.no_timestamps.value else None
    self._last = {"pts": -math.inf, "dts": -math.inf}
    self._faults = {"pts": 0, "dts": 0}
    self._frames = 0
    self._length = 1 / (stream.average_rate * stream.time_base) if stream.average_rate else 1
    # Frames then tell which packet they come from.
    stream.codec_context.copy_opaque = True
    self._packets = 0
    self._shown: tuple[int, Any] = (0, None)  # the last frame, and the number of its packet
    self._repeats: list[tuple[int, int]] = []  # number of a packet, and when its picture is shown again

  def decode(self, packet: Any) -> list[Any]:
    """The frames that are known with a packet, less those without any time.

    Raises:
      av.FFmpegError: the packet is damaged.
    """
    if not packet.size and packet.dts is not None:
      self._repeats.append((self._packets, packet.dts if packet.pts is None else packet.pts))
      return self._repeated()
    self._packets += 1
    packet.opaque = self._packets, packet.dts
    frames = []
    for frame in packet.decode():
      number, packet_dts = frame.opaque or packet.opaque
      frame.pts = self._time(frame, packet_dts)
      if frame.pts is not None:
        self._next = frame.pts + round(frame.duration or self._length)
        self._shown = number, frame
        frames += [frame, *self._repeated()]
    return frames

  def _time(self, frame: Any, packet_dts: int | None) -> int | None:
    """When a frame is shown, in its time base; None where nothing tells."""
    if self._goes_by_decoding:
      if self._delay is None and packet_dts is not None:
        self._delay = 0 if frame.dts is None else frame.dts - packet_dts
      time = None if frame.dts is None else frame.dts - (self._delay or 0)
    else:
      for name, stamp in (("pts", frame.pts), ("dts", frame.dts)):
        if stamp is not None:
          self._faults[name] += stamp <= self._last[name]
          self._last[name] = stamp
      self._frames += 1
      often = self._faults["pts"] > self._faults["dts"] + _MAX_FAULTS * self._frames
      time = frame.dts if often and frame.dts is not None else frame.pts
    return self._next if time is None else time

  def _repeated(self) -> list[Any]:
    """The last frame again, as often as packets have asked for it."""
    number, shown = self._shown
    times = [time for packet, time in self._repeats if packet == number]
    self._repeats = [repeat for repeat in self._repeats if repeat[0] > number]
    return [] if shown is None else [_again(shown, time) for time in times]


def _again(frame: Any, pts: int) -> Any:
  """A copy of a frame that is shown at another time."""
  copy = av.VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
  copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
  copy.pts, copy.time_base = pts, frame.time_base
  return copy


class Orientation(NamedTuple):
  """How a stored picture becomes the displayed one: mirrored left to right or not, then turned clockwise.

  Attributes:
    mirrored: whether left and right are exchanged.
    quarter_turns: 0 to 3.
    is_exact: whether the file means these, and not an angle near them.
  """

  mirrored: bool
  quarter_turns: int
  is_exact: bool = True

  @property
  def is_sideways(self) -> bool:
    """Whether width and height are exchanged."""
    return self.quarter_turns % 2 == 1

  def upright(self, picture: np.ndarray) -> np.ndarray:
    """The displayed picture, a view of the stored one. [H,W,...] -> [H,W,...] or [W,H,...]."""
    return np.rot90(picture[:, ::-1] if self.mirrored else picture, -self.quarter_turns)


UPRIGHT = Orientation(False, 0)


class Orientations:
  """How the frames of one stream are displayed, to the nearest quarter turn, as file or codec say.

  Only the first frame, and those that are turned otherwise than the one before, are looked at closely: a frame whose
  side data have been asked for stays in memory for long.
  """

  def __init__(self):
    self._rotation: float | None = None
    self._last = UPRIGHT

  def __call__(self, frame: Any) -> Orientation:
    rotation = getattr(frame, "rotation", 0)
    if rotation != self._rotation:
      self._rotation, self._last = rotation, orientation(frame)
    return self._last


def orientation(frame: Any) -> Orientation:
  """How a decoded frame is displayed, by FFmpeg's display matrix.

  The matrix (a b u; c d v; x y w) takes the point (p, q), q downwards, to (a p + c q, b p + d q).
  """
  matrix = frame.side_data.get(Type.DISPLAYMATRIX)
  if matrix is None:
    return UPRIGHT
  a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(float)
  mirrored = a * d < b * c
  if mirrored:
    a, b = -a, -b
  # Of matrices that turn and stretch, the nearest turn.
  quarter_turns = round(math.atan2(b - c, a + d) / (math.pi / 2)) % 4
  rest = max(abs(a), abs(d)) if quarter_turns % 2 else max(abs(b), abs(c))
  return Orientation(mirrored, quarter_turns, rest < 1e-3 * max(abs(a), abs(b), abs(c), abs(d), 1))
