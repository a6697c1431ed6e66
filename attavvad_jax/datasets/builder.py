"""The base class of all data sets: it turns recordings into a TFDS data set in array_record, one record per block.

A preparation has two steps. First, each recording becomes a file of records (`finished`), in one process, in several,
or on Apache Beam. Then these files are joined, in the order of the recordings, into the shards of each split. The files
of a data set therefore do not depend on how they were made, and memory does not grow with the data. A preparation that
was killed resumes where it stopped: finished recordings lie in a hidden folder beside the data set until it is
complete.
"""

import abc
from collections.abc import Sequence
import contextlib
import hashlib
import json
from pathlib import Path
import shutil
import tempfile
import types
from typing import Any, ClassVar

from absl import logging
import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

from attavvad_jax.blocks import DataSpec
from attavvad_jax.datasets import finished, summary
from attavvad_jax.datasets.finished import Job, Note, Recording
from attavvad_jax.datasets.manifest import SPLITS, LeftOut
from attavvad_jax.datasets.records import DIGESTS, MADE_OF, Digest, features
from attavvad_jax.files import locked

# A new shard begins once the current one has reached this size.
_SHARD_BYTES = 256 << 20


class RecordingsBuilder(FileReaderBuilder, skip_registration=True):  # type: ignore[call-arg]
  """A builder that writes one record per block of every recording; reading the records needs no TensorFlow.

  `download_and_prepare` writes the data set, on Apache Beam if its `DownloadConfig` names a runner or options for one.
  Unusable recordings are left out; `preparation.json` in the data set's folder names them with the reason, and holds
  the warnings and the seconds of each event.

  Subclasses define the recordings.

  Raises:
    ValueError: in preparation: a split has no usable recording, two recordings have the same name, or another
      preparation of the same data set is running.
  """

  VERSION = tfds.core.Version("2.0.0")
  # Without instructions, TFDS offers subclasses no `manual_dir`.
  MANUAL_DOWNLOAD_INSTRUCTIONS = "give the folder of the files with --input"
  RELEASE_NOTES: ClassVar[dict[str, str]] = {"2.0.0": "Two label sets and the conditions of each clip."}

  def __init__(
    self, spec: DataSpec, *, name: str = "default", workers: int = 1, notes: Sequence[str] = (), **kwargs: Any
  ):
    """Stores the spec, the data set's name, the number of worker processes, and lines for the summary."""
    if workers < 1:
      raise ValueError(f"workers is {workers}; expected 1 or more")
    self._spec = spec
    self._workers = workers
    self.notes = tuple(notes)
    config = tfds.core.BuilderConfig(name=name, version=self.VERSION, description=str(self.__doc__).splitlines()[0])
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # TFDS warns of every configuration that is not built in
    super().__init__(config=config, file_format="array_record", **kwargs)
    logging.set_verbosity(verbosity)

  @abc.abstractmethod
  def _recordings(self, dl_manager: Any, scratch: Path) -> tuple[Sequence[Recording], Sequence[LeftOut]]:
    """Returns the recordings in order, and what was left out; `scratch` is kept until the data set is complete."""

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      description="Blocks of musical videos, with the events of the performer on camera and those of any voice.",
      features=features(self._spec),
      metadata=tfds.core.MetadataDict(self._spec.to_dict()),
    )

  def made_of(self, manual_dir: Any) -> str:
    """Returns a digest of the recordings, labels, splits and spec that does not depend on where they lie."""
    with tempfile.TemporaryDirectory() as scratch:
      recordings, _ = self._recordings(types.SimpleNamespace(manual_dir=manual_dir), Path(scratch))
      return self._made_of(recordings)

  def _made_of(self, recordings: Sequence[Recording]) -> str:
    parts = [(recording.name, recording.split, recording.state()) for recording in recordings]
    return hashlib.sha256(json.dumps([parts, self._spec.to_dict()]).encode()).hexdigest()

  @property
  def scratch(self) -> Path:
    """The folder of finished recordings while the data set is incomplete."""
    return Path(self.data_dir_root, self.name, self.builder_config.name, f".{self.version}.partial")

  def download_and_prepare(self, **kwargs: Any) -> None:
    target = Path(self.data_path)
    with locked(self.scratch):
      # A killed preparation may have left them.
      for folder in target.parent.glob(f"incomplete.*_{target.name}"):
        shutil.rmtree(folder)
      try:
        super().download_and_prepare(**kwargs)
      finally:
        if target.exists() or not any(self.scratch.glob("*.json")):
          shutil.rmtree(self.scratch)
          with contextlib.suppress(OSError):  # not empty
            target.parent.rmdir()
            target.parent.parent.rmdir()

  def _download_and_prepare(self, dl_manager: Any, download_config: tfds.download.DownloadConfig) -> None:
    recordings, left_out = self._recordings(dl_manager, self.scratch)
    _check_names(recordings)
    jobs = [Job(recording, self._spec, self.scratch) for recording in recordings]
    if download_config.beam_runner is not None or download_config.beam_options is not None:
      finished.run_on_beam(jobs, download_config.beam_runner, download_config.beam_options)
    else:
      finished.run(jobs, self._workers)
    done = [(job, finished.read_note(job)) for job in jobs]
    left_out = [*left_out, *(LeftOut(j.recording.source, note.reason) for j, note in done if note.reason is not None)]
    digests = {split: Digest() for split in SPLITS if any(job.recording.split == split for job in jobs)}
    splits = [self._write_split(split, done, digest) for split, digest in digests.items()]
    self.info.set_splits(tfds.core.splits.SplitDict(splits))
    self.info.metadata[DIGESTS] = {split: str(digest) for split, digest in digests.items()}
    self.info.metadata[MADE_OF] = self._made_of(recordings)
    summary.write(Path(self.data_dir), [(job.recording.split, note) for job, note in done], left_out, self.notes)

  def _write_split(self, split: str, done: Sequence[tuple[Job, Note]], digest: Digest) -> tfds.core.SplitInfo:
    done = [(job, note) for job, note in done if job.recording.split == split]
    usable = [(job, note) for job, note in done if note.reason is None and note.num_blocks]
    if not usable:
      raise ValueError(
        f"none of the {len(done)} recordings of split {split!r} can be used; the last: {done[-1][1].reason}"
      )
    template = self._get_filename_template(split)
    shards = _to_shards(usable)
    for index, shard in enumerate(shards):
      path = Path(template.sharded_filepath(shard_index=index, num_shards=len(shards)))
      records = (record for job, _ in shard for record in finished.read_records(job))
      finished.write_records(path, digest.passing(records))
    return tfds.core.SplitInfo(
      name=split,
      shard_lengths=[sum(note.num_blocks for _, note in shard) for shard in shards],
      num_bytes=sum(note.num_bytes for _, note in usable),
      filename_template=template,
    )


def _to_shards(recordings: Sequence[tuple[Job, Note]]) -> list[list[tuple[Job, Note]]]:
  """Groups consecutive recordings into shards of `_SHARD_BYTES` or more; the last may be smaller."""
  shards: list[list[tuple[Job, Note]]] = []
  filled = _SHARD_BYTES
  for job, note in recordings:
    if filled >= _SHARD_BYTES:
      shards.append([])
      filled = 0
    shards[-1].append((job, note))
    filled += note.num_bytes
  return shards


def _check_names(recordings: Sequence[Recording]) -> None:
  sources: dict[str, str] = {}
  for recording in recordings:
    if recording.name in sources:
      raise ValueError(
        f"{sources[recording.name]} and {recording.source} are both named {recording.name!r}; expected a unique name "
        "for each recording"
      )
    sources[recording.name] = recording.source
