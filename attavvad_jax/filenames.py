"""Recognizes video and audio files by their names and lists the files of a folder."""

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
# Lower case, with the dot.
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _VIDEO.split())
AUDIO_SUFFIXES = frozenset(f".{name}" for name in _AUDIO.split())
# Suffix of the annotated videos that the package writes; they are not recordings.
ANNOTATED_SUFFIX = ".annotated.mp4"
_NAMED = 5


def has_video_name(path: Path) -> bool:
  """Returns whether a file has a video extension, in any case, and is not an annotated video of the package."""
  return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.endswith(ANNOTATED_SUFFIX)


def has_media_name(path: Path) -> bool:
  """Returns whether a file is a video or audio file by its extension, in any case."""
  return has_video_name(path) or path.suffix.lower() in AUDIO_SUFFIXES


def normal(name: str) -> str:
  """Normalizes a name for comparison (NFC): in file systems and archives, a letter can be one character or two."""
  return unicodedata.normalize("NFC", name)


def files_in(folder: Path) -> list[Path]:
  """Returns all files of a folder and its subfolders, sorted; follows links and reads each folder once.

  Names that begin with a dot are left out, since operating systems write such files, for example `.DS_Store` and
  `._clip.mp4`.
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
  """Yields each file with the file that is used in its place, or None if the file itself is used.

  Of files in one folder whose names differ only in the extension, one is used: a video if there is one, else the first
  by name. Of several names of the same file, the first is used.
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
  """Returns a line with number, extensions and first names of skipped files; `expected` is what they are not."""
  kinds = " ".join(sorted({path.suffix or path.name for path in paths}))
  count = f"{len(paths)} file{'' if len(paths) == 1 else 's'}"
  return f"{count} skipped, {expected} by their extensions ({kinds}): {name_some(paths)}"


def name_some(paths: Iterable[Path | str]) -> str:
  """Returns the names of the first files, with an ellipsis if there are more."""
  names = [Path(path).name for path in paths]
  return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
