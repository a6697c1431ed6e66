"""Pairs the videos of a folder with their label files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import fnmatch
from pathlib import Path
import warnings

from attavvad_jax.annotations import AnnotationWarning, Reading, is_transcript, read
from attavvad_jax.filenames import (
  ANNOTATED_SUFFIX,
  files_in,
  has_media_name,
  name_some,
  normal,
  tell_skipped,
  without_twins,
)
from attavvad_jax.marks import is_estimate
from attavvad_jax.timeline import BACKGROUND, Timeline

# Maximum number of conflicts in an error message.
_MAX_SHOWN = 3
# The coarsest formats round to the millisecond.
_ROUNDING_S = 2e-3


class Pairing:
  """The videos of a folder and its subfolders, each paired with its label file.

  A label file has the name of its video, with or without the video's extension. It lies beside the video, or in another
  folder without a video of that name: `labels/a.tsv` for `videos/a.mp4` or `a.mp4`.

  Attributes:
    pairs: video and label file, in the order of the videos.
    left_out: files that are not used although expected to be, with the reason.
  """

  def __init__(
    self,
    folder: Path,
    reading: Reading,
    *,
    label_files: str | None = None,
    estimates: bool = False,
    probe_s: Callable[[Path], float | None] | None = None,
  ):
    """Finds the pairs; a file that cannot be read as labels does not hide another that can.

    Args:
      folder: folder to search.
      reading: what label files do not state themselves.
      label_files: the label files to use: an extension such as `tsv`, or a name pattern such as `*.v2.tsv`; None for
        all.
      estimates: whether this package's own detections count as labels.
      probe_s: function that returns the duration of a video in seconds; videos for which it raises are left out. None
        keeps all videos.

    Raises:
      ValueError: several label files of a video disagree.
    """
    self._reading, self._estimates, self._probe_s = reading, estimates, probe_s
    self.left_out: list[tuple[Path, str]] = []
    self.pairs: list[tuple[Path, Path]] = []
    self._conflicts: list[str] = []
    files = files_in(folder)
    pattern = label_files if label_files is None or "*" in label_files else f"*.{label_files.removeprefix('.')}"
    self._suffixes = reading.suffixes
    labels = [path for path in files if path.suffix.lower() in self._suffixes]
    meant = [path for path in labels if pattern is None or fnmatch.fnmatch(path.name.lower(), pattern.lower())]
    videos = []
    for video, twin in without_twins(path for path in files if has_media_name(path)):
      if twin is None:
        videos.append(video)
      else:
        self.left_out.append((video, f"{twin.name} was used; it has the same name or is the same file"))
    found = _find_labels(folder, videos, meant, self._suffixes)
    for video in videos:
      self._pair(video, found[video])
    if self._conflicts:
      raise ValueError(_conflict_message(self._conflicts))
    used = {path for paths in found.values() for path in paths}
    names = {name for video in videos for name in (normal(video.stem), normal(video.name))}
    for path in (path for path in meant if path not in used):
      reason = "not beside its video" if normal(path.stem) in names else "no video of the same name"
      self.left_out.append((path, reason))
    other = [path for path in files if path.suffix.lower() not in self._suffixes and not has_media_name(path)]
    if other := [path for path in other if not path.name.endswith(ANNOTATED_SUFFIX)]:
      self.left_out.append((folder, tell_skipped(other, "neither videos nor label files")))

  def _pair(self, video: Path, candidates: Sequence[Path]) -> None:
    """Pairs a video with its label file, or records why it has none."""
    if not candidates:
      self.left_out.append((video, f"no label file of the same name; expected one of {' '.join(self._suffixes)}"))
      return
    duration_s = None
    if self._probe_s is not None:
      try:
        duration_s = self._probe_s(video)
      except (ValueError, OSError) as error:
        self.left_out.append((video, str(error)))
        return
    timelines: dict[Path, Timeline] = {}
    for path in candidates:
      if not self._estimates and is_estimate(path):
        reason = "is an uncorrected detection of this package; --estimates accepts it as labels"
        self.left_out.append((path, f"{path} {reason}"))
        continue
      try:
        timelines[path] = self._read_quietly(path, duration_s, video)
      except (ValueError, OSError) as error:
        self.left_out.append((path, str(error)))
    if not timelines:
      self.left_out.append((video, f"none of its label files can be used: {name_some(candidates)}"))
      return
    # The words of a transcript count as speech only if there is no label file, which holds more.
    marked = [path for path in timelines if not is_transcript(path, self._reading.format)]
    for path in [path for path in timelines if marked and path not in marked]:
      del timelines[path]
      self.left_out.append((path, f"a transcript; {marked[0].name} was used as the labels of {video.name}"))
    labels, *others = timelines
    if not all(_agree(timelines[other], timelines[labels]) for other in others):
      self._conflicts.append(f"{video}: {', '.join(path.name for path in timelines)}")
      return
    self.left_out += [(other, f"{labels.name} was used as the labels of {video.name}") for other in others]
    self.pairs.append((video, labels))

  def _read_quietly(self, path: Path, duration_s: float | None, video: Path) -> Timeline:
    with warnings.catch_warnings():  # they are reported when the recording is prepared
      warnings.simplefilter("ignore", AnnotationWarning)
      return read(path, duration_s, **vars(self._reading), recording=video)


def _find_labels(
  folder: Path, videos: Sequence[Path], labels: Iterable[Path], suffixes: Sequence[str]
) -> Mapping[Path, Sequence[Path]]:
  """Returns the label files of each video in the order of their suffixes: those beside it, else those elsewhere."""
  by_name: dict[str, list[Path]] = {}
  for video in videos:
    for name in {normal(video.stem), normal(video.name)}:
      by_name.setdefault(name, []).append(video)
  beside: dict[Path, list[Path]] = {video: [] for video in videos}
  elsewhere: dict[Path, list[Path]] = {video: [] for video in videos}
  for path in sorted(labels, key=lambda path: (suffixes.index(path.suffix.lower()), path)):
    named = by_name.get(normal(path.stem), [])
    here = [video for video in named if video.parent == path.parent]
    for video in here:
      beside[video].append(path)
    place = path.parent.relative_to(folder).parts
    near = [video for video in named if _are_related(video.parent.relative_to(folder).parts, place)]
    if not here and len(near) == 1:  # with two videos, the match would be ambiguous
      elsewhere[near[0]].append(path)
  return {video: beside[video] or elsewhere[video] for video in videos}


def _are_related(video: Sequence[str], labels: Sequence[str]) -> bool:
  """Returns whether two folders differ in one name, as `x/videos` and `x/labels`, or one lies directly in the other."""
  if len(video) == len(labels):
    return sum(a != b for a, b in zip(video, labels, strict=True)) <= 1
  short, long = sorted((tuple(video), tuple(labels)), key=len)
  return len(long) == len(short) + 1 and long[: len(short)] == short


def _agree(one: Timeline, other: Timeline) -> bool:
  """Returns whether two label files agree up to rounding; scores and unmarked time (others) do not count."""
  ours, theirs = (
    sorted((event.label, event.onset_s, event.offset_s) for event in timeline if event.label != BACKGROUND)
    for timeline in (one, other)
  )
  if [label for label, _, _ in ours] != [label for label, _, _ in theirs]:
    return False
  times = zip((t for _, *pair in ours for t in pair), (t for _, *pair in theirs for t in pair), strict=True)
  return all(abs(a - b) <= _ROUNDING_S for a, b in times)


def _conflict_message(conflicts: Sequence[str]) -> str:
  more = f" and {len(conflicts) - _MAX_SHOWN} more videos" if len(conflicts) > _MAX_SHOWN else ""
  return (
    f"{'; '.join(conflicts[:_MAX_SHOWN])}{more}: several label files that disagree; expected one per video: choose it "
    "with --label_files=EXTENSION or a name pattern, or with a manifest.tsv, or remove the others"
  )
