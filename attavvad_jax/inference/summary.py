"""A table of many videos, `--summary`: what was found in each, or why nothing was.

CSV with a header, and a row for each video; where all faces have their timelines, for each face. Shares are of the
duration, `face_found` is of the images that the video has a picture for.
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
  """Refuses a place for the table before time is spent on videos.

  Args:
    path: where the table goes.
    taken: the videos, and what is written of them.

  Raises:
    ValueError: something is there that is no earlier table of ours, unchanged since, or it is one of those.
    OSError: there is no such folder.
  """
  if path.absolute() in {other.absolute() for other in taken}:
    raise ValueError(f"summary {path}: a video or a result of one has this name; choose another")
  if not path.absolute().parent.is_dir():
    raise FileNotFoundError(f"{path.parent} is not a folder; make it before writing {path.name}")
  Record(path).check_files([path])


def write_summary(path: Path, outcomes: Sequence[tuple[str, Result | Failure]]) -> None:
  """Writes the table, whole or not at all.

  Args:
    path: where to.
    outcomes: each video, and what was found in it or why nothing was.

  Raises:
    ValueError: something is there that is no earlier table of ours, unchanged since.
    OSError: it cannot be written.
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
  for found in outcome.found:
    yield {"video": video, "warnings": "; ".join(outcome.warnings), **_numbers(found)}


def _numbers(found: FaceResult) -> Mapping[str, str | int]:
  """What was found of one face; no share where there is nothing that it could be a share of."""
  timeline = found.timeline
  totals_s = {event: timeline.total_s(event) for event in EVENTS}
  share = lambda part, whole: f"{part / whole:.4f}" if whole else ""  # noqa: E731
  return {
    "face": "" if found.face is None else found.face,
    "duration_s": f"{timeline.duration_s:.3f}",
    **{f"{event}_s": f"{total_s:.3f}" for event, total_s in totals_s.items()},
    **{f"{event}_share": share(total_s, timeline.duration_s) for event, total_s in totals_s.items()},
    "face_found": share(found.seen, found.pictures),
  }
