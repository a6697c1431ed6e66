"""Scores of label files, written by any tool, against reference label files."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
from pathlib import Path
import warnings

from attavvad_jax.annotations import DEFAULT_READING, AnnotationWarning, Reading, read
from attavvad_jax.evaluation.by_sed_eval import find_counter
from attavvad_jax.evaluation.metrics import Scores, total
from attavvad_jax.evaluation.protocols import PROTOCOLS
from attavvad_jax.evaluation.table import text_table
from attavvad_jax.filenames import files_in, name_some, normal
from attavvad_jax.timeline import Timeline


@dataclasses.dataclass(frozen=True)
class FileEvaluation:
  """Scores of the estimates in a folder. `str` gives a table, and the estimates without a reference.

  Attributes:
    estimates: the folder or file with estimates.
    references: the folder or file with references.
    recordings: scores of each recording, by its name.
    unused: files with estimates of recordings that have no reference.
    notes: one line for each assumption, clipped event or dropped event while reading.
  """

  estimates: Path
  references: Path
  recordings: Mapping[str, Scores]
  unused: Sequence[Path]
  notes: Sequence[str]

  @functools.cached_property
  def scores(self) -> Scores:
    """The scores of all recordings together."""
    return total(self.recordings.values())

  def __str__(self) -> str:
    number = f"{len(self.recordings)} recording{'' if len(self.recordings) == 1 else 's'}"
    lines = [f"{self.estimates} against {self.references}: {number}"]
    if self.unused:
      lines.append(f"not scored because they have no reference: {name_some(self.unused)}")
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
  """Computes P, R, F and ER of label files against reference files of the same names.

  The duration of a recording is the longer of the durations that its two files state or reach with their events.

  Args:
    estimates: a label file, or a folder of label files at any depth.
    references: a label file, or a folder of label files at any depth; each file of a folder needs an estimate.
    protocol: a name of `PROTOCOLS`.
    estimate_reading: the format of the estimates and the meaning of their labels, used if the files do not define them.
    reference_reading: the same for the references; None takes `estimate_reading`.
    metrics: a name of `COUNTERS`, the implementation that counts.

  Raises:
    ValueError: the protocol or counter is unknown, there are no references, a reference has no estimate, several files
      of one recording disagree, or a file cannot be read.
    OSError: a folder or file is missing.
  """
  if protocol not in PROTOCOLS:
    raise ValueError(f"unknown protocol {protocol!r}; expected one of {', '.join(PROTOCOLS)}")
  counter = find_counter(metrics)
  estimates, references = Path(estimates), Path(references)
  reference_reading = reference_reading or estimate_reading
  reference_files = _by_name(references, reference_reading)
  estimate_files = _by_name(estimates, estimate_reading)
  if references.is_file() and estimates.is_file():
    estimate_files = {name: [estimates] for name in reference_files}  # two files named explicitly always form a pair
  if not reference_files:
    raise ValueError(f"{references}: contains no label files; expected one of {' '.join(reference_reading.suffixes)}")
  if missing := [name for name in reference_files if name not in estimate_files]:
    raise ValueError(
      f"{estimates}: no label file for {name_some(missing)}; expected one of the same name for each of the "
      f"{len(reference_files)} in {references}"
    )
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", AnnotationWarning)
    pairs = {
      name: (_read_one(paths, reference_reading), _read_one(estimate_files[name], estimate_reading))
      for name, paths in reference_files.items()
    }
  recordings = {}
  for name, (reference, estimate) in pairs.items():
    duration_s = max(reference.duration_s, estimate.duration_s)
    recordings[name] = counter(Timeline(reference, duration_s), estimate, PROTOCOLS[protocol])
  unused = [path for name, paths in estimate_files.items() if name not in reference_files for path in paths]
  return FileEvaluation(estimates, references, recordings, unused, [str(warning.message) for warning in caught])


def _by_name(place: Path, reading: Reading) -> dict[str, list[Path]]:
  """Returns the label files of each recording, by name: the path inside the folder, without extension."""
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
  """Reads the files of one recording, which must agree, and returns the timeline of the longest duration."""
  timelines = {path: read(path, **vars(reading)) for path in paths}
  contents = {
    path: [(round(e.onset_s, 3), round(e.offset_s, 3), e.label) for e in timeline]
    for path, timeline in timelines.items()
  }
  if any(content != next(iter(contents.values())) for content in contents.values()):
    raise ValueError(f"{name_some(timelines)}: label files of one recording that disagree; keep only one of them")
  return max(timelines.values(), key=lambda timeline: timeline.duration_s)
