"""Writes detections: label files, JSON with all scores, the annotated video, the page.

Axes: B blocks, E events, N images of a block.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attavvad_jax.annotations import write as write_annotation
from attavvad_jax.filenames import ANNOTATED_SUFFIX
from attavvad_jax.marks import mark_of
from attavvad_jax.timeline import EVENTS, Clock, others_meaning, unsure_spans
from attavvad_jax.versions import versions

if TYPE_CHECKING:  # importing jax takes a second, and output names are checked before
  from attavvad_jax.inference.detector import Detection
  from attavvad_jax.recordings import Report

# Names that `--to` takes, and the suffixes of their files. The suffixes are distinct, so that no file replaces another.
SUFFIXES = {
  "json": ".json",
  "tsv": ".tsv",
  "rttm": ".rttm",
  "vtt": ".vtt",
  "srt": ".srt",
  "audacity": ".txt",
  "textgrid": ".TextGrid",
  "elan": ".eaf",
  "csv": ".csv",
  "ava": ".ava.csv",
  "mp4": ANNOTATED_SUFFIX,
  "html": ".html",
}
DEFAULT = ("tsv", "json")
SCHEMA = Path(__file__).parent / "detection.schema.json"

# Names of label formats in `annotations`, where they differ.
_FORMATS = {"vtt": "webvtt"}
# Packages that a result depends on.
_PACKAGES = ("av", "flax", "jax", "jaxlib", "mediapipe", "numpy")


def check_names(to: Iterable[str]) -> None:
  """Validates names of outputs.

  Raises:
    ValueError: a name is unknown, or there are none.
  """
  to = tuple(to)
  if unknown := [name for name in to if name not in SUFFIXES] or (not to and ["nothing"]):
    raise ValueError(f"output is {', '.join(unknown)}; expected some of {', '.join(SUFFIXES)}")


def output_paths(stem: Path, to: Iterable[str], face: int | None = None) -> list[Path]:
  """Returns the files that `write_outputs` writes, for the face of this number if given; all faces share the page."""
  marks = {name: "" if face is None or name == "html" else f".face{face}" for name in to}
  return [stem.with_name(f"{stem.name}{mark}{SUFFIXES[name]}") for name, mark in marks.items()]


def write_outputs(
  video: Path,
  detections: Sequence["Detection"],
  stem: Path,
  to: Sequence[str],
  clock: Clock,
  origin: Mapping[str, Any],
  writing: Callable[[Path], contextlib.AbstractContextManager[None]],
) -> list[Path]:
  """Writes the detections of a video; each file is written completely or not at all.

  The files of the first face are written last: if they exist, so do the others.

  Args:
    video: the recording.
    detections: the performer's detection, or one for each face.
    stem: path of the files without the suffixes that `output_paths` adds. Its folder must exist.
    to: names of `SUFFIXES`.
    clock: clock of the detections.
    origin: fields `checkpoint`, `performer` and `identity` of the JSON file.
    writing: context manager entered while a file is written, which records it.

  Returns:
    The files, those of the first face first.

  Raises:
    ValueError: the annotated video is requested for a file without video.
    OSError: a file cannot be written.
  """
  written: list[Path] = []
  for detection in reversed(detections):
    paths = dict(zip(to, output_paths(stem, to, detection.face), strict=True))
    if detection is detections[0] and "html" in to:
      from attavvad_jax.reports.detection_page import write_detection_page

      with writing(paths["html"]):
        write_detection_page(paths["html"], video, detections, clock)
      written.append(paths["html"])
    for name in (name for name in to if name != "html"):
      with writing(paths[name]):
        _write(name, paths[name], video, detection, clock, origin)
    written = [paths[name] for name in to if name != "html"] + written
  return written


def _write(name: str, path: Path, video: Path, detection: "Detection", clock: Clock, origin: Mapping[str, Any]) -> None:
  if name == "mp4":
    from attavvad_jax.reports.overlay import write_annotated_video

    info = detection.report.media
    write_annotated_video(video, path, detection.timeline, detection.decision, detection.boxes, clock, info=info)
  else:
    mark = {"mark": mark_of(detection.timeline)}
    metadata = {**document(video, detection, clock, origin), **mark} if name == "json" else mark
    recording = path.name.removesuffix(SUFFIXES[name])
    write_annotation(detection.timeline, path, _FORMATS.get(name, name), metadata, recording=recording)


def document(video: Path, detection: "Detection", clock: Clock, origin: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the JSON fields other than events and duration; `detection.schema.json` describes them."""
  scores = detection.scores
  return {
    "schema_version": 1,
    "video": video.name,
    "face": detection.face,
    **origin,
    "versions": versions(_PACKAGES),
    "audio_input": _audio(detection.report),
    "video_input": _video(detection.report),
    "warnings": detection.report.warnings,
    "others": others_meaning(has_video=detection.report.has_video),
    "unsure": [
      {"onset_s": _rounded(span.onset_s), "offset_s": _rounded(span.offset_s), "event": span.label}
      for span in unsure_spans(detection.timeline, detection.decision, clock)
    ],
    "labels": EVENTS,
    "block_rate_hz": clock.block_rate_hz,
    "image_offsets_s": _rounded(clock.image_times_s(0)),
    "blocks": {
      "onset_s": [round(clock.start_s(block), 6) for block in range(len(detection.boxes))],
      "audio": _rounded(scores.audio),
      "visual": _rounded(scores.visual),
      "audio_visual": _rounded(scores.audio_visual),
      "attention": _rounded(scores.attention),
      "boxes": [[None if np.isnan(box[0]) else _rounded(box) for box in block] for block in detection.boxes],
    },
  }


def _audio(report: "Report") -> dict[str, Any] | None:
  """Describes the audio track and the channels that were used, and all audio tracks."""
  media = report.media
  if media is None or media.audio_track is None:
    return None
  return {
    "track": media.audio_track.number,
    "channels": media.tracks.channels,
    "cancellations": [
      {"onset_s": _rounded(onset_s), "offset_s": _rounded(offset_s), "channel": channel}
      for onset_s, offset_s, channel in report.passages
    ],
    "tracks": [track.to_dict() for track in media.audio_tracks],
  }


def _video(report: "Report") -> dict[str, Any] | None:
  """Describes the video track that was used, and all video tracks."""
  media = report.media
  if media is None or media.video_track is None:
    return None
  return {"track": media.video_track.number, "tracks": [track.to_dict() for track in media.video_tracks]}


def _rounded(values: Any) -> Any:
  """Rounds scores to 1e-6 for JSON; None stays None."""
  return None if values is None else np.round(np.asarray(values, np.float64), 6).tolist()
