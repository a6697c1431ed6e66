"""`attavvad detect`: videos in; their timelines printed, and written in the formats that are asked for."""

from collections.abc import Iterable, Iterator, Sequence
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
  overwrite: bool = False,
  stream: TextIO | None = None,
) -> Detection:
  """Detects in one file, prints the timeline, and writes it under the video's name, in the place of its last result.

  Args:
    video: a file with sound.
    checkpoint: what training wrote, or "shipped": the weights that come with the package.
    output: folder for the results; made if missing.
    to: what is written, names of `outputs.SUFFIXES`.
    performer: whose timeline it is, as `Performer` says.
    tracks: which of the file's sound and pictures are used.
    overwrite: whether the results of another video of the same name are replaced, too.
    stream: where the timeline is printed; standard output where None.

  Raises:
    ValueError: the video, the checkpoint or the output folder cannot be used, or there is a file in the way that is not
      a result, or not this video's; nothing has been written then.
  """
  task = _task(checkpoint, output, to, performer, tracks, stream)
  job = Job(Path(video), Path(Path(video).stem))
  outcome = _Work(task, job).detect(None, overwrite)
  _tell_alone(task, job, outcome)
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
  overwrite: bool = False,
  summary: str | Path | None = None,
  listed: Iterable[str] = (),
  stream: TextIO | None = None,
) -> int:
  """Detects in many files; one that cannot be used does not stop the others, and is listed at the end.

  What has been written by an earlier run is not done again, as long as all that it depends on is the same: see
  `record`. Other results of the same video are replaced.

  Args:
    inputs: files, folders, patterns, or `-` for `listed`, as `inputs.find_jobs` takes them. A video of a folder has its
      results in a folder of the same name as its own.
    checkpoint: as `detect_file` takes it, like `output`, `to` and `stream`.
    output: likewise.
    to: likewise.
    performer: whose timeline it is, as `Performer` says; the prominent face where None.
    faces: "all" for a timeline of each face, else "performer".
    tracks: which sound and pictures are used of files that have several.
    overwrite: whether what is done is done again, and results of other videos of the same name are replaced.
    summary: where a table of all videos goes, as `summary` describes it; nowhere where None.
    listed: inputs, one a line.
    stream: where the timeline of a single file, or a line for each of many, is printed.

  Returns:
    The exit code: 0, or 1 where some of many files could not be used.

  Raises:
    ValueError: checkpoint, output folder or a choice cannot be used, or the only file; nothing has been written then,
      but for the summary.
    OSError: likewise.
  """
  if faces not in FACES:
    raise ValueError(f"faces is {faces!r}; expected one of {', '.join(FACES)}")
  if faces == "all" and performer is not None:
    raise ValueError("where all faces get their timelines, no performer is chosen; leave one of the two out")
  task = _task(checkpoint, output, to, None if faces == "all" else performer or "prominent", tracks, stream)
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
  """What is done with every video; `performer` is None where all faces get their timelines."""

  detector: Detector
  output: Path
  to: tuple[str, ...]
  performer: Performer | None
  tracks: Tracks
  stream: TextIO

  def identity(self, content: Content) -> dict[str, Any]:
    """All that a result depends on, as JSON holds it. What is added here makes other results of other values."""
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
    """What is written of a video; where all faces get their timelines, of so many of them."""
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
  stream: TextIO | None,
) -> _Task:
  """Checks what can be checked before a video is opened."""
  check_names(to)
  if isinstance(performer, str):
    performer = Performer.parse(performer)
  _check_writable(Path(output))
  return _Task(Detector(checkpoint), Path(output), tuple(dict.fromkeys(to)), performer, tracks, stream or sys.stdout)


@dataclasses.dataclass(frozen=True)
class _Outcome:
  """What came of a video.

  Attributes:
    result: of now, or of when it was done.
    detections: empty where it was done already.
    written: the files, those of the first face first.
    differences: in what it differs from the result that it replaces.
    removed: files of that result that would have lain beside it.
  """

  result: Result
  detections: Sequence[Detection] = ()
  written: Sequence[Path] = ()
  differences: Sequence[str] = ()
  removed: Sequence[Path] = ()


class _Work:
  """One video, and what is known of its results."""

  def __init__(self, task: _Task, job: Job):
    self._task, self._job = task, job
    self._record = Record(task.output / job.stem)
    # What is in the video, where it is what was in it before.
    self._known = self._record.content_of(job.video)

  def done(self) -> _Outcome | None:
    """What there is, if all of it is there and of just what is asked for."""
    result = self._record.result
    if self._known is None or result is None:
      return None
    is_held = self._record.holds(self._task.identity(self._known), self._task.paths(self._job, len(result.found)))
    return _Outcome(result) if is_held else None

  def detect(self, find_faces: Detect | None, overwrite: bool) -> _Outcome:
    """Detects and writes; what is in the way and must not be replaced is found before.

    Raises:
      ValueError: there is such a file, or the video cannot be used.
      OSError: the video cannot be read, or something cannot be written.
    """
    task, job, record = self._task, self._job, self._record
    with open_file(job.video) as file:
      info = probe(job.video, task.tracks, file)
      if not info.has_video and "mp4" in task.to:
        raise MediaError(f"{job.video}: no pictures in this file to draw on; leave mp4 out of the outputs")
      content = self._known or Content.of_open(file)
    if not overwrite:
      record.check_video(job.video, content)
    record.check_files(task.paths(job))
    identity = task.identity(content)
    differences = record.differences(identity)

    detections = task.detect(job.video, info, find_faces)
    report = detections[0].report
    found = [_found(detection) for detection in detections]
    result = Result(identity, job.video, content, found, report.choices, report.warnings)
    record.check_files(task.paths(job, len(detections)))
    stem = task.output / job.stem
    stem.parent.mkdir(parents=True, exist_ok=True)
    origin = {"performer": identity["performer"], "checkpoint": task.detector.name, "identity": identity}
    writing = functools.partial(record.writing, result)
    written = write_outputs(job.video, detections, stem, task.to, task.detector.spec.clock, origin, writing)
    removed = [path for path in record.removed if path not in written]
    return _Outcome(result, detections, written, differences, removed)


def _found(detection: Detection) -> FaceResult:
  report = detection.report
  pictures = report.num_images - report.images_without_frame
  seen = int(np.isfinite(detection.boxes[..., 0]).sum())
  return FaceResult(detection.timeline, detection.face, pictures, min(seen, pictures))


def _detect_alone(task: _Task, jobs: Sequence[Job], overwrite: bool) -> Iterator[tuple[str, Result | Failure]]:
  """The only video, if there is one, with its timeline on the screen."""
  for job in jobs:
    try:
      work = _Work(task, job)
      outcome = (None if overwrite else work.done()) or work.detect(None, overwrite)
    except (ValueError, OSError) as error:
      yield str(job.video), Failure(str(job.video), error)
      continue
    _tell_alone(task, job, outcome)
    yield str(job.video), outcome.result


def _tell_alone(task: _Task, job: Job, outcome: _Outcome) -> None:
  for choice in outcome.result.choices:
    note(choice)
  for warning in outcome.result.warnings:
    note(f"warning: {warning}")
  for found in outcome.result.found:
    if found.face is not None:
      print(f"face {found.face}", file=task.stream)
    print(timeline_text(found.timeline), file=task.stream)
  if not outcome.detections:
    print(f"{job.video}: done already; --overwrite does it again", file=task.stream)
  if said := _say_what_was_before(outcome):
    print(f"made anew: {said}", file=task.stream)
  for path in outcome.written:
    print(f"wrote {path}", file=task.stream)


def _detect_each(task: _Task, jobs: Sequence[Job], overwrite: bool) -> Iterator[tuple[str, Result | Failure]]:
  """Many videos, a line for each."""
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
      _tell_one_of_many(task, mark, outcome)
      yield str(job.video), outcome.result


def _tell_one_of_many(task: _Task, mark: str, outcome: _Outcome) -> None:
  if not outcome.detections:
    print(f"{mark}: done already", file=task.stream, flush=True)
    return
  for choice in outcome.result.choices:
    note(f"{mark}: {choice}")
  for warning in outcome.result.warnings:
    note(f"{mark}: warning: {warning}")
  names = ", ".join(path.name for path in outcome.written)
  said = _say_what_was_before(outcome)
  print(f"{mark}: wrote {names}{said and f' (anew: {said})'}", file=task.stream, flush=True)


def _say_what_was_before(outcome: _Outcome) -> str:
  """In what the result before was another, and which of its files are gone; empty where there was none."""
  parts = {"other": outcome.differences, "removed": [path.name for path in outcome.removed]}
  return "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts.items() if names)


def _check_writable(folder: Path) -> None:
  """Refuses an output folder before minutes are spent on a video."""
  existing = folder
  while not existing.exists():
    existing = existing.parent
  if not existing.is_dir():
    raise ValueError(f"output folder {folder}: {existing} is not a folder")
  if not os.access(existing, os.W_OK | os.X_OK):
    raise ValueError(f"output folder {folder}: cannot write to {existing}; choose another with --output")
