"""A detection as a page: one HTML file with the video, its timeline and the curves of the scores, which opens from disk.

Scores and boxes are stored as bytes, 1/255 apart, in base64: a block of one face takes 9 bytes for its scores and 12
for its boxes, an hour 0.3 MB. Exact scores are the JSON output's matter. The page draws only what is in view.
Axes: B blocks, E events, N images of a block.
"""

import base64
from collections.abc import Iterator, Sequence
import contextlib
import os
from pathlib import Path
import tempfile
from typing import TYPE_CHECKING, Any
import urllib.parse

import numpy as np

from attavvad_jax import __version__
from attavvad_jax.clock import Clock
from attavvad_jax.events import EVENTS, Timeline
from attavvad_jax.files import replacing
from attavvad_jax.reports.palette import EVENT_COLOURS, EVENT_INKS, hex_colour
from attavvad_jax.reports.render import render_parts
from attavvad_jax.reports.text import format_time

if TYPE_CHECKING:
  from attavvad_jax.detection.detector import Detection

# Browsers take long, or give up, with pages much larger than this.
MAX_EMBEDDED_BYTES = 200_000_000

# What Chromium, Firefox and Safari play: containers by FFmpeg's names with their types, and codecs.
_MEDIA_TYPES = {
  "mov,mp4,m4a,3gp,3g2,mj2": "video/mp4",
  "matroska,webm": "video/webm",
  "mp3": "audio/mpeg",
  "wav": "audio/wav",
  "flac": "audio/flac",
}
_PICTURE_CODECS = {"h264", "vp8", "vp9", "libdav1d", "av1"}
_SOUND_CODECS = {
  "video/mp4": {"aac", "mp3", "mp3float"},
  "video/webm": {"opus", "vorbis"},
  "audio/mpeg": {"mp3", "mp3float"},
  "audio/wav": {"pcm_s16le"},
  "audio/flac": {"flac"},
}
_PIXELS = {"yuv420p", "yuvj420p"}
# Divisible by three, so that a part of base64 ends where its bytes end.
_PART_BYTES = 3 << 18


def write_detection_page(
  path: str | os.PathLike[str],
  video: str | os.PathLike[str],
  detections: Sequence["Detection"],
  clock: Clock,
  *,
  embed: bool = True,
) -> None:
  """Writes the page of a recording; a file that is already there is replaced once the new one is whole.

  An embedded video makes the page whole by itself. What browsers do not play is embedded as a copy that they do. A video
  of more than `MAX_EMBEDDED_BYTES` is linked all the same; the page says so.

  Args:
    path: the HTML file to write.
    video: the recording.
    detections: one for each face.
    clock: the clock of their blocks.
    embed: put the video into the page; else it is linked by its place beside the page.

  Raises:
    ValueError: no detections, scores of another shape, or `video` cannot be read.
    OSError: a file is missing, or the page's folder cannot be written to.
  """
  path, video = Path(path), Path(video)
  if not detections:
    raise ValueError("no detections; expected one for each face")
  for detection in detections:
    _check(detection, clock)
  if not path.parent.is_dir():
    raise FileNotFoundError(f"{path.parent} is not a folder; make it before writing {path.name}")
  is_linked = not embed or video.stat().st_size > MAX_EMBEDDED_BYTES
  link = urllib.parse.quote(Path(os.path.relpath(video.resolve(), path.parent.resolve())).as_posix())
  with contextlib.nullcontext((video, "")) if is_linked else _playable(video) as (copy, media_type):
    page = render_parts(
      "detection_page.html",
      name=video.name,
      version=__version__,
      link=link if is_linked else None,
      was_to_be_embedded=embed,
      max_megabytes=MAX_EMBEDDED_BYTES // 1_000_000,
      media_type=media_type,
      video_parts=[] if is_linked else _base64_parts(copy),
      faces=[_face(detection.timeline) for detection in detections],
      duration=_short_time(max(detection.timeline.duration_s for detection in detections)),
      warnings=list(dict.fromkeys(warning for detection in detections for warning in detection.report.warnings)),
      clock=clock,
      events=EVENTS,
      colours=[(label, hex_colour(label, EVENT_INKS), hex_colour(label, EVENT_COLOURS)) for label in EVENTS],
      data=_data(detections, clock),
    )
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
      file.writelines(page)


def _check(detection: "Detection", clock: Clock) -> None:
  blocks, scores = len(detection.decision), detection.scores
  expected = {"audio": (blocks, len(EVENTS)), "visual": (blocks,), "audio_visual": (blocks, len(EVENTS))}
  for name, shape in expected.items():
    values = getattr(scores, name)
    if values is not None and np.shape(values) != shape:
      raise ValueError(f"{name} scores have shape {np.shape(values)}; expected {shape}")
  if detection.boxes.shape != (blocks, clock.images_per_block, 4):
    raise ValueError(f"boxes have shape {detection.boxes.shape}; expected {(blocks, clock.images_per_block, 4)}")


def _face(timeline: Timeline) -> dict[str, Any]:
  """What the page shows of a timeline in words."""
  return {
    "rows": [
      {
        "event": event,
        "start": format_time(event.onset_s),
        "end": format_time(event.offset_s),
        "length": f"{event.duration_s:.1f} s",
        "score": "" if event.score is None else f"{event.score:.2f}",
      }
      for event in timeline
    ],
    "shares": {label: round(100 * timeline.total_s(label) / (timeline.duration_s or 1)) for label in EVENTS},
  }


def _data(detections: Sequence["Detection"], clock: Clock) -> dict[str, Any]:
  """What the page's program draws. Bytes of [B,E], [B] and [B,N,4] in base64; a box without a width is no face."""
  return {
    "events": EVENTS,
    "duration_s": max(detection.timeline.duration_s for detection in detections),
    "block_rate_hz": clock.block_rate_hz,
    "images_per_block": clock.images_per_block,
    # The audio branch hears the same whosever face is looked at.
    "audio": _bytes(detections[0].scores.audio),
    "faces": [
      {
        "fused": _bytes(detection.scores.audio_visual),
        "visual": _bytes(detection.scores.visual),
        "boxes": _bytes(np.nan_to_num(detection.boxes, nan=0.0)),
      }
      for detection in detections
    ],
  }


def _bytes(values: Any) -> str | None:
  """Numbers of 0..1 as base64 of bytes; None for None."""
  if values is None:
    return None
  return base64.b64encode(np.round(np.clip(np.asarray(values), 0, 1) * 255).astype(np.uint8).tobytes()).decode()


def _short_time(seconds: float) -> str:
  return format_time(seconds)[:-2]


@contextlib.contextmanager
def _playable(video: Path) -> Iterator[tuple[Path, str]]:
  """The recording where browsers play it, else a copy that they do; and its media type."""
  from attavvad_jax.media.decode import probe
  from attavvad_jax.media.rewrite import rewrite

  media_type = _media_type(video)
  if media_type is not None:
    yield video, media_type
    return
  with tempfile.TemporaryDirectory() as folder:
    copy = Path(folder) / "copy.mp4"
    rewrite(video, copy, probe(video).start, _SOUND_CODECS["video/mp4"])
    yield copy, "video/mp4"


def _media_type(video: Path) -> str | None:
  """The media type of a file that browsers play; None for others."""
  import av

  from attavvad_jax.media.errors import MediaError

  try:
    with av.open(f"file:{video}") as container:
      media_type = _MEDIA_TYPES.get(container.format.name)
      contexts = [stream.codec_context for stream in (*container.streams.video, *container.streams.audio)]
  except av.error.FFmpegError as error:
    raise MediaError(f"{video}: {error.strerror}; expected a video with sound") from None
  if media_type is None:
    return None
  for context in contexts:
    if context is None:
      return None
    if context.type == "video" and (context.name not in _PICTURE_CODECS or context.pix_fmt not in _PIXELS):
      return None
    if context.type == "audio" and context.name not in _SOUND_CODECS[media_type]:
      return None
  return media_type


def _base64_parts(file: Path) -> Iterator[str]:
  """A file in base64, in parts that are decoded each by itself: no browser holds a string of the whole."""
  with file.open("rb") as stream:
    while part := stream.read(_PART_BYTES):
      yield base64.b64encode(part).decode()
