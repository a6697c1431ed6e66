"""Groups the clips of a folder into recordings by their names.

All clips of one recording must fall into one split, because a test on recordings that were trained on is meaningless.
But recordings that are grouped by mistake cannot be split at all. The rules are:

- `song_1`, `song_2` (or `song-1`, `song 1`, `song (1)`) belong to the recording `song`;
- `song_part1`, `song.cd2`, `VTS_01_1`, and an action camera's chapters (`GH010123`, `GH020123`) are parts of one;
- a clip numbered by a device or program (`IMG_0001`, `video_2`, `PXL_20240101_093015`) is a recording of its own, to
  which `IMG_0001_1`, with a second number, belongs;
- if all clips of a folder have one name and differ only in the number, each clip is a recording of its own.

Clips in different folders never belong to one recording. A line reports the grouping; a manifest overrides it.
"""

from collections.abc import Sequence, Set
from pathlib import PurePath
import re

_INDEX = re.compile(r"(.+?)(?:[ _-]\d+| ?\(\d+\))")
_PART = re.compile(r"(.+?)[ _.-]+(?:part|pt|chunk|clip|seg|segment|teil|cd|disc|disk)[ _.-]*\d+", re.IGNORECASE)
_DVD = re.compile(r"(VTS_\d\d)_\d", re.IGNORECASE)
# GoPro splits a recording into chapters: GOPR0123, GP010123 …, or GH010123, GH020123 …
_CHAPTER = re.compile(r"(?:GOPR|GP\d\d|G[HXLS]\d\d)(\d{4})", re.IGNORECASE)
# Browsers name a second copy of "song" "song (1)".
_COPY = re.compile(r"(.+?) ?\(\d+\)")
# A date, optionally with the time of day to the minute, second or millisecond.
_TIME = re.compile(
  r"(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:[ _T-]?\d\d[-_.]?\d\d(?:[-_.]?\d\d(?:[-_.]?\d{3})?)?)?(?!\d)"
)
# Generic names that devices, programs and users give to unnamed clips.
_NO_NAMES = (
  "audio cam camera capture cimg clip clips dji dsc dscf dscn example file film gopr gopro image img imgp mah mov "
  "movie mvi new output pxl rec record recording rpreplay sam sample scene screencast screenrecording sequence session "
  "sound stream take test track unnamed untitled vid video videos webcam"
)
_UNNAMED = frozenset(_NO_NAMES.split())


def group(stems: Sequence[str]) -> tuple[list[str], str]:
  """Returns the recording of each clip, and a line that describes the grouping.

  Args:
    stems: unique paths of the clips below their folder, with `/` and without extensions.
  """
  found = [_recording(PurePath(stem), set(stems)) for stem in stems]
  clips: dict[str, list[str]] = {}
  for stem, recording in zip(stems, found, strict=True):
    clips.setdefault(recording, []).append(stem)
  most = max(clips.values(), key=len, default=[])
  said = []
  if len(clips) == 1 and len(most) > 1 and not any(stem == found[0] or _is_part(PurePath(stem).name) for stem in stems):
    said.append(f"all are named {found[0]}, so each number is a recording of its own")
    found = list(stems)
  elif len(most) > 1:
    said.append(f"clips are grouped by name: {most[0]} and {most[1]} are parts of one recording")
  if unnamed := [stem for stem in stems if _is_unnamed(PurePath(stem).name)]:
    said.append(f"{unnamed[0]} is a name from a device or program: such clips are recordings of their own")
  count = f"{_count(len(set(found)), 'recording')} in {_count(len(stems), 'video')}"
  return found, "; ".join([count, *said, "a manifest.tsv overrides this"])


def _count(number: int, what: str) -> str:
  return f"{number} {what}{'' if number == 1 else 's'}"


def _recording(stem: PurePath, stems: Set[str]) -> str:
  name = stem.name
  if (copy := _COPY.fullmatch(name)) and (first := stem.with_name(copy[1])).as_posix() in stems:
    return _recording(first, stems)
  if chapter := _CHAPTER.fullmatch(name):
    name = f"GOPR{chapter[1]}"
  elif not _is_unnamed(name) and (part := _DVD.fullmatch(name) or _PART.fullmatch(name) or _INDEX.fullmatch(name)):
    name = part[1]
  return stem.with_name(name).as_posix()


def _is_part(name: str) -> bool:
  """Returns whether a name marks a clip as one part of several."""
  return any(pattern.fullmatch(name) for pattern in (_CHAPTER, _DVD, _PART))


def _is_unnamed(name: str) -> bool:
  """Returns whether a name is a number with generic words, or a time with or without them.

  The first of two numbers is the device's and the second the clip's, so `MVI_1234_2` counts as named.
  """
  rest, times = _TIME.subn(" ", name)
  if not times:
    index = _INDEX.fullmatch(name)
    if index is None:
      return False
    rest = index[1]
  words = re.sub(r"[ _.,()-]+", " ", rest).lower().split()
  return all(word in _UNNAMED for word in words) and bool(words or times)
