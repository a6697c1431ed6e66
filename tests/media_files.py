"""Small media files with known contents, written by PyAV alone."""

from fractions import Fraction

import av
import numpy as np

SIZE = (64, 48)
_AUDIO_CODECS = {".mp4": "aac", ".ts": "aac"}


def gray(level, size=SIZE):
  return np.full((size[1], size[0], 3), level, np.uint8)


def flash_and_click(rate, seconds=2.0, at_s=1.0, sample_rate_hz=16000):
  """Makes dark frames with a bright one, and silence with a click, both at the first frame from `at_s` on."""
  count = round(seconds * rate)
  times = [Fraction(i) / Fraction(rate) for i in range(count)]
  flash = next(i for i, time in enumerate(times) if time >= at_s)
  frames = [gray(230 if i == flash else 20) for i in range(count)]
  return frames, times, click(seconds, float(times[flash]), sample_rate_hz)


def click(seconds, at_s, sample_rate_hz=16000):
  audio = np.zeros(round(seconds * sample_rate_hz), np.int16)
  audio[round(at_s * sample_rate_hz)] = 30000
  return audio


def write_media(
  path,
  frames=(),
  times_s=(),
  audio=None,
  *,
  sample_rate_hz=16000,
  audio_start_s=0,
  audio_codec=None,
  video_codec="libx264",
  aspect=None,
  turns=0,
  options=None,
):
  """Writes frames uint8 [H,W,3] at their times and audio int16 [n] or [n,2]; either may be missing."""
  with av.open(str(path), "w", options=options or {}) as container:
    video_stream = audio_stream = None
    if len(frames):
      video_stream = container.add_stream(video_codec, rate=25)
      video_stream.height, video_stream.width = frames[0].shape[:2]
      video_stream.pix_fmt = "yuv420p"
      # MPEG-2 supports the frame rates of television only.
      video_stream.codec_context.time_base = Fraction(1, 25 if video_codec == "mpeg2video" else 90000)
      video_stream.codec_context.thread_count = 1
      video_stream.codec_context.options = {"preset": "ultrafast", "g": "10"} if video_codec == "libx264" else {}
      if aspect is not None:
        video_stream.codec_context.sample_aspect_ratio = aspect
      if turns:
        video_stream.set_display_rotation(90 * turns)
    if audio is not None:
      layout = "mono" if audio.ndim == 1 else "stereo"
      codec = audio_codec or _AUDIO_CODECS.get(path.suffix, "pcm_s16le")
      audio_stream = container.add_stream(codec, rate=sample_rate_hz, layout=layout)
    # Packets are written in time order, as cameras do.
    parts = [(Fraction(time), 0, frame) for time, frame in zip(times_s, frames, strict=True)]
    for first in range(0, 0 if audio is None else len(audio), 1024):
      start = Fraction(audio_start_s) + Fraction(first, sample_rate_hz)
      parts.append((start, 1, audio[first : first + 1024]))
    for time, kind, part in sorted(parts, key=lambda p: p[:2]):
      if kind == 0:
        frame = av.VideoFrame.from_ndarray(part, format="rgb24")
        frame.pts, frame.time_base = round(time * 90000), Fraction(1, 90000)
        container.mux(video_stream.encode(frame))
      else:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part).reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = sample_rate_hz
        frame.pts, frame.time_base = round(time * sample_rate_hz), Fraction(1, sample_rate_hz)
        container.mux(audio_stream.encode(frame))
    for stream in (video_stream, audio_stream):
      if stream is not None:
        container.mux(stream.encode(None))
  return path


def with_edits(path, edits):
  """Replaces the edit list in each track of an mp4 file; `edits` are seconds to play and their start in the media."""
  content = path.read_bytes()
  movie_rate = int.from_bytes(content[(at := content.index(b"mvhd")) + 16 : at + 20])

  def boxes(data):
    at = 0
    while at < len(data):
      size = int.from_bytes(data[at : at + 4])
      yield data[at + 4 : at + 8], data[at + 8 : at + size]
      at += size

  def box(kind, data):
    return (8 + len(data)).to_bytes(4) + kind + data

  def track(data):
    rate = int.from_bytes(data[(at := data.index(b"mdhd")) + 16 : at + 20])
    entries = [
      round(shown_s * movie_rate).to_bytes(4) + round(from_s * rate).to_bytes(4) + bytes([0, 1, 0, 0])
      for shown_s, from_s in edits
    ]
    edit_list = box(b"edts", box(b"elst", bytes(4) + len(entries).to_bytes(4) + b"".join(entries)))
    kept = [box(kind, part) for kind, part in boxes(data) if kind != b"edts"]
    return b"".join([kept[0], edit_list, *kept[1:]])

  movie = [(kind, track(part) if kind == b"trak" else part) for kind, part in boxes(dict(boxes(content))[b"moov"])]
  # The index is at the end of the file, so the data it points to keep their place.
  whole = [
    box(kind, b"".join(box(*part) for part in movie) if kind == b"moov" else data) for kind, data in boxes(content)
  ]
  path.write_bytes(b"".join(whole))
  return path
