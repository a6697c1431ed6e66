"""Finished recordings on disk: a file of records and a note for each, either complete or absent.

A file's name is a digest of everything that determines its records, so that a later preparation reuses only files that
are still valid. The note is written last: a recording with a note is finished.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import functools
import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

from attavvad_jax import __version__, pool
from attavvad_jax.blocks import AUDIO, AUDIO_VISUAL, Block, DataSpec
from attavvad_jax.datasets.records import features, serialize, to_records
from attavvad_jax.files import replacing, write_text
from attavvad_jax.notes import progress_bar
from attavvad_jax.timeline import EVENTS, Clock, Timeline, overlap_s

# The option that TFDS writes with: each record can be read on its own.
_WRITER_OPTIONS = "group_size:1"
_READ_AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class Content:
  """An opened recording.

  Attributes:
    blocks: the blocks in order, made on demand.
    timeline: the performer's events.
    audio_timeline: the events of any voice; None if unknown.
    conditions: the description of the recording, in a form that `records.check_conditions` accepts.
    warnings: one line per damage or repair; complete once the last block has been consumed.
  """

  blocks: Iterable[Block]
  timeline: Timeline
  audio_timeline: Timeline | None
  conditions: Mapping[str, Any]
  warnings: list[str]


class Recording(Protocol):
  """A recording of a data set, opened where its records are made, possibly in another process or on another machine.

  `name` is unique in the data set; `source` identifies the recording to users, by its file. `state` returns text that
  changes with everything that determines the records. `open` and the iterator of the blocks raise ValueError or OSError
  for a recording that cannot be used.
  """

  @property
  def name(self) -> str: ...

  @property
  def split(self) -> str: ...

  @property
  def source(self) -> str: ...

  def state(self) -> str: ...

  def open(self, spec: DataSpec) -> Content: ...


@dataclasses.dataclass(frozen=True)
class Note:
  """The summary of a finished recording.

  Attributes:
    num_blocks: number of blocks, which is that of the records.
    num_bytes: size of all records.
    seconds: durations by label set and event; unmarked time counts as others.
    num_events: number of events by label set and event.
    warnings: one line each.
    reason: why the recording cannot be used; None if it can.
  """

  num_blocks: int = 0
  num_bytes: int = 0
  seconds: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
  num_events: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
  warnings: Sequence[str] = ()
  reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Job:
  """A recording to finish, and the folder that receives its files."""

  recording: Recording
  spec: DataSpec
  folder: Path

  @functools.cached_property
  def stem(self) -> Path:
    """The path of its files, without extension; computed once, so that every process uses the same path."""
    parts = (self.recording.name, self.recording.state(), self.spec.to_dict(), __version__)
    return self.folder / hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class _Unusable(Exception):
  """A recording cannot be read; errors in writing raise other exceptions."""


def run(jobs: Sequence[Job], workers: int) -> None:
  """Finishes the unfinished recordings, in this process or in several.

  Raises:
    OSError: a process died, or the folder cannot be written to.
  """
  missing = _missing(jobs)
  progress = progress_bar(desc="preparing", unit="recording", initial=len(jobs) - len(missing), total=len(jobs))
  with progress:
    for _ in pool.each(finish, missing, workers):
      progress.update()


def run_on_beam(jobs: Sequence[Job], runner: Any, options: Any) -> None:
  """Finishes the unfinished recordings on Apache Beam, whose workers must all see the same files.

  Raises:
    ImportError: Apache Beam is not installed.
  """
  try:
    import apache_beam as beam
  except ImportError:
    raise ImportError("Apache Beam is not installed; install it with: pip install 'attavvad_jax[beam]'") from None
  with beam.Pipeline(runner=runner, options=options) as pipeline:
    _ = pipeline | beam.Create(_missing(jobs)) | beam.Reshuffle() | beam.Map(finish)


def finish(job: Job) -> None:
  """Writes the records and the note of a recording; the note of an unusable recording holds the reason."""
  try:
    with replacing(job.stem.with_suffix(".array_record")) as path:
      note = _write_records(path, job)
  except _Unusable as error:
    note = Note(reason=str(error))
  write_text(job.stem.with_suffix(".json"), json.dumps(dataclasses.asdict(note), ensure_ascii=False))


def read_note(job: Job) -> Note:
  """Reads the note of a finished recording."""
  return Note(**json.loads(job.stem.with_suffix(".json").read_text(encoding="utf-8")))


def read_records(job: Job) -> Iterator[bytes]:
  """Yields the serialized records of a finished recording."""
  from array_record.python.array_record_module import ArrayRecordReader

  reader = ArrayRecordReader(str(job.stem.with_suffix(".array_record")))
  count = reader.num_records()
  for first in range(0, count, _READ_AT_ONCE):
    yield from reader.read(first, min(first + _READ_AT_ONCE, count))
  reader.close()


def write_records(path: Path, records: Iterable[bytes]) -> None:
  """Writes a file of records."""
  from array_record.python.array_record_module import ArrayRecordWriter

  writer = ArrayRecordWriter(str(path), _WRITER_OPTIONS)
  try:
    for record in records:
      writer.write(record)
  finally:
    writer.close()


def _missing(jobs: Sequence[Job]) -> list[Job]:
  """Returns the unfinished jobs. Unusable recordings are among them, because the cause may have been fixed."""
  return [job for job in jobs if not job.stem.with_suffix(".json").is_file() or read_note(job).reason is not None]


def _write_records(path: Path, job: Job) -> Note:
  totals: collections.Counter[str] = collections.Counter()
  fields = features(job.spec)
  try:
    content = job.recording.open(job.spec)
  except (ValueError, OSError) as error:
    raise _Unusable(str(error)) from error

  def records() -> Iterator[bytes]:
    made = to_records(
      content.blocks,
      content.timeline,
      job.recording.name,
      job.spec.clock,
      audio_timeline=content.audio_timeline,
      conditions=content.conditions,
    )
    try:
      for record in made:
        data = serialize(record, fields)
        totals.update(blocks=1, bytes=len(data))
        yield data
    except (ValueError, OSError) as error:
      raise _Unusable(str(error)) from error

  write_records(path, records())
  timelines = {AUDIO_VISUAL: content.timeline, AUDIO: content.audio_timeline}
  known = {name: timeline for name, timeline in timelines.items() if timeline is not None}
  return Note(
    num_blocks=totals["blocks"],
    num_bytes=totals["bytes"],
    seconds={name: _seconds(timeline, job.spec.clock) for name, timeline in known.items()},
    num_events={
      name: {label: sum(event.label == label for event in timeline) for label in EVENTS}
      for name, timeline in known.items()
    },
    warnings=content.warnings,
  )


def _seconds(timeline: Timeline, clock: Clock) -> dict[str, float]:
  totals = overlap_s(timeline, clock, clock.num_blocks(timeline.duration_s)).sum(axis=0)
  return {label: float(total) for label, total in zip(EVENTS, totals, strict=True)}
