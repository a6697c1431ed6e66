"""Records what results were made from. The record lies beside the results of a recording and lists their files.

A result is up to date only if its identity is unchanged: the bytes of the video and of the checkpoint, the choice of
the performer and of tracks, the smoothing, and the version of this package. Names and times of files do not count. Only
files that the record lists and that are unchanged since are replaced or removed, whatever the options: see `marks`. The
record also holds the timelines, so that they can be printed again whatever the formats of the files.
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
  """The result for the performer, or for one of all faces.

  Attributes:
    timeline: the events.
    face: number of the face; None for the performer.
    num_images: number of images for which the video has a frame.
    seen: number of those in which the face was found.
  """

  timeline: Timeline
  face: int | None
  num_images: int
  seen: int


@dataclasses.dataclass(frozen=True)
class Result:
  """The result of one detection.

  Attributes:
    identity: everything that the result depends on, as JSON values.
    video: path of the video.
    content: content of the video.
    faces: result for the performer, or for each face.
    choices: notes of `media.Report` on the choice among several tracks.
    warnings: missing or damaged parts of the video.
  """

  identity: Mapping[str, Any]
  video: Path
  content: Content
  faces: Sequence[FaceResult]
  choices: Sequence[str]
  warnings: Sequence[str]


class Record:
  """The record of the files written under a stem.

  Attributes:
    result: the result that the files hold; None if it is unknown.
    removed: files of the previous result that `writing` has removed, because they belong to another detection.
  """

  def __init__(self, stem: Path):
    """Reads the record if there is a readable one; without one, no existing file counts as a result."""
    self._stem = stem
    self.removed: list[Path] = []
    self.result: Result | None = None
    # None for a file that was being written when the program was killed; it may be old or new.
    self._files: dict[str, Content | None] = {}
    # Files of the previous result.
    self._stale: set[str] = set()
    values = read_record(record_path(stem))
    if values is not None and values.get("schema_version") == _SCHEMA_VERSION:
      with contextlib.suppress(KeyError, TypeError, ValueError):  # damaged
        files = {name: content and Content.from_dict(content) for name, content in values["files"].items()}
        self.result, self._stale, self._files = self._to_result(values["result"]), set(values["stale"]), files
    self._saved = self._values()
    self._on_disk = _text(record_path(stem))

  def content_of(self, video: Path) -> Content | None:
    """Returns the content of a video if it equals that of the result's video; else None.

    The bytes are read only if they may have changed.
    """
    if self.result is None or (content := self.result.content.found_in(video)) is None:
      return None
    self.result = dataclasses.replace(self.result, content=content)
    return content

  def holds(self, identity: Mapping[str, Any], paths: Iterable[Path]) -> bool:
    """Whether all these files exist, unchanged since they were written, and have this identity."""
    if self.result is None or self._stale or self.result.identity != identity:
      return False
    if not all(self._files.get(path.name) is not None and self._is_ours(path) for path in paths):
      return False
    if self._values() != self._saved:
      # Equal bytes with other times, as after copying: the new times save reading the bytes again.
      with contextlib.suppress(OSError):
        self._save()
    return True

  def differences(self, identity: Mapping[str, Any]) -> list[str]:
    """Returns the keys of `identity` that differ from the existing result; none if none of its files exists."""
    if self.result is None or not self._present():
      return []
    names = dict.fromkeys((*identity, *self.result.identity))
    return [name for name in names if identity.get(name) != self.result.identity.get(name)]

  def check_files(self, paths: Iterable[Path]) -> None:
    """Checks that each path is free or holds an unchanged result.

    Raises:
      ValueError: a path holds another file; the message names it.
    """
    for path in paths:
      if os.path.lexists(path) and not self._is_ours(path):
        raise ValueError(
          f"{path} already exists and is not recorded as an unchanged result, so it is never replaced; rename it, or "
          "choose another folder with --output"
        )

  def check_video(self, video: Path, content: Content) -> None:
    """Checks that existing results are not those of another video, with another path and other content.

    Raises:
      ValueError: they are; the message names both videos and the existing files.
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
    """Records a file, which the `with` block writes completely or not at all; `result` is None for other files.

    After the first file of a result, the files of the previous result are removed: they would look like its own.

    Raises:
      ValueError: the path holds a file that is not an unchanged result, or another program has begun to write here.
      OSError: the record cannot be written.
    """
    if _text(record_path(self._stem)) != self._on_disk:
      raise ValueError(f"{path}: another program has written results of this name meanwhile; run the command again")
    self.check_files([path])
    before = dict(self._files)
    self._files[path.name] = None
    self._save()
    try:
      yield
    except BaseException:
      self._files = before
      # Saving the record may fail for the same reason; the record on disk is still correct then.
      with contextlib.suppress(OSError):
        self._save()
      raise
    del self._files[path.name]
    if _identity_and_marks(self.result) != _identity_and_marks(result):
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
    """Returns the names of the files that exist, unchanged since they were written."""
    return [name for name in self._files if self._is_ours(self._stem.with_name(name))]

  def _is_ours(self, path: Path) -> bool:
    if path.name not in self._files or path.is_symlink() or not path.is_file():
      return False
    content = self._files[path.name]
    if content is None:
      return True
    current = content.found_in(path)
    if current is not None:
      self._files[path.name] = current
    return current is not None

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
      "marks": _identity_and_marks(self.result)[1],
      "files": {name: content and dataclasses.asdict(content) for name, content in self._files.items()},
      "stale": sorted(self._stale),
    }

  def _from_result(self, result: Result) -> dict[str, Any]:
    # The relative path stays valid if videos and results are moved together.
    video = Path(os.path.relpath(result.video, self._stem.parent)).as_posix()
    faces = [
      {
        "face": face.face,
        "pictures": face.num_images,
        "seen": face.seen,
        "duration_s": face.timeline.duration_s,
        "events": [dataclasses.astuple(event) for event in face.timeline],
      }
      for face in result.faces
    ]
    content = dataclasses.asdict(result.content)
    return {
      "identity": result.identity,
      "video": video,
      "content": content,
      "found": faces,
      "choices": list(result.choices),
      "warnings": list(result.warnings),
    }

  def _to_result(self, values: Mapping[str, Any] | None) -> Result | None:
    if values is None:
      return None
    faces = [
      FaceResult(
        Timeline((Event(*event) for event in face["events"]), face["duration_s"]),
        face["face"],
        face["pictures"],
        face["seen"],
      )
      for face in values["found"]
    ]
    video = Path(os.path.normpath(self._stem.parent / values["video"]))
    content = Content.from_dict(values["content"])
    return Result(values["identity"], video, content, faces, values["choices"], values["warnings"])


def _identity_and_marks(result: Result | None) -> tuple[Mapping[str, Any] | None, list[str]]:
  """Returns the identity of a result and the marks of its events."""
  return (None, []) if result is None else (result.identity, [mark_of(face.timeline) for face in result.faces])


def _text(path: Path) -> str | None:
  try:
    return path.read_text(encoding="utf-8", errors="replace")
  except OSError:
    return None


def _is_same_place(one: Path, other: Path) -> bool:
  return os.path.abspath(one) == os.path.abspath(other) or (one.exists() and one.samefile(other))
