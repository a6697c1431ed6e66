"""Which files of a folder hold videos or sound, told by their names."""

from collections.abc import Iterable, Iterator, Sequence
import os
from pathlib import Path
import unicodedata

# Containers that cameras, phones, players and streams write; FFmpeg reads all of them.
_VIDEO = (
  "3g2 3gp amv asf avi divx dv f4v flv m2t m2ts m4v mkv mov mp4 mpe mpeg mpg mts mxf nut ogm ogv qt rm rmvb tod ts vob "
  "webm wmv wtv"
)
_AUDIO = (
  "aac ac3 aif aifc aiff amr ape au caf dts eac3 flac m4a m4b mka mp2 mp3 oga ogg opus spx tta w64 wav weba wma wv"
)
# In lower case.
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _VIDEO.split())
AUDIO_SUFFIXES = frozenset(f".{name}" for name in _AUDIO.split())
# How our own drawings on videos end, which are no recordings.
ANNOTATED_SUFFIX = ".annotated.mp4"
_NAMED = 5


def has_video_name(path: Path) -> bool:
  """Whether a file is a video by its extension, in any case, and none that we have drawn on."""
  return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.endswith(ANNOTATED_SUFFIX)


def has_media_name(path: Path) -> bool:
  """Whether a file holds a video or sound by its extension, in any case."""
  return has_video_name(path) or path.suffix.lower() in AUDIO_SUFFIXES


def normal(name: str) -> str:
  """A name to compare: the same letter can be one character or two, as file systems and archives like it."""
  return unicodedata.normalize("NFC", name)


def files_in(folder: Path) -> list[Path]:
  """All files of a folder and of the folders in it, links followed, in order; each folder once.

  What is hidden, by a dot before its name, is none of them: beside files of people lie those of their systems, such as
  `.DS_Store` and `._clip.mp4`.
  """
  found: list[Path] = []
  seen: set[str] = set()
  for place, folders, names in os.walk(folder, followlinks=True):
    # A link may lead back to a folder above.
    if (real := os.path.realpath(place)) in seen:
      folders.clear()
      continue
    seen.add(real)
    folders[:] = sorted(name for name in folders if not name.startswith("."))
    found += [Path(place, name) for name in names if not name.startswith(".")]
  return sorted(path for path in found if path.is_file())


def without_twins(videos: Iterable[Path]) -> Iterator[tuple[Path, Path | None]]:
  """Each file, with the one that stands for it where that is another.

  Of files in one folder whose names differ only in the extension, one stands for all: a video for its sound, and
  otherwise the first by name. So does the first of two names of the same file.
  """
  chosen: dict[tuple[Path, str], Path] = {}
  real: dict[Path, Path] = {}
  videos = list(videos)
  for video in sorted(videos, key=lambda path: (not has_video_name(path), path)):
    first = real.setdefault(video.resolve(), video)
    chosen.setdefault((video.parent, normal(video.stem)), first)
  for video in videos:
    standing = chosen[video.parent, normal(video.stem)]
    first = real[video.resolve()]
    yield video, (standing if standing != video else first if first != video else None)


def tell_skipped(paths: Sequence[Path], expected: str) -> str:
  """How many files are not used, with their extensions and the first names; `expected` is what they are not."""
  kinds = " ".join(sorted({path.suffix or path.name for path in paths}))
  count = f"{len(paths)} file{'' if len(paths) == 1 else 's'}"
  return f"{count} skipped, {expected} by their extensions ({kinds}): {name_some(paths)}"


def name_some(paths: Iterable[Path | str]) -> str:
  """The first names of some files."""
  names = [Path(path).name for path in paths]
  return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
