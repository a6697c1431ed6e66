"""Gives decoded frames the time and the orientation in which they are displayed.

Axes: H, W frame.
"""

from collections.abc import Callable
from fractions import Fraction
import math
from typing import Any, NamedTuple

import av
from av.format import Flags
from av.sidedata.sidedata import Type
import numpy as np

# Containers that store decoding times, but no presentation times.
_DECODING_TIMES = {"avi", "asf"}
# Those of them that number packets from the start of the audio, however many frames the decoder holds back.
_NUMBERED = {"avi"}
# Fraction of the frames whose time stamps may go back, as where packets are missing, before the stamps are distrusted.
_MAX_FAULTS = 0.1


def decoder(stream: Any) -> Callable[[Any], list[Any]]:
  """Returns the function that decodes the packets of an audio or video stream; no packet may have been decoded yet."""
  return FrameDecoder(stream).decode if stream.type == "video" else _decode_audio


def _decode_audio(packet: Any) -> list[Any]:
  # A decoder takes a packet without content as the end.
  return [] if not packet.size and packet.dts is not None else packet.decode()


class FrameDecoder:
  """Decodes the packets of a video stream; each frame's `pts` is then its display time.

  Frames come in display order. As in FFmpeg's best-effort time, presentation time stamps are used unless they go back
  much more often than decoding time stamps. A frame without a time stamp follows the frame before it by that frame's
  length. AVI only numbers packets: a frame is displayed as many numbers after the first frame as the decoder returns it
  after the first, which keeps it in sync with the audio.

  A packet without content repeats the frame before it (Ogg/Theora): that frame is returned again at the packet's time.

  Args:
    stream: video stream of an open container, of which no packet has been decoded yet.
  """

  def __init__(self, stream: Any):
    container = stream.container.format
    self._goes_by_decoding = container.name in _DECODING_TIMES
    # Subtracted from decoding times; where None, the first frame determines it.
    self._delay = None if container.name in _NUMBERED else 0
    # Display time of a frame without a time stamp. Elementary streams have no time stamps at all, and start at zero.
    self._next = 0 if container.flags & Flags.no_timestamps.value else None
    self._last = {"pts": -math.inf, "dts": -math.inf}
    self._faults = {"pts": 0, "dts": 0}
    self._frames = 0
    self._length = 1 / (stream.average_rate * stream.time_base) if stream.average_rate else 1
    # Frames then carry the `opaque` value of their packet.
    stream.codec_context.copy_opaque = True
    self._packets = 0
    self._shown: tuple[int, Any] = (0, None)  # the number of the last frame's packet, and the frame
    self._repeats: list[tuple[int, int]] = []  # the number of a packet, and a time at which its frame is repeated

  def decode(self, packet: Any) -> list[Any]:
    """Returns the frames that are complete with a packet, less those without any time.

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
    """Returns the display time of a frame in its time base; None where it is unknown."""
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
    """Returns a copy of the last frame for each packet that repeats it."""
    number, shown = self._shown
    times = [time for packet, time in self._repeats if packet == number]
    self._repeats = [repeat for repeat in self._repeats if repeat[0] > number]
    return [] if shown is None else [_again(shown, time) for time in times]


def _again(frame: Any, pts: int) -> Any:
  """Copies a frame for display at another time."""
  copy = av.VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
  copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
  copy.pts, copy.time_base = pts, frame.time_base
  return copy


def frame_time(frame: Any) -> Fraction:
  """Returns the presentation time stamp of a decoded frame in seconds."""
  return frame.pts * frame.time_base


class Orientation(NamedTuple):
  """The steps from a stored frame to the displayed one: an optional left-right flip, then a clockwise rotation.

  Attributes:
    mirrored: whether left and right are exchanged.
    quarter_turns: rotation in steps of 90 degrees, 0 to 3.
    is_exact: whether the file declares exactly these steps, rather than an angle near them.
  """

  mirrored: bool
  quarter_turns: int
  is_exact: bool = True

  @property
  def is_sideways(self) -> bool:
    """Whether width and height are exchanged."""
    return self.quarter_turns % 2 == 1

  def upright(self, frame: np.ndarray) -> np.ndarray:
    """Returns the displayed frame, a view of the stored one. [H,W,...] -> [H,W,...] or [W,H,...]."""
    return np.rot90(frame[:, ::-1] if self.mirrored else frame, -self.quarter_turns)


UPRIGHT = Orientation(False, 0)


class Orientations:
  """Gives the orientation of the frames of one stream, to the nearest quarter turn, as file or codec declare it.

  Side data are read only for the first frame and where the rotation changes, because a frame stays in memory for long
  once its side data have been read.
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
  """Returns the orientation in which a decoded frame is displayed, by FFmpeg's display matrix.

  The matrix (a b u; c d v; x y w) takes the point (p, q), q downwards, to (a p + c q, b p + d q).
  """
  matrix = frame.side_data.get(Type.DISPLAYMATRIX)
  if matrix is None:
    return UPRIGHT
  a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(float)
  mirrored = a * d < b * c
  if mirrored:
    a, b = -a, -b
  # For matrices that rotate and stretch, the nearest rotation.
  quarter_turns = round(math.atan2(b - c, a + d) / (math.pi / 2)) % 4
  rest = max(abs(a), abs(d)) if quarter_turns % 2 else max(abs(b), abs(c))
  return Orientation(mirrored, quarter_turns, rest < 1e-3 * max(abs(a), abs(b), abs(c), abs(d), 1))
