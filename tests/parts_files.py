"""Parts of recordings with a flash and a beep at known times, and what joins them."""

import av
from media_files import gray, write_media
import numpy as np

RATE_HZ = 16_000
# Of the parts: what an encoder adds at their ends is short then.
_STORED_HZ = 48_000
# Seconds of two parts, and when it flashes and beeps in each: at whole pictures.
PARTS = ((2.0, (0.6, 1.48)), (1.6, (0.28, 1.0)))


def write_part(path, part, start_s=0.0, **options):
  """A part, a tuple of `PARTS`, whose time stamps begin at `start_s`."""
  seconds, marks = part
  count = round(25 * seconds)
  # The encoder's pictures must differ, or a key frame is all there is.
  pictures = [gray(230 if any(abs(i / 25 - mark) < 0.02 for mark in marks) else 20 + i % 2) for i in range(count)]
  beep = np.int16(20_000 * np.sin(np.arange(_STORED_HZ // 20) * 2 * np.pi * 1000 / _STORED_HZ))
  sound = np.zeros(round(seconds * _STORED_HZ), np.int16)
  for mark in marks:
    first = round(mark * _STORED_HZ)
    sound[first : first + len(beep)] = beep
  times = start_s + np.arange(count) / 25
  return write_media(path, pictures, times, sound, sample_rate_hz=_STORED_HZ, audio_start_s=start_s, **options)


def write_playlist(folder, parts=PARTS, *, suffix=".ts", starts_s=(0.0, 0.0), discontinuity=True, segment_s=1):
  """A finished HLS playlist of the parts, each in segments of its own; `suffix` as of `remux_to_segments`."""
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
  """The lines of a finished playlist, the last of which says that it is; .ts or .m4s segments lie beside it."""
  options = {"hls_time": str(segment_s), "hls_list_size": "0", "hls_playlist_type": "vod"}
  options["hls_segment_filename"] = str(playlist.with_suffix("")) + "_%d" + suffix
  if suffix == ".m4s":
    options |= {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": f"{playlist.stem}_init.mp4"}
  remux(source, playlist, options)
  lines = playlist.read_text().splitlines()
  assert lines[-1] == "#EXT-X-ENDLIST"
  return lines


def remux(source, target, options=None):
  """The same streams in another container."""
  with av.open(str(source)) as reader, av.open(str(target), "w", options=options or {}) as writer:
    streams = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
    for packet in reader.demux():
      if packet.dts is not None:
        packet.stream = streams[packet.stream.index]
        writer.mux(packet)
  return target


def expected_marks(parts=PARTS):
  """When it flashes and beeps in all parts in a row."""
  ends = np.cumsum([0.0, *(seconds for seconds, _ in parts)])
  return [float(end + mark) for end, (_, marks) in zip(ends, parts, strict=False) for mark in marks]


def beeps_s(samples):
  """When each beep begins."""
  loud = np.abs(samples.astype(int)) > 5000
  return np.flatnonzero(np.diff(np.convolve(loud, np.ones(800))[: len(loud)] > 0, prepend=False))[::2] / RATE_HZ


def flashes_s(pictures):
  """When each flash begins: `TimedFrame` in order."""
  bright = [picture.picture.rgb.mean() > 128 for picture in pictures]
  return [p.time_s for p, now, before in zip(pictures, bright, [False, *bright], strict=False) if now and not before]
