"""What results are of: beside those of a recording lies a record that says so, and that names each of the files.

A result is done only if all that it depends on, its identity, is the same: the bytes of the video and of the
checkpoint, who was looked at and how, and the version of this package. Names and times of files stand for nothing. Of
the files only those are replaced or removed that the record names and that have not been changed since, whatever is
asked for: see `marks`. The record also holds the timelines, so that they can be told again from any format.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from attavvad_jax.files import write_text
from attavvad_jax.marks import Content, mark_of, read_record, record_path
from attavvad_jax.timeline import Event, Timeline

_SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class FaceResult:
  """What was found of the performer, or of one of all faces.

  Attributes:
    timeline: the events.
    face: its number, None for the performer's.
    pictures: images that the video has a picture for.
    seen: those of them in which the face was found.
  """

  timeline: Timeline
  face: int | None
  pictures: int
  seen: int


@dataclasses.dataclass(frozen=True)
class Result:
  """One detection.

  Attributes:
    identity: all that it depends on, as JSON holds it.
    video: the file, and what was in it.
    content: likewise.
    found: of the performer, or of each face.
    choices: what was chosen of a recording that has several tracks, as `media.Report` says it.
    warnings: what is missing or damaged in it.
  """

  identity: Mapping[str, Any]
  video: Path
  content: Content
  found: Sequence[FaceResult]
  choices: Sequence[str]
  warnings: Sequence[str]


class Record:
  """The record of what is written under a stem.

  Attributes:
    result: what the files are of; None where nothing is known.
    removed: files of the result before that `writing` has removed, since they would have lain beside those of another.
  """

  def __init__(self, stem: Path):
    """Reads the record, if there is one that can be read; without one, nothing that is there is ours."""
    self._stem = stem
    self.removed: list[Path] = []
    self.result: Result | None = None
    # None for a file that was being written when the program was killed: before or after it was put in its place.
    self._files: dict[str, Content | None] = {}
    # Files of the result before.
    self._stale: set[str] = set()
    values = read_record(record_path(stem))
    if values is not None and values.get("schema_version") == _SCHEMA_VERSION:
      with contextlib.suppress(KeyError, TypeError, ValueError):  # damaged
        files = {name: content and Content.from_dict(content) for name, content in values["files"].items()}
        self.result, self._stale, self._files = self._to_result(values["result"]), set(values["stale"]), files
    self._saved = self._values()
    self._on_disk = _text(record_path(stem))

  def content_of(self, video: Path) -> Content | None:
    """What is in a video if it is what was in that of the result; else None.

    Its bytes are read only where they may have changed.
    """
    if self.result is None or (content := self.result.content.found_in(video)) is None:
      return None
    self.result = dataclasses.replace(self.result, content=content)
    return content

  def holds(self, identity: Mapping[str, Any], paths: Iterable[Path]) -> bool:
    """Whether all these files are there as they were written, and are of this identity."""
    if self.result is None or self._stale or self.result.identity != identity:
      return False
    if not all(self._files.get(path.name) is not None and self._is_ours(path) for path in paths):
      return False
    if self._values() != self._saved:
      # The same bytes with other times, as after copying: kept, so that they need not be read next time.
      with contextlib.suppress(OSError):
        self._save()
    return True

  def differences(self, identity: Mapping[str, Any]) -> list[str]:
    """In what the result whose files are there differs from one of another identity; nothing where none are."""
    if self.result is None or not self._present():
      return []
    names = dict.fromkeys((*identity, *self.result.identity))
    return [name for name in names if identity.get(name) != self.result.identity.get(name)]

  def check_files(self, paths: Iterable[Path]) -> None:
    """Refuses to write over what is not ours.

    Raises:
      ValueError: names the file.
    """
    for path in paths:
      if os.path.lexists(path) and not self._is_ours(path):
        raise ValueError(
          f"{path} is there already, and no record says that it is a result, unchanged since: it is never replaced; "
          "rename it, or choose another folder with --output"
        )

  def check_video(self, video: Path, content: Content) -> None:
    """Refuses to mix results of a video with those of another one: neither its file nor its content is the same.

    Raises:
      ValueError: names both, and the files that are there.
    """
    if self.result is None or self.result.content.sha256 == content.sha256:
      return
    before = self.result.video
    if not _is_same_place(before, video) and (present := self._present()):
      raise ValueError(
        f"{video}: its results would replace {', '.join(present)} of {before} in {self._stem.parent}; choose another "
        "folder with --output, or replace them with --overwrite"
      )

  @contextlib.contextmanager
  def writing(self, result: Result | None, path: Path) -> Iterator[None]:
    """Puts a file of a result, or of none, on record; in the `with` block it is written, whole or not at all.

    Once the first file is there, those of another result are removed: they would lie beside it as if they were its own.

    Raises:
      ValueError: there is a file of that name that is not ours, or another program has begun to write here.
      OSError: the record cannot be written.
    """
    if _text(record_path(self._stem)) != self._on_disk:
      raise ValueError(f"{path}: another program has written results of this name meanwhile; run this again")
    self.check_files([path])
    before = dict(self._files)
    self._files[path.name] = None
    self._save()
    try:
      yield
    except BaseException:
      self._files = before
      # The reason why the file could not be written may hold for the record, too, which is right as it is.
      with contextlib.suppress(OSError):
        self._save()
      raise
    del self._files[path.name]
    if _what(self.result) != _what(result):
      self._stale = set(self._files)
    self.result = result
    self._stale.discard(path.name)
    if path.exists():
      self._files[path.name] = Content.of(path)
    self._save()
    if self._stale:
      self._remove_stale()
      self._save()

  def _present(self) -> list[str]:
    """The files that are there, as they were written."""
    return [name for name in self._files if self._is_ours(self._stem.with_name(name))]

  def _is_ours(self, path: Path) -> bool:
    if path.name not in self._files or path.is_symlink() or not path.is_file():
      return False
    content = self._files[path.name]
    if content is None:
      return True
    found = content.found_in(path)
    if found is not None:
      self._files[path.name] = found
    return found is not None

  def _remove_stale(self) -> None:
    for name in sorted(self._stale):
      path = self._stem.with_name(name)
      if self._is_ours(path):
        path.unlink()
        self.removed.append(path)
      del self._files[name]
    self._stale = set()

  def _save(self) -> None:
    self._saved = self._values()
    self._on_disk = json.dumps(self._saved, indent=1, ensure_ascii=False) + "\n"
    write_text(record_path(self._stem), self._on_disk)

  def _values(self) -> dict[str, Any]:
    return {
      "schema_version": _SCHEMA_VERSION,
      "result": None if self.result is None else self._from_result(self.result),
      "marks": _what(self.result)[1],
      "files": {name: content and dataclasses.asdict(content) for name, content in self._files.items()},
      "stale": sorted(self._stale),
    }

  def _from_result(self, result: Result) -> dict[str, Any]:
    # As seen from here, so that it is found again where both have been moved.
    video = Path(os.path.relpath(result.video, self._stem.parent)).as_posix()
    found = [
      {
        "face": one.face,
        "pictures": one.pictures,
        "seen": one.seen,
        "duration_s": one.timeline.duration_s,
        "events": [dataclasses.astuple(event) for event in one.timeline],
      }
      for one in result.found
    ]
    content = dataclasses.asdict(result.content)
    return {
      "identity": result.identity,
      "video": video,
      "content": content,
      "found": found,
      "choices": list(result.choices),
      "warnings": list(result.warnings),
    }

  def _to_result(self, values: Mapping[str, Any] | None) -> Result | None:
    if values is None:
      return None
    found = [
      FaceResult(
        Timeline((Event(*event) for event in one["events"]), one["duration_s"]),
        one["face"],
        one["pictures"],
        one["seen"],
      )
      for one in values["found"]
    ]
    video = Path(os.path.normpath(self._stem.parent / values["video"]))
    content = Content.from_dict(values["content"])
    return Result(values["identity"], video, content, found, values["choices"], values["warnings"])


def _what(result: Result | None) -> tuple[Mapping[str, Any] | None, list[str]]:
  """What a result is of, and which events it holds."""
  return (None, []) if result is None else (result.identity, [mark_of(found.timeline) for found in result.found])


def _text(path: Path) -> str | None:
  try:
    return path.read_text(encoding="utf-8", errors="replace")
  except OSError:
    return None


def _is_same_place(one: Path, other: Path) -> bool:
  return os.path.abspath(one) == os.path.abspath(other) or (one.exists() and one.samefile(other))
