"""`attavvad detect`: a video in; the timeline printed, and written as TSV and JSON."""

import os
from pathlib import Path
import sys
from typing import TextIO

from attavvad_jax import __version__
from attavvad_jax.annotations import write as write_annotation
from attavvad_jax.detection.detector import Detection, Detector
from attavvad_jax.reports.text import timeline_text


def detect_file(
  video: str | Path,
  checkpoint: str | Path,
  output: str | Path = ".",
  *,
  box: tuple[float, float, float, float] | None = None,
  annotate: bool = False,
  stream: TextIO | None = None,
) -> Detection:
  """Detects, prints the timeline, and writes `<stem>.tsv` and `<stem>.json` into the output folder.

  Args:
    video: a file with sound.
    checkpoint: what training wrote.
    output: folder for the results; made if missing.
    box: the performer's face, as `Detector.detect` takes it.
    annotate: also write `<stem>.annotated.mp4`.
    stream: where the timeline is printed; standard output where None.

  Raises:
    ValueError: the video, the checkpoint or the output folder cannot be used; nothing has been written then.
  """
  video, output = Path(video), Path(output)
  _check_writable(output)
  detector = Detector(checkpoint)
  detection = detector.detect(video, box=box)
  stream = stream or sys.stdout
  for warning in detection.report.warnings:
    print(f"warning: {warning}", file=sys.stderr)
  print(timeline_text(detection.timeline), file=stream)
  metadata = {
    "video": video.name,
    "checkpoint": str(checkpoint),
    "version": __version__,
    "block_rate_hz": detector.spec.clock.block_rate_hz,
    "warnings": detection.report.warnings,
  }
  output.mkdir(parents=True, exist_ok=True)
  written = [output / f"{video.stem}.tsv", output / f"{video.stem}.json"]
  write_annotation(detection.timeline, written[0])
  write_annotation(detection.timeline, written[1], metadata=metadata)
  if annotate:
    from attavvad_jax.reports.overlay import write_annotated_video

    written.append(output / f"{video.stem}.annotated.mp4")
    write_annotated_video(
      video, written[-1], detection.timeline, detection.decision, detection.boxes, detector.spec.clock
    )
  print("\n".join(f"wrote {path}" for path in written), file=stream)
  return detection


def _check_writable(folder: Path) -> None:
  """Refuses an output folder before minutes are spent on a video."""
  existing = folder
  while not existing.exists():
    existing = existing.parent
  if not existing.is_dir():
    raise ValueError(f"output folder {folder}: {existing} is not a folder")
  if not os.access(existing, os.W_OK | os.X_OK):
    raise ValueError(f"output folder {folder}: cannot write to {existing}; choose another with --output")
