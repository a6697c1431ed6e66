#!/usr/bin/env bash
# PyAV (FFmpeg's HLS and mov demuxers): of a finished HLS playlist with fragmented-mp4 segments and an
# EXT-X-DISCONTINUITY after which time stamps begin anew at zero, the first segment after it is not decoded, without a
# warning. Its packets are demuxed, but marked as discarded. The same playlist with MPEG-TS segments is decoded whole.
# Exits 0 if PyAV behaves so, 1 if not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from fractions import Fraction
import sys

import av
import numpy as np

FRAMES = 50  # of a part, in two segments


def write_part(name, kind, brightness):
  """Writes a finished playlist of two seconds at 25 frames per second, from time zero; returns its lines."""
  options = {"hls_time": "1", "hls_playlist_type": "vod", "hls_segment_filename": f"{name}_%d.{kind}"}
  if kind == "m4s":
    options |= {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": f"{name}_init.mp4"}
  with av.open(f"{name}.m3u8", "w", options=options) as container:
    stream = container.add_stream("libx264", rate=25, options={"g": "25", "bf": "0"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for number in range(FRAMES):
      frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), brightness + number, np.uint8), format="rgb24")
      frame.pts, frame.time_base = number, Fraction(1, 25)
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  return open(f"{name}.m3u8").read().splitlines()


def join(kind):
  """Writes a playlist of two parts with a discontinuity between them, as RFC 8216 (4.3.2.3) defines it."""
  first, second = write_part(f"a_{kind}", kind, 20), write_part(f"b_{kind}", kind, 150)
  begin = next(i for i, line in enumerate(second) if line.startswith(("#EXT-X-MAP", "#EXTINF")))
  lines = [*first[:-1], "#EXT-X-DISCONTINUITY", *second[begin:-1], "#EXT-X-ENDLIST"]
  name = f"{kind}.m3u8"
  open(name, "w").write("\n".join(lines) + "\n")
  return name


print("PyAV", av.__version__, "libavformat", ".".join(map(str, av.library_versions["libavformat"])))
found = {}
for kind in ("ts", "m4s"):
  name = join(kind)
  with av.open(name) as container:
    packets = [packet for packet in container.demux(video=0) if packet.size]
  with av.open(name) as container:
    frames = sum(1 for _ in container.decode(video=0))
  discarded = sum(packet.is_discard for packet in packets)
  found[kind] = len(packets), discarded, frames
  print(f"{kind:>3} segments: {len(packets)} packets, {discarded} of them marked as discarded, {frames} frames decoded")
expected = {"ts": (2 * FRAMES, 0, 2 * FRAMES), "m4s": (2 * FRAMES, FRAMES // 2, 2 * FRAMES - FRAMES // 2)}
if found != expected:
  print(f"not as described: expected {expected}")
  sys.exit(1)
print("as described: with fragmented mp4 the first segment after the discontinuity is never shown")
PYTHON
