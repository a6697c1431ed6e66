"""Round trips of audio and video through lossy codecs of FFmpeg, in memory and aligned to the sample and the frame."""

from collections.abc import Iterable
import dataclasses
from fractions import Fraction
import functools
from typing import cast

import numpy as np
from scipy import signal

from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ

# Name: FFmpeg's encoder, its decoder and its sample format.
_CODECS = {
  "aac": ("aac", "aac", "fltp"),
  "mp3": ("libmp3lame", "mp3float", "fltp"),
  "opus": ("libopus", "opus", "flt"),
}
NAMES = tuple(_CODECS)


@dataclasses.dataclass(frozen=True)
class Codec:
  """A lossy codec: one of `NAMES`, and its bit rate."""

  name: str
  bit_rate_kbps: int

  def __str__(self) -> str:
    return f"{self.name} {self.bit_rate_kbps} kbit/s"


def round_trip(wave: np.ndarray, codec: Codec) -> np.ndarray:
  """Encodes and decodes a waveform. float32 [n] within ±1 -> float32 [n], aligned with the input."""
  late = _delay(codec.name)
  return _coded(np.pad(wave, (0, late)), codec)[late:]


@functools.cache
def _delay(name: str) -> int:
  """Measures the delay of a codec in samples, which depends on the versions of the libraries."""
  burst = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
  burst = signal.sosfilt(signal.butter(4, (300, 3000), "bandpass", fs=SAMPLE_RATE_HZ, output="sos"), burst)
  quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
  wave = np.concatenate([quiet, 0.2 * burst.astype(np.float32), quiet])
  agreement = signal.correlate(_coded(wave, Codec(name, 64)), wave, "full")
  return max(0, int(np.argmax(agreement)) - (len(wave) - 1))


def _coded(wave: np.ndarray, codec: Codec) -> np.ndarray:
  """Encodes and decodes a waveform; the result lags by the codec's delay. [n] -> [n]."""
  import av

  name, decoder_name, sample_format = _CODECS[codec.name]
  encoder = cast(av.AudioCodecContext, av.CodecContext.create(name, "w"))
  decoder = cast(av.AudioCodecContext, av.CodecContext.create(decoder_name, "r"))
  encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE_HZ, "mono", sample_format
  encoder.bit_rate, encoder.time_base = codec.bit_rate_kbps * 1000, Fraction(1, SAMPLE_RATE_HZ)
  encoder.open()
  decoder.sample_rate, decoder.layout, decoder.extradata = SAMPLE_RATE_HZ, "mono", encoder.extradata
  pieces: list[np.ndarray] = []
  rate_hz = SAMPLE_RATE_HZ

  def decode(packets: Iterable) -> None:
    nonlocal rate_hz
    for packet in packets:
      for frame in decoder.decode(packet):
        rate_hz = frame.sample_rate
        pieces.append(frame.to_ndarray()[0])

  size = encoder.frame_size
  # Trailing silence flushes the codec's own delay.
  padded = np.pad(wave, (0, 8 * size - len(wave) % size)).astype(np.float32)
  for start in range(0, len(padded), size):
    frame = av.AudioFrame.from_ndarray(padded[None, start : start + size], sample_format, "mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, start, encoder.time_base
    decode(encoder.encode(frame))
  decode(encoder.encode(None))
  decode([None])
  decoded = signal.resample_poly(np.concatenate(pieces), SAMPLE_RATE_HZ, rate_hz)
  return np.pad(decoded, (0, len(wave)))[: len(wave)].astype(np.float32)


class VideoCodec:
  """H.264 as live streams have it: each frame comes back, damaged, before the next one is known.

  Args:
    width_px: width of the frames, even.
    height_px: height of the frames, even.
    crf: quantization of x264, 0 (lossless) to 51.
  """

  def __init__(self, width_px: int, height_px: int, crf: int):
    import av

    self._encoder = cast(av.VideoCodecContext, av.CodecContext.create("libx264", "w"))
    self._encoder.width, self._encoder.height, self._encoder.pix_fmt = width_px, height_px, "yuv420p"
    self._encoder.time_base = Fraction(1, 25)
    self._encoder.thread_count = 1
    self._encoder.options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(crf)}
    self._decoder = cast(av.VideoCodecContext, av.CodecContext.create("h264", "r"))
    self._decoder.thread_count = 1
    self._decoder.flags |= av.codec.context.Flags.low_delay
    self._gray = np.full((height_px // 2, width_px), 128, np.uint8)
    self._frames = 0

  def round_trip(self, luma: np.ndarray) -> np.ndarray:
    """Encodes and decodes the next frame, which has no color. uint8 [H,W] -> uint8 [H,W]."""
    import av

    frame = av.VideoFrame.from_ndarray(np.concatenate([luma, self._gray]), format="yuv420p")
    frame.pts = self._frames
    self._frames += 1
    (packet,) = self._encoder.encode(frame)
    (decoded,) = self._decoder.decode(packet)
    return decoded.to_ndarray()[: len(luma)]
