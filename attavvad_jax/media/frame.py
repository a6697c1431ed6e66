"""Video frames as displayed, and the frame displayed at a time.

Axes: H, W frame.
"""

from collections import deque
from fractions import Fraction
import functools
import statistics
from typing import NamedTuple, Self

import av
from av.video.reformatter import VideoReformatter
import numpy as np

from attavvad_jax.media.shown import Orientation, Orientations, frame_time

# Larger frames are scaled down to this: faces down to 30 px are still found, and conversion stays cheap.
LONG_SIDE_PX = 960
# The first frame is displayed for at most this long before its time, and any frame for at most this long after its end.
HOLD_S = 0.5
# A still frame is displayed until the next frame comes, for at most this long: a longer gap while audio continues is a
# lost connection or a removed camera. Time stamps alone cannot distinguish the two cases.
STILL_S = 5.0
# Number of intervals between frames from which the frame rate is estimated.
_NUM_SPACINGS = 9
# A frame is due this much before its time, as time stamps are rounded to their time base.
_DUE_S = 1e-6


class Frame:
  """A video frame as displayed: upright, with square pixels, the longer side at most `LONG_SIDE_PX`.

  The first access to a property converts the frame, as most frames are never needed in color.
  """

  def __init__(self, raw: av.VideoFrame, convert: "Converter"):
    self._raw = raw
    self._convert = convert

  @classmethod
  def from_rgb(cls, rgb: np.ndarray) -> Self:
    """Makes a frame of an array in color, uint8 [H,W,3], as if it had been read from a file."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
      raise ValueError(f"frame is {rgb.dtype} {rgb.shape}; expected uint8 [height, width, 3] in RGB")
    return cls(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"), Converter(Fraction(1)))

  @functools.cached_property
  def rgb(self) -> np.ndarray:
    """The frame in color, uint8 [H,W,3]."""
    rgb = self._convert(self._raw, "rgb24").to_ndarray()
    return np.ascontiguousarray(self._convert.orientation(self._raw).upright(rgb))

  @functools.cached_property
  def gray(self) -> np.ndarray:
    """The frame's luma, uint8 [H,W]. Training and detection both use it as gray."""
    frame = self._convert(self._raw, "yuv420p")
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    # A copy, as the decoder reuses the frame's memory.
    return self._convert.orientation(self._raw).upright(luma).copy()


class Converter:
  """Scales frames and changes their pixel format; use one for all frames, as its setup costs more than a conversion.

  `orientation` gives the orientation in which a frame is displayed.
  """

  def __init__(self, pixel_aspect: Fraction):
    self._pixel_aspect = pixel_aspect
    self.orientation = Orientations()
    self._reformatters: dict[str, VideoReformatter] = {}

  def __call__(self, frame: av.VideoFrame, format: str) -> av.VideoFrame:
    """Converts to a pixel format with square pixels and a longer side of at most `LONG_SIDE_PX`; does not rotate."""
    orientation = self.orientation(frame)
    width, height = displayed_size(frame, self._pixel_aspect, orientation)
    scale = min(1.0, LONG_SIDE_PX / max(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    if orientation.is_sideways:
      width, height = height, width
    reformatter = self._reformatters.setdefault(format, VideoReformatter())
    return reformatter.reformat(frame, width=width, height=height, format=format)


class TimedFrame(NamedTuple):
  """A frame, when its display begins, and how long it lasts unless another frame comes (0 where that is unknown)."""

  time_s: float
  frame: Frame
  length_s: float = 0.0


class FrameSampler:
  """Gives the frame displayed at a time, while frames come in.

  A frame is displayed until the next one, but no longer than `HOLD_S` beyond its own length; the first frame also
  stands in for `HOLD_S` before its time. Times must be requested in ascending order.
  """

  def __init__(self):
    self._video: deque[TimedFrame] = deque()
    self._spacings_s: deque[float] = deque(maxlen=_NUM_SPACINGS)
    self._ended = False

  @property
  def spacing_s(self) -> float | None:
    """Median time between the last displayed frames; None before there are three. One still frame has no effect."""
    return statistics.median_low(self._spacings_s) if len(self._spacings_s) > 1 else None

  def push(self, frame: TimedFrame) -> bool:
    """Takes the next frame; leaves it out and returns false where it is not later than the frame before."""
    if self._video and frame.time_s <= self._video[-1].time_s:
      return False
    self._video.append(frame)
    return True

  def end(self) -> None:
    """Marks the end of the video."""
    self._ended = True

  def knows(self, time_s: float) -> bool:
    """Returns whether the frame at a time can no longer change."""
    return self._ended or bool(self._video and self._video[-1].time_s > time_s + _DUE_S)

  def at(self, time_s: float) -> Frame | None:
    """Returns the frame at a time, among those pushed so far; None where there is none."""
    while len(self._video) > 1 and self._video[1].time_s <= time_s + _DUE_S:
      passed = self._video.popleft()
      self._spacings_s.append(self._video[0].time_s - passed.time_s)
    if not self._video:
      return None
    start_s, frame, length_s = self._video[0]
    return frame if start_s - HOLD_S <= time_s < start_s + length_s + HOLD_S else None


def timed_frame(raw: av.VideoFrame, start: Fraction, convert: "Converter") -> TimedFrame:
  """Puts a decoded frame, which others may follow, on the clock of its recording, whose time zero is `start`."""
  return TimedFrame(float(frame_time(raw) - start), Frame(raw, convert), STILL_S)


def displayed_size(frame: av.VideoFrame, pixel_aspect: Fraction, orientation: Orientation) -> tuple[int, int]:
  """Returns the width and height of a frame, upright and with square pixels."""
  width, height = round(frame.width * pixel_aspect), frame.height
  return (height, width) if orientation.is_sideways else (width, height)
