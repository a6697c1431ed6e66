"""Files with several audio and video tracks, written by PyAV alone."""

from fractions import Fraction

import av
import numpy as np

Disposition = av.stream.Disposition
RATE_HZ = 16000


def tone(hz, seconds=1.0, channels=1):
  """Returns a sine, int16 [1,n*channels], with interleaved channels."""
  sine = 10000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
  return np.repeat(np.int16(sine), channels)[None]


def write_tracks(path, audio_tracks, levels=(), codec=None):
  """Writes a second of audio tracks (hz, channels, disposition, metadata) and video tracks (level, disposition)."""
  codec = codec or {".mp4": "aac", ".ts": "mp2"}.get(path.suffix, "pcm_s16le")
  with av.open(str(path), "w") as container:
    streams = []
    for level, flags in levels:
      stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
      stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
      stream.disposition = flags
      streams.append(
        (stream, [av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24") for _ in range(25)])
      )
    for hz, channels, flags, metadata in audio_tracks:
      layout = {1: "mono", 2: "stereo"}[channels]
      stream = container.add_stream(codec, rate=RATE_HZ, layout=layout)
      stream.disposition = flags
      stream.metadata.update(metadata)
      samples = tone(hz, channels=channels)
      frames = []
      for first in range(0, RATE_HZ, 1000):
        frame = av.AudioFrame.from_ndarray(
          np.ascontiguousarray(samples[:, first * channels : (first + 1000) * channels]), format="s16", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, first, Fraction(1, RATE_HZ)
        frames.append(frame)
      streams.append((stream, frames))
    for stream, frames in streams:
      for frame in [*frames, None]:
        container.mux(stream.encode(frame))
  return path


def dominant_hz(audio):
  """Returns the strongest frequency, rounded to 10 Hz."""
  spectrum = np.abs(np.fft.rfft(audio.astype(float)))
  return 10 * round(float(np.argmax(spectrum)) * RATE_HZ / len(audio) / 10)


NONE, DEFAULT = Disposition(0), Disposition.default
