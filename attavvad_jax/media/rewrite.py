"""Rewrites a recording as mp4: draws onto its frames or keeps them, and copies packets where possible.

Axes: H, W frame.
"""

from collections.abc import Callable, Collection
import contextlib
from fractions import Fraction
import math
from pathlib import Path
from typing import Any

import av
import numpy as np

from attavvad_jax.media.encode import AAC_RATES_HZ, X264_OPTIONS
from attavvad_jax.media.info import MediaInfo, read_order
from attavvad_jax.media.joiner import GAP
from attavvad_jax.media.packets import read_packets
from attavvad_jax.media.shown import UPRIGHT, Orientations, decoder
from attavvad_jax.notes import progress_bar

# Draws onto an upright frame, uint8 RGB [H,W,3], at a time in seconds; returns the frame to write, of any even size.
Draw = Callable[[np.ndarray, float], np.ndarray]


def rewrite(
  source: str | Path, target: str | Path, info: MediaInfo, kept: Collection[str], draw: Draw | None = None
) -> None:
  """Writes the used video track, upright and in H.264, and the used audio track of a recording.

  Frames keep their shape, colors and time stamps, less that of time zero and with parts one after the other as they are
  read. Packets are copied where possible: if they are in order, each with its time, and without a leap to another part
  of the recording among them. Memory does not grow with the length. In a terminal, a bar shows the progress.

  Args:
    source: the recording.
    target: the mp4 file to write; the caller chooses a temporary name until the file is complete.
    info: the result of `probe`, with the used tracks and the time stamp that becomes zero. Where the order of the
      packets is not known, all of them are read once more.
    kept: codecs whose packets are copied where possible; audio in any other codec becomes AAC. Video is copied only
      from files of the mp4 and mov family, and only if nothing is drawn and no rotation is needed.
    draw: draws onto the frames; None to keep them.
  """
  bar = progress_bar(
    desc=f"{Path(source).name}, {'converting' if draw is None else 'drawing'}",
    unit="s",
    total=info.duration_s and round(info.duration_s),
    disable=None,
    leave=False,
  )
  order = info.order or read_order(source, info)
  with bar, av.open(f"file:{source}") as reader, av.open(str(target), "w", format="mp4") as writer:
    encoders: dict[Any, _VideoEncoder | _Copier | _AudioEncoder] = {}
    if (index := info.index("video")) is not None:
      video: Any = reader.streams[index]
      video.codec_context.thread_type = "AUTO"
      is_kept = draw is None and "mov" in reader.format.name and info.orientation == UPRIGHT
      if is_kept and video.codec_context.name in kept and order.may_be_copied(index):
        encoders[video] = _Copier(writer, video, info.start)
      else:
        encoders[video] = _VideoEncoder(writer, video, info, draw, bar)
    if (index := info.index("audio")) is not None:
      audio: Any = reader.streams[index]
      is_kept = audio.codec_context.name in kept and order.may_be_copied(index)
      encoders[audio] = (_Copier if is_kept else _AudioEncoder)(writer, audio, info.start)
    for packet in read_packets(reader, list(encoders)):
      # Damaged packets are skipped, as players do.
      with contextlib.suppress(av.error.InvalidDataError):
        encoders[packet.stream].push(packet)
    for encoder in encoders.values():
      encoder.finish()


class _VideoEncoder:
  """Decodes the packets of the video, draws onto the frames, and encodes them at their own times."""

  def __init__(self, writer: Any, source: Any, info: MediaInfo, draw: Draw | None, bar: Any):
    self._writer, self._start, self._draw, self._bar = writer, info.start, draw, bar
    self._decode = decoder(source)
    self._orientation = Orientations()
    # All streams of a container must be added before its first packet.
    self._stream = self._add_stream(source, info)
    self._last_pts = -math.inf

  def push(self, packet: Any) -> None:
    for frame in self._decode(packet):
      pts = frame.pts - round(self._start / frame.time_base)
      # Encoders refuse two frames with the same time.
      if pts <= self._last_pts:
        continue
      self._last_pts = pts
      self._writer.mux(self._encode(frame, pts))
      self._bar.update(max(int(pts * frame.time_base) - self._bar.n, 0))

  def finish(self) -> None:
    self._writer.mux(self._stream.encode(None))

  def _encode(self, frame: Any, pts: int) -> list[Any]:
    rgb = self._orientation(frame).upright(frame.to_ndarray(format="rgb24"))
    drawn = av.VideoFrame.from_ndarray(self._drawn(rgb, float(pts * frame.time_base)), format="rgb24")
    drawn = drawn.reformat(
      format="yuv420p", dst_colorspace=frame.colorspace, dst_color_range=av.video.reformatter.ColorRange.MPEG
    )
    drawn.pts, drawn.time_base, drawn.duration = pts, frame.time_base, frame.duration
    return self._stream.encode(drawn)

  def _drawn(self, rgb: np.ndarray, time_s: float) -> np.ndarray:
    return _even(rgb) if self._draw is None else self._draw(_even(rgb), time_s)

  def _add_stream(self, source: Any, info: MediaInfo) -> Any:
    """Adds an H.264 stream with the drawn size of the first frame, and its colors."""
    first = info.first_frame
    assert first is not None
    blank = np.zeros((first.height_px, first.width_px, 3), np.uint8)
    height, width, _ = self._drawn(info.orientation.upright(blank), 0.0).shape
    stream = self._writer.add_stream("libx264", rate=source.average_rate or 25, options=X264_OPTIONS)
    stream.height, stream.width, stream.pix_fmt, stream.time_base = height, width, "yuv420p", first.time_base
    context = stream.codec_context
    context.time_base = first.time_base
    context.colorspace, context.color_range = first.colorspace, av.video.reformatter.ColorRange.MPEG
    context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
    aspect = source.sample_aspect_ratio
    if aspect:
      context.sample_aspect_ratio = 1 / aspect if info.orientation.is_sideways else aspect
    return stream


class _Copier:
  """Copies packets without decoding them."""

  def __init__(self, writer: Any, source: Any, start: Fraction):
    self._writer, self._stream = writer, writer.add_stream_from_template(source)
    self._shift = round(start / source.time_base)

  def push(self, packet: Any) -> None:
    if packet.dts is None:  # the empty packet that ends a stream
      return
    packet.dts -= self._shift
    packet.pts -= self._shift
    packet.stream = self._stream
    self._writer.mux(packet)

  def finish(self) -> None:
    pass


class _AudioEncoder:
  """Encodes audio that mp4 cannot hold as AAC, at the frames' own times, with silence in the gaps."""

  def __init__(self, writer: Any, source: Any, start: Fraction):
    self._writer, self._start = writer, start
    self._decode = decoder(source)
    context = source.codec_context
    # Rates and layouts that AAC does not support are resampled or mixed down.
    self._rate_hz = context.sample_rate if context.sample_rate in AAC_RATES_HZ else 48_000
    self._layout = "mono" if context.channels == 1 else "stereo"
    self._stream = writer.add_stream("aac", rate=self._rate_hz, layout=self._layout)
    self._resampler: av.AudioResampler | None = None
    self._kind: tuple[Any, ...] = ()
    self._expected = Fraction(0)  # time of the next frame if there is no gap
    self._written = self._skipped = 0  # samples given to the encoder, and next samples to leave out

  def push(self, packet: Any) -> None:
    for frame in self._decode(packet):
      if frame.pts is None:
        continue
      time = frame.pts * frame.time_base - self._start
      kind = frame.format.name, frame.layout.name, frame.sample_rate
      if kind != self._kind or abs(time - self._expected) > GAP:
        self._begin(time)
        self._kind, self._expected = kind, time
      self._resample(frame)
      self._expected += Fraction(frame.samples, frame.sample_rate)

  def finish(self) -> None:
    self._resample(None)
    self._writer.mux(self._stream.encode(None))

  def _begin(self, time: Fraction) -> None:
    """Continues at a time: fills a gap with silence, or leaves out the overlap."""
    self._resample(None)
    self._resampler = av.AudioResampler("fltp", self._layout, self._rate_hz)
    missing = round(time * self._rate_hz) - self._written
    self._skipped = max(0, -missing)
    for first in range(0, missing, self._rate_hz):
      count = min(self._rate_hz, missing - first)
      self._encode(np.zeros((1 if self._layout == "mono" else 2, count), np.float32))

  def _resample(self, frame: Any) -> None:
    for out in [] if self._resampler is None else self._resampler.resample(frame):
      if out is not None:  # None comes from an unused resampler
        samples = out.to_ndarray()
        left_out = min(self._skipped, samples.shape[1])
        self._skipped -= left_out
        self._encode(samples[:, left_out:])

  def _encode(self, samples: np.ndarray) -> None:
    if samples.shape[1]:
      frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self._layout)
      frame.sample_rate, frame.pts, frame.time_base = self._rate_hz, self._written, Fraction(1, self._rate_hz)
      self._written += samples.shape[1]
      self._writer.mux(self._stream.encode(frame))


def _even(rgb: np.ndarray) -> np.ndarray:
  """Repeats the last row or column of a frame, uint8 RGB [H,W,3], where its size is odd, as H.264 needs even sizes."""
  return np.ascontiguousarray(np.pad(rgb, [(0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)], mode="edge"))
