"""Which clips of a folder are of one recording, told by their names.

Clips of one recording must not be torn apart by the split: a test of what was trained on says nothing. But recordings
that are taken for one cannot be split at all. So

- `song_1`, `song_2` (or `song-1`, `song 1`, `song (1)`) are of the recording `song`;
- `song_part1`, `song.cd2`, `VTS_01_1`, and the chapters of an action camera (`GH010123`, `GH020123`) are parts of one;
- what a device or a program has numbered, `IMG_0001`, `video_2`, `PXL_20240101_093015`, stands for itself, and
  `IMG_0001_1`, with a second number, is of that;
- where all clips of a folder have one name and differ by the number alone, the number tells recordings.

Clips of several folders are never one. What was decided is said, and a table says otherwise.
"""

from collections.abc import Sequence, Set
from pathlib import PurePath
import re

_INDEX = re.compile(r"(.+?)(?:[ _-]\d+| ?\(\d+\))")
_PART = re.compile(r"(.+?)[ _.-]+(?:part|pt|chunk|clip|seg|segment|teil|cd|disc|disk)[ _.-]*\d+", re.IGNORECASE)
_DVD = re.compile(r"(VTS_\d\d)_\d", re.IGNORECASE)
# GoPro cuts a recording into chapters: GOPR0123, GP010123 …, or GH010123, GH020123 …
_CHAPTER = re.compile(r"(?:GOPR|GP\d\d|G[HXLS]\d\d)(\d{4})", re.IGNORECASE)
# What a browser calls a second copy: of "song", "song (1)".
_COPY = re.compile(r"(.+?) ?\(\d+\)")
# A day, and maybe the time of day, to the second or to the millisecond.
_TIME = re.compile(
  r"(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:[ _T-]?\d\d[-_.]?\d\d(?:[-_.]?\d\d(?:[-_.]?\d{3})?)?)?(?!\d)"
)
# What devices and programs call whatever they record, and people what they have not named.
_NO_NAMES = (
  "audio cam camera capture cimg clip clips dji dsc dscf dscn example file film gopr gopro image img imgp mah mov "
  "movie mvi new output pxl rec record recording rpreplay sam sample scene screencast screenrecording sequence session "
  "sound stream take test track unnamed untitled vid video videos webcam"
)
_UNNAMED = frozenset(_NO_NAMES.split())


def group(stems: Sequence[str]) -> tuple[list[str], str]:
  """The recording of each clip, and a line that says how they were grouped.

  Args:
    stems: paths of the clips below their folder, without extensions, with `/`; each once.
  """
  found = [_recording(PurePath(stem), set(stems)) for stem in stems]
  clips: dict[str, list[str]] = {}
  for stem, recording in zip(stems, found, strict=True):
    clips.setdefault(recording, []).append(stem)
  most = max(clips.values(), key=len, default=[])
  said = []
  if len(clips) == 1 and len(most) > 1 and not any(stem == found[0] or _is_part(PurePath(stem).name) for stem in stems):
    said.append(f"all are called {found[0]}, so that the number tells recordings")
    found = list(stems)
  elif len(most) > 1:
    said.append(f"clips are grouped by name: {most[0]} and {most[1]} are parts of one recording")
  if unnamed := [stem for stem in stems if _is_unnamed(PurePath(stem).name)]:
    said.append(f"{unnamed[0]} is called so by a device or program: such clips are recordings of their own")
  count = f"{_count(len(set(found)), 'recording')} in {_count(len(stems), 'video')}"
  return found, "; ".join([count, *said, "a manifest.tsv says otherwise"])


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
  """Whether a name says that there are other parts."""
  return any(pattern.fullmatch(name) for pattern in (_CHAPTER, _DVD, _PART))


def _is_unnamed(name: str) -> bool:
  """Whether a name is one number or one time, with words that say nothing, of a device, or without any.

  Of two numbers the first is the device's, and the second a clip's: `MVI_1234_2` has a name.
  """
  rest, times = _TIME.subn(" ", name)
  if not times:
    index = _INDEX.fullmatch(name)
    if index is None:
      return False
    rest = index[1]
  words = re.sub(r"[ _.,()-]+", " ", rest).lower().split()
  return all(word in _UNNAMED for word in words) and bool(words or times)
