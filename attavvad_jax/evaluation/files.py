"""Scores of timelines in label files, of whatever tool, against label files with the truth."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
from pathlib import Path
import warnings

from attavvad_jax.annotations import DEFAULT_READING, AnnotationWarning, Reading, read
from attavvad_jax.evaluation.by_sed_eval import find_counter
from attavvad_jax.evaluation.metrics import Scores
from attavvad_jax.evaluation.protocols import PROTOCOLS
from attavvad_jax.evaluation.split import total
from attavvad_jax.evaluation.table import text_table
from attavvad_jax.filenames import files_in, name_some, normal
from attavvad_jax.timeline import Timeline


@dataclasses.dataclass(frozen=True)
class FileEvaluation:
  """Scores of the estimates in a folder. As text: a table, and what had no counterpart.

  Attributes:
    estimates: the folder or file.
    references: likewise.
    recordings: scores of each recording, by its name.
    unused: estimates of recordings without reference.
    notes: one line for each thing that was assumed, clipped or dropped in reading.
  """

  estimates: Path
  references: Path
  recordings: Mapping[str, Scores]
  unused: Sequence[Path]
  notes: Sequence[str]

  @functools.cached_property
  def scores(self) -> Scores:
    """Over all recordings."""
    return total(self.recordings.values())

  def __str__(self) -> str:
    number = f"{len(self.recordings)} recording{'' if len(self.recordings) == 1 else 's'}"
    lines = [f"{self.estimates} against {self.references}: {number}"]
    if self.unused:
      lines.append(f"not scored, for want of a reference: {name_some(self.unused)}")
    lines += [f"warning: {note}" for note in self.notes]
    return "\n\n".join(["\n".join(lines), text_table(self.scores)])


def evaluate_files(
  estimates: str | Path,
  references: str | Path,
  protocol: str,
  estimate_reading: Reading = DEFAULT_READING,
  reference_reading: Reading | None = None,
  metrics: str = "attavvad",
) -> FileEvaluation:
  """P, R, F and ER of label files against others of the same names.

  A recording lasts as long as the longer of its two files says, or has events for.

  Args:
    estimates: a label file, or a folder of label files, at any depth.
    references: a label file, or a folder of label files; of a folder each needs its estimate.
    protocol: a name of `PROTOCOLS`.
    estimate_reading: what the estimates do not say of themselves: the meaning of labels, or the format.
    reference_reading: the same for the references; `estimate_reading` where None.
    metrics: who counts, a name of `COUNTERS`.

  Raises:
    ValueError: an unknown protocol or counter, no references, a reference without estimate, several files of one
      recording that say different things, or a file that cannot be read.
    OSError: a folder or file is missing.
  """
  if protocol not in PROTOCOLS:
    raise ValueError(f"unknown protocol {protocol!r}; expected one of {', '.join(PROTOCOLS)}")
  counter = find_counter(metrics)
  estimates, references = Path(estimates), Path(references)
  reference_reading = reference_reading or estimate_reading
  truth, found = _by_name(references, reference_reading), _by_name(estimates, estimate_reading)
  if references.is_file() and estimates.is_file():
    found = {name: [estimates] for name in truth}  # named by hand: they belong together, whatever they are called
  if not truth:
    raise ValueError(f"{references}: no label files in it; expected one of {' '.join(reference_reading.suffixes)}")
  if missing := [name for name in truth if name not in found]:
    raise ValueError(
      f"{estimates}: no label file for {name_some(missing)}; expected one of the same name for each of the "
      f"{len(truth)} in {references}"
    )
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", AnnotationWarning)
    pairs = {
      name: (_read_one(paths, reference_reading), _read_one(found[name], estimate_reading))
      for name, paths in truth.items()
    }
  recordings = {}
  for name, (reference, estimate) in pairs.items():
    duration_s = max(reference.duration_s, estimate.duration_s)
    recordings[name] = counter(Timeline(reference, duration_s), estimate, PROTOCOLS[protocol])
  unused = [path for name, paths in found.items() if name not in truth for path in paths]
  return FileEvaluation(estimates, references, recordings, unused, [str(warning.message) for warning in caught])


def _by_name(place: Path, reading: Reading) -> dict[str, list[Path]]:
  """The label files of each recording, by its name: where the file lies in the folder, without extension."""
  if place.is_file():
    return {normal(place.stem): [place]}
  if not place.exists():
    raise FileNotFoundError(f"{place}: no such file or folder; expected label files")
  files: dict[str, list[Path]] = {}
  for path in files_in(place):
    if path.suffix.lower() in reading.suffixes:
      files.setdefault(normal(path.relative_to(place).with_suffix("").as_posix()), []).append(path)
  return files


def _read_one(paths: Iterable[Path], reading: Reading) -> Timeline:
  """What the files of a recording say, which must be the same; the longest says how long it is."""
  timelines = {path: read(path, **vars(reading)) for path in paths}
  contents = {
    path: [(round(e.onset_s, 3), round(e.offset_s, 3), e.label) for e in timeline]
    for path, timeline in timelines.items()
  }
  if any(content != next(iter(contents.values())) for content in contents.values()):
    raise ValueError(f"{name_some(timelines)}: of one recording, and say different things; expected one of them")
  return max(timelines.values(), key=lambda timeline: timeline.duration_s)
