"""`attavvad detect`: videos in; their timelines printed, and written in the formats that are asked for."""

from collections.abc import Iterable, Sequence
import contextlib
import dataclasses
import os
from pathlib import Path
import sys
from typing import TextIO

from attavvad_jax.detection.detector import Detection, Detector
from attavvad_jax.detection.inputs import Failure, Job, find_jobs
from attavvad_jax.detection.outputs import DEFAULT, check_names, output_paths, write_outputs
from attavvad_jax.detection.performer import Performer
from attavvad_jax.media import DEFAULT_TRACKS, FaceDetector, MediaError, Tracks, probe
from attavvad_jax.media.faces import Detect
from attavvad_jax.reports.text import timeline_text
from attavvad_jax.shipped import SHIPPED

FACES = ("performer", "all")


def detect_file(
  video: str | Path,
  checkpoint: str | Path = SHIPPED,
  output: str | Path = ".",
  *,
  to: Sequence[str] = DEFAULT,
  performer: str | Performer = "prominent",
  tracks: Tracks = DEFAULT_TRACKS,
  stream: TextIO | None = None,
) -> Detection:
  """Detects in one file, prints the timeline, and writes it under the video's name, over what is there.

  Args:
    video: a file with sound.
    checkpoint: what training wrote, or "shipped": the weights that come with the package.
    output: folder for the results; made if missing.
    to: what is written, names of `outputs.SUFFIXES`.
    performer: whose timeline it is, as `Performer` says.
    tracks: which of the file's sound and pictures are used.
    stream: where the timeline is printed; standard output where None.

  Raises:
    ValueError: the video, the checkpoint or the output folder cannot be used; nothing has been written then.
  """
  task = _task(checkpoint, output, to, performer, tracks, stream)
  (detection,) = _detect_alone(task, Job(Path(video), Path(Path(video).stem)))
  return detection


def detect_files(
  inputs: Sequence[str],
  checkpoint: str | Path = SHIPPED,
  output: str | Path = ".",
  *,
  to: Sequence[str] = DEFAULT,
  performer: str | Performer | None = None,
  faces: str = "performer",
  tracks: Tracks = DEFAULT_TRACKS,
  overwrite: bool = False,
  listed: Iterable[str] = (),
  stream: TextIO | None = None,
) -> int:
  """Detects in many files; one that cannot be used does not stop the others, and is listed at the end.

  What has been written by an earlier run, and is not older than its video, is not done again.

  Args:
    inputs: files, folders, patterns, or `-` for `listed`, as `inputs.find_jobs` takes them. A video of a folder has its
      results in a folder of the same name as its own.
    checkpoint: as `detect_file` takes it, like `output`, `to` and `stream`.
    output: likewise.
    to: likewise.
    performer: whose timeline it is, as `Performer` says; the prominent face where None.
    faces: "all" for a timeline of each face, else "performer".
    tracks: which sound and pictures are used of files that have several.
    overwrite: whether what is there is done again.
    listed: inputs, one a line.
    stream: where the timeline of a single file, or a line for each of many, is printed.

  Returns:
    The exit code: 0, or 1 where some of many files could not be used.

  Raises:
    ValueError: checkpoint, output folder or a choice cannot be used, or the only file; nothing has been written then.
    OSError: likewise.
  """
  if faces not in FACES:
    raise ValueError(f"faces is {faces!r}; expected one of {', '.join(FACES)}")
  if faces == "all" and performer is not None:
    raise ValueError("where all faces get their timelines, no performer is chosen; leave one of the two out")
  task = _task(checkpoint, output, to, None if faces == "all" else performer or "prominent", tracks, stream)
  jobs, failures = find_jobs(inputs, listed)
  total = len(jobs) + len(failures)
  if total == 1:
    for failure in failures:
      raise failure.error
    if not overwrite and task.is_done(jobs[0]):
      print(f"{jobs[0].video}: done already; --overwrite does it again", file=task.stream)
    else:
      _detect_alone(task, jobs[0])
    return 0
  failures += _detect_each(task, jobs, overwrite)
  if failures:
    print(f"attavvad: {len(failures)} of {total} could not be used:", file=sys.stderr)
    for failure in failures:
      print(f"  {failure}", file=sys.stderr)
  return 1 if failures else 0


@dataclasses.dataclass(frozen=True)
class _Task:
  """What is done with every video; `performer` is None where all faces get their timelines."""

  detector: Detector
  output: Path
  to: tuple[str, ...]
  performer: Performer | None
  tracks: Tracks
  stream: TextIO

  def is_done(self, job: Job) -> bool:
    """Whether all results are there and none is older than the video."""
    if not job.video.is_file():
      return False
    paths = output_paths(self.output / job.stem, self.to, 1 if self.performer is None else None)
    changed = job.video.stat().st_mtime
    return all(path.is_file() and path.stat().st_mtime >= changed for path in paths)

  def detect(self, video: Path, find_faces: Detect | None) -> list[Detection]:
    if self.performer is None:
      return self.detector.detect_faces(video, tracks=self.tracks, find_faces=find_faces)
    return [self.detector.detect(video, performer=self.performer, tracks=self.tracks, find_faces=find_faces)]


def _task(
  checkpoint: str | Path,
  output: str | Path,
  to: Sequence[str],
  performer: str | Performer | None,
  tracks: Tracks,
  stream: TextIO | None,
) -> _Task:
  """Checks what can be checked before a video is opened."""
  check_names(to)
  if isinstance(performer, str):
    performer = Performer.parse(performer)
  _check_writable(Path(output))
  return _Task(Detector(checkpoint), Path(output), tuple(dict.fromkeys(to)), performer, tracks, stream or sys.stdout)


def _detect_alone(task: _Task, job: Job) -> list[Detection]:
  """One video, with its timeline on the screen."""
  detections, written = _detect_and_write(task, job, None)
  for choice in detections[0].report.choices:
    print(choice, file=sys.stderr)
  for warning in detections[0].report.warnings:
    print(f"warning: {warning}", file=sys.stderr)
  for detection in detections:
    if detection.face is not None:
      print(f"face {detection.face}", file=task.stream)
    print(timeline_text(detection.timeline), file=task.stream)
  print("\n".join(f"wrote {path}" for path in written), file=task.stream)
  return detections


def _detect_each(task: _Task, jobs: Sequence[Job], overwrite: bool) -> list[Failure]:
  """Many videos, a line for each; gives those that could not be used."""
  failures: list[Failure] = []
  with contextlib.ExitStack() as stack:
    find_faces: Detect | None = None
    for number, job in enumerate(jobs, start=1):
      mark = f"[{number}/{len(jobs)}] {job.video}"
      if not overwrite and task.is_done(job):
        print(f"{mark}: done already", file=task.stream, flush=True)
        continue
      if find_faces is None and (task.performer is None or task.performer.box is None):
        find_faces = stack.enter_context(FaceDetector())
      try:
        detections, written = _detect_and_write(task, job, find_faces)
      except (ValueError, OSError) as error:
        failures.append(Failure(error))
        print(f"[{number}/{len(jobs)}] {failures[-1]}", file=sys.stderr, flush=True)
        continue
      for choice in detections[0].report.choices:
        print(f"{mark}: {choice}", file=sys.stderr)
      for warning in detections[0].report.warnings:
        print(f"{mark}: warning: {warning}", file=sys.stderr)
      print(f"{mark}: wrote {', '.join(path.name for path in written)}", file=task.stream, flush=True)
  return failures


def _detect_and_write(task: _Task, job: Job, find_faces: Detect | None) -> tuple[list[Detection], list[Path]]:
  if "mp4" in task.to and not probe(job.video, task.tracks).has_pictures:
    raise MediaError(f"{job.video}: no pictures in this file to draw on; leave mp4 out of the outputs")
  detections = task.detect(job.video, find_faces)
  stem = task.output / job.stem
  stem.parent.mkdir(parents=True, exist_ok=True)
  origin = {"performer": None if task.performer is None else str(task.performer), "checkpoint": task.detector.name}
  return detections, write_outputs(job.video, detections, stem, task.to, task.detector.spec.clock, origin)


def _check_writable(folder: Path) -> None:
  """Refuses an output folder before minutes are spent on a video."""
  existing = folder
  while not existing.exists():
    existing = existing.parent
  if not existing.is_dir():
    raise ValueError(f"output folder {folder}: {existing} is not a folder")
  if not os.access(existing, os.W_OK | os.X_OK):
    raise ValueError(f"output folder {folder}: cannot write to {existing}; choose another with --output")
