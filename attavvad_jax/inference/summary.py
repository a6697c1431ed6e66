"""Writes `--summary`, a table of many videos: the result of each, or its error.

The table is CSV with a header and a row for each video, or for each face if all faces get timelines. `*_share` is the
fraction of the duration, `face_found` the fraction of the images for which the video has a frame.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import csv
from pathlib import Path

from attavvad_jax.files import replacing
from attavvad_jax.inference.inputs import Failure
from attavvad_jax.inference.record import FaceResult, Record, Result
from attavvad_jax.timeline import EVENTS

COLUMNS = (
  "video",
  "face",
  "duration_s",
  *(f"{event}_s" for event in EVENTS),
  *(f"{event}_share" for event in EVENTS),
  "face_found",
  "warnings",
  "error",
)


def check_summary(path: Path, taken: Iterable[Path]) -> None:
  """Checks the path of the table before time is spent on videos.

  Args:
    path: path of the table.
    taken: the videos and their results.

  Raises:
    ValueError: the path is one of `taken`, or holds a file that is not an unchanged earlier table.
    OSError: its folder does not exist.
  """
  if path.absolute() in {other.absolute() for other in taken}:
    raise ValueError(f"summary {path}: a video or a result has this name; choose another")
  if not path.absolute().parent.is_dir():
    raise FileNotFoundError(f"{path.parent} is not a folder; create it before writing {path.name}")
  Record(path).check_files([path])


def write_summary(path: Path, outcomes: Sequence[tuple[str, Result | Failure]]) -> None:
  """Writes the table completely or not at all.

  Args:
    path: path of the table.
    outcomes: each video with its result or failure.

  Raises:
    ValueError: the path holds a file that is not an unchanged earlier table.
    OSError: the table cannot be written.
  """
  with (
    Record(path).writing(None, path),
    replacing(path) as part,
    part.open("w", encoding="utf-8", newline="") as file,
  ):
    table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    table.writeheader()
    for video, outcome in outcomes:
      table.writerows(_rows(video, outcome))


def _rows(video: str, outcome: Result | Failure) -> Iterator[Mapping[str, str | int]]:
  if isinstance(outcome, Failure):
    yield {"video": video, "error": str(outcome)}
    return
  for face in outcome.faces:
    yield {"video": video, "warnings": "; ".join(outcome.warnings), **_numbers(face)}


def _numbers(face: FaceResult) -> Mapping[str, str | int]:
  """Returns the columns of one face; a fraction of nothing is empty."""
  timeline = face.timeline
  totals_s = {event: timeline.total_s(event) for event in EVENTS}
  fraction = lambda part, whole: f"{part / whole:.4f}" if whole else ""  # noqa: E731
  return {
    "face": "" if face.face is None else face.face,
    "duration_s": f"{timeline.duration_s:.3f}",
    **{f"{event}_s": f"{total_s:.3f}" for event, total_s in totals_s.items()},
    **{f"{event}_share": fraction(total_s, timeline.duration_s) for event, total_s in totals_s.items()},
    "face_found": fraction(face.seen, face.num_images),
  }
