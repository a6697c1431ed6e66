"""Recognizes files that this package wrote and nobody has edited since, to distinguish estimates from people's labels.

Beside the files written for a recording lies a record, a hidden JSON file `.STEM.attavvad`. It lists each file with its
size, its times and its sha256. A file that was edited since, or existed before, does not match: it is never replaced or
removed. Estimates must never count as labels, wherever they have been copied, so they also carry a mark inside if their
format has a place for one: the field `mark` in JSON, the author in ELAN. A mark holds a digest of the events, so it no
longer matches once a person has corrected an event.

The other formats have no such place. A comment in RTTM would stop readers without support for comments, among them
pyannote's; a table has no comments. Without a record and a mark, also in files older than records, events decide: in an
estimate, each has a score, and all begin and end with blocks. A copy without scores, as a label track or a TextGrid,
passes for labels once it is separated from its record.
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
# Fields of the JSON of older versions of `detect`, which has no mark.
_UNMARKED_FIELDS = {"duration_s", "events", "schema_version", "video", "checkpoint", "versions", "blocks"}
# Times are written to the millionth of a second.
_ROUNDING_S = 2e-6


@dataclasses.dataclass(frozen=True)
class Content:
  """A fingerprint of a file's content, which shows later whether the content has changed.

  Attributes:
    sha256: digest of the bytes.
    size: number of bytes.
    stamp: times of modification and of the last change of the inode, in ns, and the inode's number. As in git's index,
      a file with equal size and stamp counts as unchanged, since no program can set the second of these times; with
      another stamp the bytes decide.
  """

  sha256: str
  size: int
  stamp: tuple[int, int, int]

  @classmethod
  def of(cls, path: str | os.PathLike[str]) -> Self:
    """Computes the fingerprint of a file, at some hundred megabytes a second or more.

    Raises:
      OSError: the file is missing or cannot be read.
    """
    with open(path, "rb") as file:
      return cls.of_open(file)

  @classmethod
  def of_open(cls, file: io.BufferedReader) -> Self:
    """Computes the fingerprint of an open file, from its beginning to its end."""
    file.seek(0)
    status = os.fstat(file.fileno())
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return cls(digest, status.st_size, _stamp(status))

  @classmethod
  def from_dict(cls, values: dict[str, Any]) -> Self:
    """Restores a fingerprint from the output of `dataclasses.asdict`, after a round trip through JSON."""
    return cls(values["sha256"], values["size"], tuple(values["stamp"]))

  def found_in(self, path: str | os.PathLike[str]) -> Self | None:
    """Returns this fingerprint with the file's current stamp, or None if the file has other content or is missing.

    The bytes are read only if the stamp differs.
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
  """Returns the path of the record for files written under a path without extension."""
  return stem.with_name(f".{stem.name}.attavvad")


def mark_of(timeline: Timeline) -> str:
  """Returns the mark of an estimate: a digest of its events, to the millisecond."""
  events = [(round(1000 * round(e.onset_s, 3)), round(1000 * round(e.offset_s, 3)), e.label) for e in timeline]
  return f"attavvad_jax estimate {hashlib.sha256(json.dumps(sorted(events)).encode()).hexdigest()}"


def is_estimate(path: str | os.PathLike[str]) -> bool:
  """Returns whether a label file is an estimate of this package that nobody has corrected since.

  In this order: the record beside the file, or beside the target of a link, lists it; a mark inside matches; it is JSON
  of a version of `detect` without marks; or, without record and mark, each event has a score, and all begin and end
  with blocks, some at thirds of a second (which a person who corrects an event by ear does not hit). A file that is
  missing or cannot be read is no estimate.
  """
  path = Path(path)
  timeline = _events(path)
  for place in dict.fromkeys((path.absolute(), path.resolve())):
    if (record := _record_of(place)) is not None:
      entry = record["files"][place.name]
      # An editor that saves a file again changes its bytes; with equal events it is still the estimate.
      is_same = entry is not None and Content.from_dict(entry).found_in(place) is not None
      return is_same or (timeline is not None and mark_of(timeline) in record["marks"])
  if timeline is None:
    return False
  text = path.read_text(encoding="utf-8", errors="replace")
  if (found := _MARK.search(text)) is not None:
    return found.group() == mark_of(timeline)
  return _is_unmarked_json(text) or _is_made_of_blocks(timeline)


def read_record(path: Path) -> dict[str, Any] | None:
  """Returns a record as it was saved, or None if it is missing or cannot be read, which proves nothing."""
  try:
    record = json.loads(path.read_text(encoding="utf-8"))
  except (OSError, ValueError):
    return None
  is_whole = isinstance(record, dict) and isinstance(record.get("files"), dict) and "marks" in record
  return record if is_whole else None


def _record_of(path: Path) -> dict[str, Any] | None:
  """Returns the record that lists a file, under any stem from which the file's name may be derived."""
  parts = path.name.split(".")
  for count in range(len(parts) - 1, 0, -1):
    record = read_record(record_path(path.with_name(".".join(parts[:count]))))
    if record is not None and path.name in record["files"]:
      return record
  return None


def _events(path: Path) -> Timeline | None:
  """Returns the events of a label file, or None if they cannot be read: reading it as labels reports why."""
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
  """Returns whether all events have scores and begin and end with blocks, some of these not at whole seconds.

  The last offset may lie anywhere, since it is the end of the recording.
  """
  if not timeline.events or any(event.score is None for event in timeline):
    return False
  end_s = max(event.offset_s for event in timeline)
  times_s = {time_s for event in timeline for time_s in (event.onset_s, event.offset_s)} - {end_s}
  is_whole = functools.partial(_is_multiple, of_s=1.0)
  return all(_is_multiple(t, Clock().block_s) for t in times_s) and not all(map(is_whole, times_s))


def _is_multiple(time_s: float, of_s: float) -> bool:
  return abs(time_s - round(time_s / of_s) * of_s) < _ROUNDING_S
