"""Videos of a folder with the label files that lie there for them."""

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

# Of conflicts, as many are told.
_TOLD = 3
# Formats are written to the millisecond at the coarsest.
_ROUNDING_S = 2e-3


class Pairing:
  """The videos of a folder, and of the folders in it, each with its label file.

  A label file has the name of its video, without or with the video's extension, and lies beside it, or in another
  folder where there is no video of that name: `labels/a.tsv` beside `videos/a.mp4`, or beside `a.mp4`.

  Attributes:
    pairs: video and label file, in the order of the videos.
    left_out: file and reason, of what is not used and was expected to be.
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
    """Finds the pairs; a file that cannot be read as labels does not stand in the way of another that can.

    Args:
      folder: where to look.
      reading: what label files do not say themselves.
      label_files: which label files are meant: an extension such as `tsv`, or a pattern of names such as `*.v2.tsv`;
        all where None.
      estimates: whether what this package has detected counts as labels.
      probe_s: the length of a video, in seconds; videos for which it raises are left out. Where None, all are taken.

    Raises:
      ValueError: a video has several label files that say different things.
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
        self.left_out.append((video, f"{twin.name} was taken, which has the same name or is the same file"))
    found = _find_labels(folder, videos, meant, self._suffixes)
    for video in videos:
      self._pair(video, found[video])
    if self._conflicts:
      raise ValueError(_tell_conflicts(self._conflicts))
    used = {path for paths in found.values() for path in paths}
    names = {name for video in videos for name in (normal(video.stem), normal(video.name))}
    for path in (path for path in meant if path not in used):
      reason = "not beside its video" if normal(path.stem) in names else "no video of the same name"
      self.left_out.append((path, reason))
    other = [path for path in files if path.suffix.lower() not in self._suffixes and not has_media_name(path)]
    if other := [path for path in other if not path.name.endswith(ANNOTATED_SUFFIX)]:
      self.left_out.append((folder, tell_skipped(other, "neither videos nor label files")))

  def _pair(self, video: Path, candidates: Sequence[Path]) -> None:
    """Takes the label file of a video, or says why there is none."""
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
        reason = "is what was detected here before, and nobody has corrected; --estimates takes it for labels"
        self.left_out.append((path, f"{path} {reason}"))
        continue
      try:
        timelines[path] = self._read_quietly(path, duration_s, video)
      except (ValueError, OSError) as error:
        self.left_out.append((path, str(error)))
    if not timelines:
      self.left_out.append((video, f"none of its label files can be used: {name_some(candidates)}"))
      return
    # Words that were heard are taken for speech where there is nothing else; what was marked says more.
    marked = [path for path in timelines if not is_transcript(path, self._reading.format)]
    for path in [path for path in timelines if marked and path not in marked]:
      del timelines[path]
      self.left_out.append((path, f"a transcript; {marked[0].name} was taken for the labels of {video.name}"))
    labels, *others = timelines
    if not all(_say_the_same(timelines[other], timelines[labels]) for other in others):
      self._conflicts.append(f"{video}: {', '.join(path.name for path in timelines)}")
      return
    self.left_out += [(other, f"{labels.name} was taken for the labels of {video.name}") for other in others]
    self.pairs.append((video, labels))

  def _read_quietly(self, path: Path, duration_s: float | None, video: Path) -> Timeline:
    with warnings.catch_warnings():  # they are told when the recording is made
      warnings.simplefilter("ignore", AnnotationWarning)
      return read(path, duration_s, **vars(self._reading), recording=video)


def _find_labels(
  folder: Path, videos: Sequence[Path], labels: Iterable[Path], suffixes: Sequence[str]
) -> Mapping[Path, Sequence[Path]]:
  """The label files of each video by name and place, in the order of their suffixes, those beside it first."""
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
    near = [video for video in named if _lie_alike(video.parent.relative_to(folder).parts, place)]
    if not here and len(near) == 1:  # of two videos it would be anybody's guess
      elsewhere[near[0]].append(path)
  return {video: beside[video] or elsewhere[video] for video in videos}


def _lie_alike(video: Sequence[str], labels: Sequence[str]) -> bool:
  """Whether two folders differ in one name, as `x/videos` and `x/labels` do, or the one lies in the other."""
  if len(video) == len(labels):
    return sum(a != b for a, b in zip(video, labels, strict=True)) <= 1
  short, long = sorted((tuple(video), tuple(labels)), key=len)
  return len(long) == len(short) + 1 and long[: len(short)] == short


def _say_the_same(one: Timeline, other: Timeline) -> bool:
  """Whether two label files differ by the rounding of formats only: scores aside, and others, which is unmarked."""
  ours, theirs = (
    sorted((event.label, event.onset_s, event.offset_s) for event in timeline if event.label != BACKGROUND)
    for timeline in (one, other)
  )
  if [label for label, _, _ in ours] != [label for label, _, _ in theirs]:
    return False
  times = zip((t for _, *pair in ours for t in pair), (t for _, *pair in theirs for t in pair), strict=True)
  return all(abs(a - b) <= _ROUNDING_S for a, b in times)


def _tell_conflicts(conflicts: Sequence[str]) -> str:
  more = f" and {len(conflicts) - _TOLD} more videos" if len(conflicts) > _TOLD else ""
  return (
    f"{'; '.join(conflicts[:_TOLD])}{more}: several label files that say different things; expected one a video: say "
    "which by --label_files=EXTENSION or a pattern of names, or by manifest.tsv, or remove the others"
  )
