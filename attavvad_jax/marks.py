"""Is a file what this package has written, untouched since? Labels of people are told from estimates by this.

Beside what is written of a recording lies a record, a hidden file `.STEM.attavvad` in JSON. It names each file with
its size, its times and its sha256, so that whatever has been edited since, or was there before, is not ours: that is
never replaced or removed. Estimates are never labels either, wherever they have been copied to, so these also carry a
mark inside, where their format has a place for one: in JSON the field `mark`, in ELAN the author. A mark holds a digest
of the events: after one has been corrected by hand, the file is that hand's.

The other formats have no such place. A comment in RTTM would stop readers that know none, among them pyannote's; a
table has no comments. Where they come without their record, and for what was written before there were records, events
speak for themselves: each has a score, and all begin and end with blocks. A copy without scores, as a label track or a
TextGrid, that has left its record behind, passes for labels.
"""

import dataclasses
import functools
import hashlib
import io
import json
import os
from pathlib import Path
import re
from typing import Any, Self
import warnings

from attavvad_jax.annotations import read
from attavvad_jax.timeline import Clock, Timeline

_MARK = re.compile(r"attavvad_jax estimate [0-9a-f]{64}")
# Fields of the JSON that `detect` wrote before it had marks.
_UNMARKED_FIELDS = {"duration_s", "events", "schema_version", "video", "checkpoint", "versions", "blocks"}
# Times are written to the millionth.
_ROUNDING_S = 2e-6


@dataclasses.dataclass(frozen=True)
class Content:
  """What is in a file, to tell later whether that is in it still.

  Attributes:
    sha256: digest of the bytes.
    size: their number.
    stamp: times of modification and of the last change of the inode, in ns, and the inode's number. As git's index
      does, a file with the same size and stamp is taken to be the same, since no program can set the second of these
      times; with another stamp its bytes decide.
  """

  sha256: str
  size: int
  stamp: tuple[int, int, int]

  @classmethod
  def of(cls, path: str | os.PathLike[str]) -> Self:
    """Reads the file, at some hundred megabytes a second or more.

    Raises:
      OSError: it is missing or cannot be read.
    """
    with open(path, "rb") as file:
      return cls.of_open(file)

  @classmethod
  def of_open(cls, file: io.BufferedReader) -> Self:
    """The same for a file that is open, from its beginning to its end."""
    file.seek(0)
    status = os.fstat(file.fileno())
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return cls(digest, status.st_size, _stamp(status))

  @classmethod
  def from_dict(cls, values: dict[str, Any]) -> Self:
    """From what `dataclasses.asdict` gave, by way of JSON."""
    return cls(values["sha256"], values["size"], tuple(values["stamp"]))

  def found_in(self, path: str | os.PathLike[str]) -> Self | None:
    """This, with the file's stamp of now, or None where the file holds something else, or is not there.

    Its bytes are read only where its stamp is another.
    """
    try:
      status = os.stat(path)
      if status.st_size != self.size:
        return None
      if _stamp(status) == self.stamp:
        return self
      content = self.of(path)
    except OSError:
      return None
    return content if content.sha256 == self.sha256 else None


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
  return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def record_path(stem: Path) -> Path:
  """The record of what is written under a path without extension."""
  return stem.with_name(f".{stem.name}.attavvad")


def mark_of(timeline: Timeline) -> str:
  """The mark of an estimate: its events, to the millisecond, as a digest."""
  events = [(round(1000 * round(e.onset_s, 3)), round(1000 * round(e.offset_s, 3)), e.label) for e in timeline]
  return f"attavvad_jax estimate {hashlib.sha256(json.dumps(sorted(events)).encode()).hexdigest()}"


def is_estimate(path: str | os.PathLike[str]) -> bool:
  """Whether a label file holds what this package has detected, and nobody has corrected since.

  In this order: the record beside the file, or beside what it is a link to, knows it; a mark inside holds; it is JSON
  that `detect` wrote before there were marks; or, without record and mark, each event has a score, and all begin and
  end with blocks, at thirds of a second among others (which a person who corrects an event by ear does not hit). A file
  that is missing or cannot be read is no estimate.
  """
  path = Path(path)
  timeline = _events(path)
  for place in dict.fromkeys((path.absolute(), path.resolve())):
    if (record := _record_of(place)) is not None:
      entry = record["files"][place.name]
      # Saved again by an editor it has other bytes; as long as its events are the same, it is no work of a hand.
      is_same = entry is not None and Content.from_dict(entry).found_in(place) is not None
      return is_same or (timeline is not None and mark_of(timeline) in record["marks"])
  if timeline is None:
    return False
  text = path.read_text(encoding="utf-8", errors="replace")
  if (found := _MARK.search(text)) is not None:
    return found.group() == mark_of(timeline)
  return _is_unmarked_json(text) or _is_made_of_blocks(timeline)


def read_record(path: Path) -> dict[str, Any] | None:
  """A record as it was saved; None where there is none, or one that cannot be read: nothing is proved then."""
  try:
    record = json.loads(path.read_text(encoding="utf-8"))
  except (OSError, ValueError):
    return None
  is_whole = isinstance(record, dict) and isinstance(record.get("files"), dict) and "marks" in record
  return record if is_whole else None


def _record_of(path: Path) -> dict[str, Any] | None:
  """The record that names a file: that of one of the stems that its name may have been made of."""
  parts = path.name.split(".")
  for count in range(len(parts) - 1, 0, -1):
    record = read_record(record_path(path.with_name(".".join(parts[:count]))))
    if record is not None and path.name in record["files"]:
      return record
  return None


def _events(path: Path) -> Timeline | None:
  """The events of a label file, None where they cannot be read: whoever reads it as labels says why."""
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
      return read(path)
    except (ValueError, OSError):
      return None


def _is_unmarked_json(text: str) -> bool:
  try:
    document = json.loads(text)
  except ValueError:
    return False
  return isinstance(document, dict) and document.keys() >= _UNMARKED_FIELDS


def _is_made_of_blocks(timeline: Timeline) -> bool:
  """Whether all events have scores and begin and end with blocks, other blocks than those at whole seconds among them.

  The last end is that of the recording, wherever it is.
  """
  if not timeline.events or any(event.score is None for event in timeline):
    return False
  end_s = max(event.offset_s for event in timeline)
  times_s = {time_s for event in timeline for time_s in (event.onset_s, event.offset_s)} - {end_s}
  is_whole = functools.partial(_is_multiple, of_s=1.0)
  return all(_is_multiple(t, Clock().block_s) for t in times_s) and not all(map(is_whole, times_s))


def _is_multiple(time_s: float, of_s: float) -> bool:
  return abs(time_s - round(time_s / of_s) * of_s) < _ROUNDING_S
