"""Parts of recordings with flashes and beeps at known times, and functions that join them."""

import av
from media_files import gray, write_media
import numpy as np

RATE_HZ = 16_000
# Sample rate of the parts; at a high rate, the encoder's padding at their ends is short.
_STORED_HZ = 48_000
# Seconds of two parts, and the times of the flashes and beeps in each, at whole frames.
PARTS = ((2.0, (0.6, 1.48)), (1.6, (0.28, 1.0)))


def write_part(path, part, start_s=0.0, **options):
  """Writes a part, a tuple as in `PARTS`, whose time stamps begin at `start_s`."""
  seconds, marks = part
  count = round(25 * seconds)
  # Frames must differ, or the encoder writes only a key frame.
  frames = [gray(230 if any(abs(i / 25 - mark) < 0.02 for mark in marks) else 20 + i % 2) for i in range(count)]
  beep = np.int16(20_000 * np.sin(np.arange(_STORED_HZ // 20) * 2 * np.pi * 1000 / _STORED_HZ))
  audio = np.zeros(round(seconds * _STORED_HZ), np.int16)
  for mark in marks:
    first = round(mark * _STORED_HZ)
    audio[first : first + len(beep)] = beep
  times = start_s + np.arange(count) / 25
  return write_media(path, frames, times, audio, sample_rate_hz=_STORED_HZ, audio_start_s=start_s, **options)


def write_playlist(folder, parts=PARTS, *, suffix=".ts", starts_s=(0.0, 0.0), discontinuity=True, segment_s=1):
  """Writes a finished HLS playlist of the parts, each with its own segments; `suffix` as for `remux_to_segments`."""
  lists = []
  for number, (part, start_s) in enumerate(zip(parts, starts_s, strict=True)):
    whole = write_part(folder / f"whole_{number}.mp4", part, start_s)
    lists.append(remux_to_segments(whole, folder / f"part_{number}.m3u8", suffix, segment_s))
  between = ["#EXT-X-DISCONTINUITY"] * discontinuity
  lines = lists[0][:-1]
  for text in lists[1:]:
    first = next(i for i, line in enumerate(text) if line.startswith(("#EXT-X-MAP", "#EXTINF")))
    lines += between + text[first:-1]
  path = folder / "list.m3u8"
  path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
  return path


def remux_to_segments(source, playlist, suffix=".ts", segment_s=1):
  """Writes .ts or .m4s segments beside a playlist; returns its lines, which end with the end marker."""
  options = {"hls_time": str(segment_s), "hls_list_size": "0", "hls_playlist_type": "vod"}
  options["hls_segment_filename"] = str(playlist.with_suffix("")) + "_%d" + suffix
  if suffix == ".m4s":
    options |= {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": f"{playlist.stem}_init.mp4"}
  remux(source, playlist, options)
  lines = playlist.read_text().splitlines()
  assert lines[-1] == "#EXT-X-ENDLIST"
  return lines


def remux(source, target, options=None):
  """Copies the streams to another container."""
  with av.open(str(source)) as reader, av.open(str(target), "w", options=options or {}) as writer:
    streams = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
    for packet in reader.demux():
      if packet.dts is not None:
        packet.stream = streams[packet.stream.index]
        writer.mux(packet)
  return target


def expected_marks(parts=PARTS):
  """Returns the times of the flashes and beeps with all parts one after the other."""
  ends = np.cumsum([0.0, *(seconds for seconds, _ in parts)])
  return [float(end + mark) for end, (_, marks) in zip(ends, parts, strict=False) for mark in marks]


def beeps_s(samples):
  """Returns the time at which each beep begins."""
  loud = np.abs(samples.astype(int)) > 5000
  return np.flatnonzero(np.diff(np.convolve(loud, np.ones(800))[: len(loud)] > 0, prepend=False))[::2] / RATE_HZ


def flashes_s(frames):
  """Returns the time at which each flash begins; `frames` are `TimedFrame` in order."""
  bright = [timed.frame.rgb.mean() > 128 for timed in frames]
  return [p.time_s for p, now, before in zip(frames, bright, [False, *bright], strict=False) if now and not before]
