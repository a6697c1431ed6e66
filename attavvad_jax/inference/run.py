"""`attavvad detect`: prints the timelines of videos and writes them in the requested formats."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import json
import os
from pathlib import Path
import sys
from typing import Any, TextIO

import numpy as np

from attavvad_jax import __version__
from attavvad_jax.faces import Detect, FaceDetector
from attavvad_jax.inference.detector import Detection, Detector
from attavvad_jax.inference.inputs import Failure, Job, find_jobs
from attavvad_jax.inference.outputs import DEFAULT, check_names, output_paths, write_outputs
from attavvad_jax.inference.performer import Performer
from attavvad_jax.inference.record import FaceResult, Record, Result
from attavvad_jax.inference.summary import check_summary, write_summary
from attavvad_jax.marks import Content
from attavvad_jax.media import DEFAULT_TRACKS, MediaError, MediaInfo, Tracks, probe
from attavvad_jax.media.packets import open_file
from attavvad_jax.notes import note
from attavvad_jax.timeline.text import timeline_text
from attavvad_jax.weights import SHIPPED

FACES = ("performer", "all")


def detect_file(
  video: str | Path,
  checkpoint: str | Path = SHIPPED,
  output: str | Path = ".",
  *,
  to: Sequence[str] = DEFAULT,
  performer: str | Performer = "prominent",
  tracks: Tracks = DEFAULT_TRACKS,
  smoothing: Mapping[str, Any] | None = None,
  overwrite: bool = False,
  stream: TextIO | None = None,
) -> Detection:
  """Detects in one file, prints the timeline, and writes it under the video's name, replacing its previous result.

  Args:
    video: a file with audio.
    checkpoint: a workdir, a checkpoint folder, or "shipped": the weights of the package.
    output: folder for the results; created if missing.
    to: formats to write, names of `outputs.SUFFIXES`.
    performer: how the performer is chosen, see `Performer`.
    tracks: which of the file's audio and video tracks are used.
    smoothing: fields of `Smoothing` that replace those of the checkpoint, such as {"min_duration_s": 1.0}.
    overwrite: whether results of another video with the same name are replaced, too.
    stream: where the timeline is printed; None for standard output.

  Raises:
    ValueError: the video, the checkpoint or the output folder cannot be used, or a file in the way is not a result or
      belongs to another video; nothing has been written in that case.
  """
  task = _task(checkpoint, output, to, performer, tracks, smoothing, stream)
  job = Job(Path(video), Path(Path(video).stem))
  outcome = _Work(task, job).detect(None, overwrite)
  _report_alone(task, job, outcome)
  (detection,) = outcome.detections
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
  smoothing: Mapping[str, Any] | None = None,
  overwrite: bool = False,
  summary: str | Path | None = None,
  listed: Iterable[str] = (),
  stream: TextIO | None = None,
) -> int:
  """Detects in many files; an unusable one does not stop the others and is listed at the end.

  Results of an earlier run are kept while everything that they depend on is unchanged: see `record`. Other results of
  the same video are replaced.

  Args:
    inputs: files, folders, patterns, or `-` for `listed`, see `inputs.find_jobs`. Results of a folder's videos go to
      subfolders named like those of the videos.
    checkpoint: as in `detect_file`.
    output: as in `detect_file`.
    to: as in `detect_file`.
    performer: how the performer is chosen, see `Performer`; None for the prominent face.
    faces: "all" for a timeline of each face, else "performer".
    tracks: which audio and video tracks are used of files with several.
    smoothing: as in `detect_file`.
    overwrite: whether existing results are computed again, and results of other videos with the same name are replaced.
    summary: path of a table of all videos, see the module `summary`; None for no table.
    listed: inputs, one per line.
    stream: where the timeline of a single file, or a line for each of many, is printed; None for standard output.

  Returns:
    The exit code: 0, or 1 if some of many files could not be used.

  Raises:
    ValueError, OSError: the checkpoint, the output folder, an option or the only file cannot be used; nothing but the
      summary has been written in that case.
  """
  if faces not in FACES:
    raise ValueError(f"faces is {faces!r}; expected one of {', '.join(FACES)}")
  if faces == "all" and performer is not None:
    raise ValueError("faces=all and a performer exclude each other; drop one of the two")
  performer = None if faces == "all" else performer or "prominent"
  task = _task(checkpoint, output, to, performer, tracks, smoothing, stream)
  notes: list[str] = []
  jobs, failures = find_jobs(inputs, listed, notes)
  for text in notes:
    note(text)
  if summary is not None:
    check_summary(Path(summary), (path for job in jobs for path in (job.video, *task.paths(job))))
  total = len(jobs) + len(failures)
  outcomes: list[tuple[str, Result | Failure]] = [(failure.name, failure) for failure in failures]
  outcomes += _detect_alone(task, jobs, overwrite) if total == 1 else _detect_each(task, jobs, overwrite)
  if summary is not None:
    write_summary(Path(summary), outcomes)
    print(f"wrote {summary}", file=task.stream)
  failures = [outcome for _, outcome in outcomes if isinstance(outcome, Failure)]
  if total == 1:
    for failure in failures:
      raise failure.error
  if failures:
    print(f"attavvad: {len(failures)} of {total} could not be used:", file=sys.stderr)
    for failure in failures:
      print(f"  {failure}", file=sys.stderr)
  return 1 if failures else 0


@dataclasses.dataclass(frozen=True)
class _Task:
  """The settings for every video; `performer` is None if all faces get timelines."""

  detector: Detector
  output: Path
  to: tuple[str, ...]
  performer: Performer | None
  tracks: Tracks
  stream: TextIO

  def identity(self, content: Content) -> dict[str, Any]:
    """Returns everything that a result depends on, as JSON values. Results with another identity are replaced."""
    identity = {
      "video": content.sha256,
      "checkpoint": self.detector.digest,
      "faces": FACES[self.performer is None],
      "performer": None if self.performer is None else str(self.performer),
      "tracks": dataclasses.asdict(self.tracks),
      "smoothing": self.detector.smoothing.to_dict(),
      "version": __version__,
    }
    return json.loads(json.dumps(identity))

  def paths(self, job: Job, num_faces: int = 1) -> list[Path]:
    """Returns the files of a video; `num_faces` counts if all faces get timelines."""
    faces = [None] if self.performer is not None else range(1, num_faces + 1)
    paths = [path for face in faces for path in output_paths(self.output / job.stem, self.to, face)]
    return list(dict.fromkeys(paths))

  def detect(self, video: Path, info: MediaInfo, find_faces: Detect | None) -> list[Detection]:
    if self.performer is None:
      return self.detector.detect_faces(video, info=info, find_faces=find_faces)
    return [self.detector.detect(video, performer=self.performer, info=info, find_faces=find_faces)]


def _task(
  checkpoint: str | Path,
  output: str | Path,
  to: Sequence[str],
  performer: str | Performer | None,
  tracks: Tracks,
  smoothing: Mapping[str, Any] | None,
  stream: TextIO | None,
) -> _Task:
  """Validates everything that needs no video, and loads the checkpoint."""
  check_names(to)
  if isinstance(performer, str):
    performer = Performer.parse(performer)
  _check_writable(Path(output))
  detector = Detector(checkpoint, smoothing)
  return _Task(detector, Path(output), tuple(dict.fromkeys(to)), performer, tracks, stream or sys.stdout)


@dataclasses.dataclass(frozen=True)
class _Outcome:
  """The outcome for one video.

  Attributes:
    result: the new or the kept result.
    detections: the new detections; empty if the result was kept.
    written: the files, those of the first face first.
    differences: keys of the identity that differ from the replaced result.
    removed: files of the replaced result that were removed.
  """

  result: Result
  detections: Sequence[Detection] = ()
  written: Sequence[Path] = ()
  differences: Sequence[str] = ()
  removed: Sequence[Path] = ()


class _Work:
  """One video and the record of its results."""

  def __init__(self, task: _Task, job: Job):
    self._task, self._job = task, job
    self._record = Record(task.output / job.stem)
    # The video's content if it is unchanged, else None.
    self._known = self._record.content_of(job.video)

  def done(self) -> _Outcome | None:
    """Returns the existing result if it is complete and has the requested identity; else None."""
    result = self._record.result
    if self._known is None or result is None:
      return None
    is_held = self._record.holds(self._task.identity(self._known), self._task.paths(self._job, len(result.faces)))
    return _Outcome(result) if is_held else None

  def detect(self, find_faces: Detect | None, overwrite: bool) -> _Outcome:
    """Detects and writes, after checking that no file is in the way.

    Raises:
      ValueError: a file in the way must not be replaced, or the video cannot be used.
      OSError: the video cannot be read, or a file cannot be written.
    """
    task, job, record = self._task, self._job, self._record
    with open_file(job.video) as file:
      info = probe(job.video, task.tracks, file)
      if not info.has_video and "mp4" in task.to:
        raise MediaError(f"{job.video}: mp4 output needs video, but this file has none; drop mp4 from the outputs")
      content = self._known or Content.of_open(file)
    if not overwrite:
      record.check_video(job.video, content)
    record.check_files(task.paths(job))
    identity = task.identity(content)
    differences = record.differences(identity)

    detections = task.detect(job.video, info, find_faces)
    report = detections[0].report
    faces = [_face_result(detection) for detection in detections]
    result = Result(identity, job.video, content, faces, report.choices, report.warnings)
    record.check_files(task.paths(job, len(detections)))
    stem = task.output / job.stem
    stem.parent.mkdir(parents=True, exist_ok=True)
    origin = {"performer": identity["performer"], "checkpoint": task.detector.name, "identity": identity}
    writing = functools.partial(record.writing, result)
    written = write_outputs(job.video, detections, stem, task.to, task.detector.spec.clock, origin, writing)
    removed = [path for path in record.removed if path not in written]
    return _Outcome(result, detections, written, differences, removed)


def _face_result(detection: Detection) -> FaceResult:
  report = detection.report
  num_images = report.num_images - report.images_without_frame
  seen = int(np.isfinite(detection.boxes[..., 0]).sum())
  return FaceResult(detection.timeline, detection.face, num_images, min(seen, num_images))


def _detect_alone(task: _Task, jobs: Sequence[Job], overwrite: bool) -> Iterator[tuple[str, Result | Failure]]:
  """Processes the only video, if there is one, and prints its timeline."""
  for job in jobs:
    try:
      work = _Work(task, job)
      outcome = (None if overwrite else work.done()) or work.detect(None, overwrite)
    except (ValueError, OSError) as error:
      yield str(job.video), Failure(str(job.video), error)
      continue
    _report_alone(task, job, outcome)
    yield str(job.video), outcome.result


def _report_alone(task: _Task, job: Job, outcome: _Outcome) -> None:
  for choice in outcome.result.choices:
    note(choice)
  for warning in outcome.result.warnings:
    note(f"warning: {warning}")
  for face in outcome.result.faces:
    if face.face is not None:
      print(f"face {face.face}", file=task.stream)
    print(timeline_text(face.timeline), file=task.stream)
  if not outcome.detections:
    print(f"{job.video}: up to date; --overwrite detects again", file=task.stream)
  if changes := _describe_replaced(outcome):
    print(f"replaced the previous result: {changes}", file=task.stream)
  for path in outcome.written:
    print(f"wrote {path}", file=task.stream)


def _detect_each(task: _Task, jobs: Sequence[Job], overwrite: bool) -> Iterator[tuple[str, Result | Failure]]:
  """Processes many videos and prints a line for each."""
  with contextlib.ExitStack() as stack:
    find_faces: Detect | None = None
    for number, job in enumerate(jobs, start=1):
      mark = f"[{number}/{len(jobs)}] {job.video}"
      try:
        work = _Work(task, job)
        outcome = None if overwrite else work.done()
        if outcome is None:
          if find_faces is None and (task.performer is None or task.performer.box is None):
            find_faces = stack.enter_context(FaceDetector())
          outcome = work.detect(find_faces, overwrite)
      except (ValueError, OSError) as error:
        failure = Failure(str(job.video), error)
        print(f"[{number}/{len(jobs)}] {failure}", file=sys.stderr, flush=True)
        yield failure.name, failure
        continue
      _report_one_of_many(task, mark, outcome)
      yield str(job.video), outcome.result


def _report_one_of_many(task: _Task, mark: str, outcome: _Outcome) -> None:
  if not outcome.detections:
    print(f"{mark}: up to date", file=task.stream, flush=True)
    return
  for choice in outcome.result.choices:
    note(f"{mark}: {choice}")
  for warning in outcome.result.warnings:
    note(f"{mark}: warning: {warning}")
  names = ", ".join(path.name for path in outcome.written)
  changes = _describe_replaced(outcome)
  print(f"{mark}: wrote {names}{changes and f' (replaced: {changes})'}", file=task.stream, flush=True)


def _describe_replaced(outcome: _Outcome) -> str:
  """Describes how the replaced result differed and which of its files were removed; empty without such a result."""
  parts = {"different": outcome.differences, "removed": [path.name for path in outcome.removed]}
  return "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts.items() if names)


def _check_writable(folder: Path) -> None:
  """Checks the output folder before minutes are spent on a video."""
  existing = folder
  while not existing.exists():
    existing = existing.parent
  if not existing.is_dir():
    raise ValueError(f"output folder {folder}: {existing} is not a folder")
  if not os.access(existing, os.W_OK | os.X_OK):
    raise ValueError(f"output folder {folder}: cannot write to {existing}; choose another with --output")
