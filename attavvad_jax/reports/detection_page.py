"""The detection page: one HTML file, opened from disk, with the video, lanes of events and curves of scores.

Scores and boxes are stored as bytes in steps of 1/255, in base64: a block of one face takes 9 bytes for its scores and
12 for its boxes, an hour 0.3 MB. The JSON output has exact scores. The page draws only what is in view.
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
from attavvad_jax.files import replacing
from attavvad_jax.reports.render import render_parts
from attavvad_jax.timeline import EVENTS, Clock, Event, Timeline, unsure_spans
from attavvad_jax.timeline.labels import UNSURE_BELOW
from attavvad_jax.timeline.palette import EVENT_COLORS, EVENT_INKS, hex_color

if TYPE_CHECKING:
  from attavvad_jax.inference.detector import Detection
  from attavvad_jax.media import MediaInfo

# Browsers load much larger pages slowly or not at all.
MAX_EMBEDDED_BYTES = 200_000_000

# Formats that Chromium, Firefox and Safari play, by FFmpeg's names: container -> media type and decoders.
_PLAYED = {
  "mov,mp4,m4a,3gp,3g2,mj2": ("video/mp4", {"h264", "vp9", "av1", "libdav1d", "aac", "mp3", "mp3float"}),
  "matroska,webm": ("video/webm", {"vp8", "vp9", "av1", "libdav1d", "vorbis", "opus"}),
  "mp3": ("audio/mpeg", {"mp3", "mp3float"}),
  "wav": ("audio/wav", {"pcm_s16le"}),
  "flac": ("audio/flac", {"flac"}),
}
_PLAYED_PIXELS = {"yuv420p", "yuvj420p"}
_COPIED_AUDIO = {"aac", "mp3", "mp3float"}
# Start times up to this count as zero: rounding and audio encoder delay stay below it, which is less than a frame.
_SAME_CLOCK_S = 0.03
# Divisible by three, so that each part of base64 encodes whole bytes.
_PART_BYTES = 3 << 18


def write_detection_page(
  path: str | os.PathLike[str],
  video: str | os.PathLike[str],
  detections: Sequence["Detection"],
  clock: Clock,
  *,
  embed: bool = True,
) -> None:
  """Writes the page of a recording; an existing file is replaced once the new one is complete.

  A page with an embedded video needs no other file. A video that browsers cannot play is embedded as a playable copy. A
  video of more than `MAX_EMBEDDED_BYTES` is always linked, and the page says so.

  Args:
    path: the HTML file to write.
    video: the recording.
    detections: one for each face. The first report provides the media information; without it, the video is probed.
    clock: the clock of their blocks.
    embed: whether to embed the video; else the page links to it by its relative path.

  Raises:
    ValueError: there are no detections, scores or boxes have a wrong shape, or `video` cannot be read.
    OSError: a file is missing, or the page's folder cannot be written to.
  """
  from attavvad_jax.media.info import probe

  path, video = Path(path), Path(video)
  if not detections:
    raise ValueError("no detections; expected one for each face")
  for detection in detections:
    _check(detection, clock)
  if not path.parent.is_dir():
    raise FileNotFoundError(f"{path.parent} is not a folder; make it before writing {path.name}")
  is_linked = not embed or video.stat().st_size > MAX_EMBEDDED_BYTES
  link = urllib.parse.quote(Path(os.path.relpath(video.resolve(), path.parent.resolve())).as_posix())
  report = detections[0].report
  info = report.media or probe(video, report.tracks)
  with contextlib.nullcontext((video, "")) if is_linked else _playable(video, info) as (copy, media_type):
    page = render_parts(
      "detection_page.html",
      name=video.name,
      version=__version__,
      link=link if is_linked else None,
      was_to_be_embedded=embed,
      max_megabytes=MAX_EMBEDDED_BYTES // 1_000_000,
      media_type=media_type,
      video_parts=[] if is_linked else _base64_parts(copy),
      percentages=[_percentages(detection.timeline) for detection in detections],
      rows=_rows(detections),
      choices=detections[0].report.choices,
      warnings=list(dict.fromkeys(warning for detection in detections for warning in detection.report.warnings)),
      clock=clock,
      events=EVENTS,
      unsure_below=UNSURE_BELOW,
      colors=[(label, hex_color(label, EVENT_INKS), hex_color(label, EVENT_COLORS)) for label in EVENTS],
      data=_data(detections, clock) | {"start_s": float(info.start) if is_linked else 0.0},
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


def _percentages(timeline: Timeline) -> dict[str, int]:
  """Returns the percentage of the duration that each event takes."""
  return {label: round(100 * timeline.total_s(label) / (timeline.duration_s or 1)) for label in EVENTS}


def _rows(detections: Sequence["Detection"]) -> list[tuple[int, Event]]:
  """Returns the events of all faces in order of onset, each with the index of its face."""
  rows = [(face, event) for face, detection in enumerate(detections) for event in detection.timeline]
  return sorted(rows, key=lambda row: row[1].onset_s)


def _data(detections: Sequence["Detection"], clock: Clock) -> dict[str, Any]:
  """Returns the data that the page's script draws: [B,E], [B] and [B,N,4] as bytes in base64; width 0 means no face."""
  return {
    "events": EVENTS,
    "duration_s": max(detection.timeline.duration_s for detection in detections),
    "block_rate_hz": clock.block_rate_hz,
    "images_per_block": clock.images_per_block,
    # The audio branch gives the same scores for all faces.
    "audio": _bytes(detections[0].scores.audio),
    "faces": [
      {
        "fused": _bytes(detection.scores.audio_visual),
        "visual": _bytes(detection.scores.visual),
        "boxes": _bytes(np.nan_to_num(detection.boxes, nan=0.0)),
        "unsure": [
          [span.label, round(span.onset_s, 3), round(span.offset_s, 3)]
          for span in unsure_spans(detection.timeline, detection.decision, clock)
        ],
      }
      for detection in detections
    ],
  }


def _bytes(values: Any) -> str | None:
  """Encodes numbers in 0..1 as bytes in base64; None stays None."""
  if values is None:
    return None
  return base64.b64encode(np.round(np.clip(np.asarray(values), 0, 1) * 255).astype(np.uint8).tobytes()).decode()


@contextlib.contextmanager
def _playable(video: Path, info: "MediaInfo") -> Iterator[tuple[Path, str]]:
  """Yields a playable file and its media type: the recording, or a temporary copy of its used tracks.

  The recording is used if browsers play it on the timeline's clock.
  """
  from attavvad_jax.media.rewrite import rewrite

  media_type = _media_type(info)
  if media_type is not None and _is_shown_as_read(video, info):
    yield video, media_type
    return
  with tempfile.TemporaryDirectory() as folder:
    copy = Path(folder) / "copy.mp4"
    rewrite(video, copy, info, _COPIED_AUDIO if media_type is None else _COPIED_AUDIO | {"h264"})
    yield copy, "video/mp4"


def _media_type(info: "MediaInfo") -> str | None:
  """Returns the media type of a file that browsers play; None if they cannot, or would have to choose among tracks."""
  media_type, codecs = _PLAYED.get(info.container, (None, set()))
  is_unambiguous = len(info.video_tracks) < 2 and len(info.audio_tracks) < 2
  plays = all(
    stream.codec in codecs and (stream.kind == "audio" or stream.pixels in _PLAYED_PIXELS) for stream in info.stored
  )
  return media_type if plays and is_unambiguous else None


def _is_shown_as_read(video: Path, info: "MediaInfo") -> bool:
  """Returns whether browsers show each frame at its time after time zero, and in the orientation that is read here.

  The clock of some browsers starts at zero, that of others at the file's first time stamp. Not all browsers mirror, and
  none rotates by less than a quarter turn. In fragmented files without an edit list, Chromium shows frames too early by
  the decoder's delay. Browsers stop at leaps of time stamps.
  """
  from attavvad_jax.media.info import read_order

  if abs(info.start) > _SAME_CLOCK_S or info.orientation.mirrored or not info.orientation.is_exact:
    return False
  if "mov" in info.container:
    return all(stream.frames > 0 for stream in info.stored if stream.kind == "video")
  return not (info.order or read_order(video, info)).num_leaps


def _base64_parts(file: Path) -> Iterator[str]:
  """Yields a file in base64, in parts that decode separately, because no browser holds the whole as one string."""
  with file.open("rb") as stream:
    while part := stream.read(_PART_BYTES):
      yield base64.b64encode(part).decode()
