"""Which videos a command line means: files, folders, patterns, and lists on standard input."""

from collections.abc import Iterable, Iterator
import dataclasses
import glob
from pathlib import Path

from attavvad_jax.detection.outputs import SUFFIXES
from attavvad_jax.errors import one_line
from attavvad_jax.media.names import VIDEO_SUFFIXES

STANDARD_INPUT = "-"


@dataclasses.dataclass(frozen=True)
class Job:
  """A video, and the place of its results in the output folder: a path without an extension."""

  video: Path
  stem: Path


@dataclasses.dataclass(frozen=True)
class Failure:
  """What could not be used, and why.

  Attributes:
    name: the video, or what was to stand for some.
    error: the reason; it names it, too.
  """

  name: str
  error: Exception

  def __str__(self) -> str:
    return one_line(self.error)


def find_jobs(inputs: Iterable[str], listed: Iterable[str]) -> tuple[list[Job], list[Failure]]:
  """The videos that are meant, each once and in the order of the inputs, and what is meant and cannot be used.

  Args:
    inputs: files; folders, of which all videos are taken, those of the folders in it included; patterns with `*`, `?`,
      `[` and `**`; `-` for what is listed.
    listed: such inputs, but for `-`, one a line.
  """
  jobs: dict[Path, Job] = {}
  stems: dict[Path, Path] = {}
  failures: list[Failure] = []
  for text in _with_list(inputs, listed):
    try:
      for job in _expand(text):
        video = job.video.resolve()
        if video in jobs:
          continue
        if (other := stems.setdefault(job.stem, job.video)) != job.video:
          reason = f"{job.video}: its results would have the names of those of {other}; rename one of them"
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


def _expand(text: str) -> Iterator[Job]:
  """The videos of one input."""
  path = Path(text)
  if path.is_dir():
    yield from _of_folder(path)
  elif path.exists() or not glob.has_magic(text):
    yield Job(path, Path(path.stem))
  else:
    found = sorted(glob.glob(text, recursive=True))
    if not found:
      raise ValueError(f"{text}: no file has such a name")
    for name in found:
      yield from _expand(name)


def _of_folder(folder: Path) -> Iterator[Job]:
  """All videos in a folder, and in the folders in it, but those that were written by us."""
  videos = [
    path
    for path in sorted(folder.rglob("*"))
    if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.endswith(SUFFIXES["mp4"]) and path.is_file()
  ]
  if not videos:
    raise ValueError(f"{folder}: no videos in this folder; expected files with {' '.join(sorted(VIDEO_SUFFIXES))}")
  for video in videos:
    yield Job(video, video.relative_to(folder).with_suffix(""))
