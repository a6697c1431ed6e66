"""Finds the videos that a command line names: files, folders, patterns, and lists on standard input."""

from collections.abc import Iterable, Iterator
import dataclasses
import glob
from pathlib import Path

from attavvad_jax.errors import one_line
from attavvad_jax.filenames import (
  AUDIO_SUFFIXES,
  VIDEO_SUFFIXES,
  files_in,
  has_media_name,
  has_video_name,
  name_some,
  tell_skipped,
)

STANDARD_INPUT = "-"


@dataclasses.dataclass(frozen=True)
class Job:
  """A video, and the path of its results relative to the output folder, without an extension."""

  video: Path
  stem: Path


@dataclasses.dataclass(frozen=True)
class Failure:
  """An unusable input and the reason.

  Attributes:
    name: the video, or the folder or pattern that named none.
    error: the reason; its message includes the name.
  """

  name: str
  error: Exception

  def __str__(self) -> str:
    return one_line(self.error)


def find_jobs(
  inputs: Iterable[str], listed: Iterable[str], notes: list[str] | None = None
) -> tuple[list[Job], list[Failure]]:
  """Returns the named videos, each once and in the order of the inputs, and the inputs that cannot be used.

  Args:
    inputs: files; folders, which stand for all video and audio files in them and their subfolders, except names that
      begin with a dot; patterns with `*`, `?`, `[` and `**`; `-` for the lines of `listed`.
    listed: further inputs other than `-`, one per line.
    notes: receives a line for each folder in which files were skipped.
  """
  jobs: dict[Path, Job] = {}
  stems: dict[Path, Path] = {}
  failures: list[Failure] = []
  notes = [] if notes is None else notes
  for text in _with_list(inputs, listed):
    try:
      for job in _expand(text, notes):
        video = job.video.resolve()
        if video in jobs:
          continue
        if (other := stems.setdefault(job.stem, job.video)) != job.video:
          reason = f"{job.video}: its results would have the same names as those of {other}; rename one of them"
          failures.append(Failure(str(job.video), ValueError(reason)))
          continue
        jobs[video] = job
    except (ValueError, OSError) as error:
      failures.append(Failure(text, error))
  return list(jobs.values()), failures


def _with_list(inputs: Iterable[str], listed: Iterable[str]) -> Iterator[str]:
  for text in inputs:
    if text == STANDARD_INPUT:
      yield from filter(None, (line.strip("\r\n") for line in listed))
    else:
      yield text


def _expand(text: str, notes: list[str]) -> Iterator[Job]:
  """Yields the videos of one input."""
  path = Path(text)
  if path.is_dir():
    yield from _of_folder(path, notes)
  elif path.exists() or not glob.has_magic(text):
    yield Job(path, Path(path.stem))
  else:
    names = sorted(glob.glob(text, recursive=True))
    if not names:
      raise ValueError(f"{text}: no file matches this pattern")
    for name in names:
      yield from _expand(name, notes)


def _of_folder(folder: Path, notes: list[str]) -> Iterator[Job]:
  """Yields all video and audio files in a folder and its subfolders, except those that this package wrote."""
  files = files_in(folder)
  videos = {path.with_suffix("") for path in files if has_video_name(path)}
  media = [path for path in files if has_media_name(path)]
  # A video contains the audio that lies beside it under the same name.
  twins = [path for path in media if not has_video_name(path) and path.with_suffix("") in videos]
  if twins:
    count = f"{len(twins)} audio file{'' if len(twins) == 1 else 's'}"
    notes.append(f"{folder}: {count} skipped beside videos of the same names: {name_some(twins)}")
  # Results, labels and other files named after a video are not reported as skipped.
  named = {path.with_suffix("") for path in media}
  others = [path for path in files if not has_media_name(path) and not any(stem in named for stem in _stems(path))]
  skipped = tell_skipped(others, "neither video nor audio") if others else ""
  if not media:
    expected = f"expected files with {' '.join(sorted(VIDEO_SUFFIXES | AUDIO_SUFFIXES))}"
    raise ValueError(f"{folder}: no videos in this folder; {expected}{skipped and f'; {skipped}'}")
  if skipped:
    notes.append(f"{folder}: {skipped}")
  for path in media:
    if has_video_name(path) or path.with_suffix("") not in videos:
      yield Job(path, path.relative_to(folder).with_suffix(""))


def _stems(path: Path) -> Iterator[Path]:
  """Yields the path with fewer and fewer extensions: for `a.face1.tsv`, `a.face1` and `a`."""
  while path.suffix:
    path = path.with_suffix("")
    yield path
