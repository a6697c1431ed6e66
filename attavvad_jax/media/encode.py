"""Writes mp4 files (H.264 video, AAC mono audio) that every player opens.

Axes: H, W frame.
"""

import contextlib
from fractions import Fraction
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np

# Sample rates that AAC knows.
AAC_RATES_HZ = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
# For video that people watch: fast to encode, and hardly distinguishable from its source.
X264_OPTIONS = {"preset": "veryfast", "crf": "20"}

# Samples handed to the encoder at once, so that a long waveform is not copied whole.
_CHUNK_SAMPLES = 16_384


class VideoWriter:
  """Writes one mp4 file; use it in a `with` statement.

  Frame ``i`` is displayed from i / frames_per_second on, sample ``j`` is played at j / sample_rate_hz. Frames and
  samples may be written in any order and in pieces of any size; encoded packets go to the file at once. The file has a
  temporary name in the folder of `path` until the `with` block ends; an exception in the block leaves no file. The
  same input gives the same bytes, as a single thread encodes.

  Args:
    path: the mp4 file to write; an existing file is replaced.
    width_px: width of the frames, even.
    height_px: height of the frames, even.
    frames_per_second: frame rate; fractions such as 30000 / 1001 are kept exactly.
    sample_rate_hz: rate of the waveform, one of `AAC_RATES_HZ`.

  Raises:
    ValueError: a size is odd, a rate is not possible, a frame or waveform has another shape or type, or the block
      ended without frames or without samples.
    OSError: the folder is missing or cannot be written to.
  """

  def __init__(
    self,
    path: str | os.PathLike[str],
    width_px: int,
    height_px: int,
    frames_per_second: float | Fraction,
    sample_rate_hz: int,
  ):
    if width_px < 2 or height_px < 2 or width_px % 2 or height_px % 2:
      raise ValueError(f"video size is {width_px}x{height_px}; H.264 needs an even width and height: crop or pad by 1")
    if not frames_per_second > 0:
      raise ValueError(f"frames_per_second is {frames_per_second}; expected a positive number")
    if sample_rate_hz not in AAC_RATES_HZ:
      raise ValueError(f"sample_rate_hz is {sample_rate_hz}; AAC takes one of {', '.join(map(str, AAC_RATES_HZ))}")
    self.path = Path(path)
    self._shape = (height_px, width_px, 3)
    self._frames_per_second = Fraction(frames_per_second).limit_denominator(1001)
    self._sample_rate_hz = sample_rate_hz
    self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
    self._frames = 0
    self._samples = 0

  def __enter__(self) -> Self:
    if self.path.is_dir():
      raise IsADirectoryError(f"{self.path} is a folder; expected the name of an mp4 file to write")
    if not self.path.parent.is_dir():
      raise FileNotFoundError(f"{self.path.parent} is not a folder; make it before writing {self.path.name}")
    # In the default milliseconds, the declared end of the audio would be rounded up past the end of a block.
    options = {"movie_timescale": str(self._sample_rate_hz)}
    self._container = av.open(str(self._part), "w", format="mp4", options=options)
    height, width, _ = self._shape
    video = self._container.add_stream("libx264", rate=self._frames_per_second, options=X264_OPTIONS)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.codec_context.thread_count = 1
    # Declares to the player what swscale makes of RGB by default (BT.601, limited range).
    video.codec_context.colorspace = av.video.reformatter.Colorspace.SMPTE170M
    video.codec_context.color_range = av.video.reformatter.ColorRange.MPEG
    audio = self._container.add_stream("aac", rate=self._sample_rate_hz, layout="mono")
    # 4 bits per sample keep voice and music clean, and stay below AAC's limit of 6 at every rate.
    audio.bit_rate = min(128_000, 4 * self._sample_rate_hz)
    self._video, self._audio = video, audio
    return self

  def write_frame(self, rgb: np.ndarray) -> None:
    """Adds the next frame, uint8 [H,W,3]."""
    if rgb.shape != self._shape or rgb.dtype != np.uint8:
      raise ValueError(f"frame {self._frames} is {rgb.dtype} {rgb.shape}; expected uint8 {self._shape}")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame.pts, frame.time_base = self._frames, 1 / self._frames_per_second
    self._frames += 1
    self._container.mux(self._video.encode(frame))

  def write_samples(self, samples: np.ndarray) -> None:
    """Adds the next samples, float32 [n] in -1..1 or int16 [n]."""
    if samples.ndim != 1 or samples.dtype not in (np.float32, np.int16):
      raise ValueError(f"samples are {samples.dtype} {samples.shape}; expected float32 or int16 [n]")
    for start in range(0, len(samples), _CHUNK_SAMPLES):
      chunk = samples[start : start + _CHUNK_SAMPLES]
      if chunk.dtype == np.int16:
        chunk = chunk / np.float32(32768)
      frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(chunk)[None], format="fltp", layout="mono")
      frame.sample_rate = self._sample_rate_hz
      frame.pts, frame.time_base = self._samples, Fraction(1, self._sample_rate_hz)
      self._samples += len(chunk)
      self._container.mux(self._audio.encode(frame))

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
  ) -> None:
    try:
      with contextlib.closing(self._container):
        if kind is None:
          self._finish()
      if kind is None:
        os.replace(self._part, self.path)
    finally:
      self._part.unlink(missing_ok=True)

  def _finish(self) -> None:
    """Writes the packets that the encoders still hold."""
    if not self._frames or not self._samples:
      raise ValueError(f"{self.path}: {self._frames} frames and {self._samples} samples written; expected some of both")
    self._container.mux(self._video.encode(None))
    self._container.mux(self._audio.encode(None))
