"""Video files as recordings of a data set."""

from collections.abc import Iterator, Sequence
import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any
import warnings

from attavvad_jax.annotations import DEFAULT_READING, AnnotationWarning, Reading
from attavvad_jax.annotations import read as read_annotation
from attavvad_jax.blocks import Block, DataSpec
from attavvad_jax.datasets.finished import Content
from attavvad_jax.datasets.manifest import Item
from attavvad_jax.datasets.records import check_conditions
from attavvad_jax.media import MediaInfo, probe, recorded_s
from attavvad_jax.recordings import Report, read_blocks
from attavvad_jax.timeline import Timeline

# Bytes read at the start, the middle and the end of a video to identify it.
_SAMPLE_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class Video:
  """A video with its label files that implements `finished.Recording`."""

  name: str
  item: Item
  reading: Reading = DEFAULT_READING

  @property
  def split(self) -> str:
    return self.item.split

  @property
  def source(self) -> str:
    return str(self.item.video)

  @property
  def _reading(self) -> Reading:
    origin_s = self.item.label_origin_s
    return self.reading if origin_s is None else dataclasses.replace(self.reading, origin_s=origin_s)

  def state(self) -> str:
    small = (self.item.labels, self.item.audio_labels, self.item.conditions)
    tracks = dataclasses.astuple(self.item.tracks)
    reading = self._reading.to_dict()
    return json.dumps([self.item.recording, _stamp(self.item.video), *map(_digest, small), *tracks, reading])

  def open(self, spec: DataSpec) -> Content:
    info = probe(self.item.video, self.item.tracks)
    duration_s = recorded_s(self.item.video, info=info)
    lines: list[str] = []
    timeline = self._read_labels(self.item.labels, duration_s, lines)
    audio_timeline = None
    if self.item.audio_labels is not None:
      audio_timeline = self._read_labels(self.item.audio_labels, duration_s, lines)
    # Clips of one recording are not independent samples, so evaluation must know which belong together.
    conditions = {**_read_conditions(self.item.conditions), "recording": self.item.recording}
    return Content(self._blocks(info, spec, lines), timeline, audio_timeline, conditions, lines)

  def _read_labels(self, path: Path, duration_s: float | None, lines: list[str]) -> Timeline:
    options = vars(self._reading)
    with warnings.catch_warnings(record=True) as caught:
      warnings.simplefilter("always", AnnotationWarning)
      timeline = read_annotation(path, duration_s, **options, recording=self.item.video)
    lines += [str(warning.message) for warning in caught]
    return timeline

  def _blocks(self, info: MediaInfo, spec: DataSpec, lines: list[str]) -> Iterator[Block]:
    report = Report()
    yield from read_blocks(self.item.video, spec.clock, spec.crop, info=info, report=report)
    lines += [f"{self.item.video}: {line}" for line in (*report.choices, *report.warnings)]


def to_recordings(items: Sequence[Item], reading: Reading) -> list[Video]:
  """Returns items as recordings named by their files, with their folders if files of several share a name."""
  stems = [item.video.stem for item in items]
  if len(set(stems)) < len(stems):
    common = os.path.commonpath([item.video.parent for item in items])
    stems = [item.video.relative_to(common).with_suffix("").as_posix() for item in items]
  return [Video(stem, item, reading) for stem, item in zip(stems, items, strict=True)]


def _read_conditions(path: Path | None) -> dict[str, Any]:
  if path is None:
    return {}
  try:
    values = json.loads(path.read_text(encoding="utf-8-sig"))
  except (json.JSONDecodeError, UnicodeDecodeError) as error:
    raise ValueError(f"{path}: not JSON in UTF-8 ({error})") from None
  return check_conditions(values, str(path))


def _stamp(path: Path) -> list[Any]:
  """Returns values that identify a large file without reading all of it.

  They include samples of its content, because archives and copies may keep times and sizes.
  """
  if not path.is_file():
    return [str(path)]
  stat = path.stat()
  sample = hashlib.sha256()
  with path.open("rb") as file:
    for start in (0, stat.st_size // 2, max(0, stat.st_size - _SAMPLE_BYTES)):
      file.seek(start)
      sample.update(file.read(_SAMPLE_BYTES))
  return [stat.st_size, stat.st_mtime_ns, sample.hexdigest()]


def _digest(path: Path | None) -> str | None:
  if path is None or not path.is_file():
    return None
  return hashlib.sha256(path.read_bytes()).hexdigest()
