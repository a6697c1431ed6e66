"""Reads batches from a prepared data set: grain pipelines with a global shuffle, deterministic by seed.

Batches keep small integers (int16 audio, uint8 images), which the device converts.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np

from attavvad_jax.blocks import DataSpec, HostBatch
from attavvad_jax.datasets.records import DIGESTS, Digest, conditions, text, to_example, to_timeline
from attavvad_jax.timeline import EVENTS, Timeline

# Practically endless. The length of grain's endless data set, in batches of one block, overflows in Python.
_EPOCHS = 2**31


class PreparedData:
  """A prepared data set on disk: its spec and its splits.

  Raises:
    ValueError: the path holds no prepared data set, its label map is another one, or a split does not exist.
  """

  def __init__(self, path: str | Path):
    import tensorflow_datasets as tfds

    self.path = _find_version_dir(Path(path))
    self._builder = tfds.builder_from_directory(str(self.path))
    self.spec = DataSpec.from_dict(self._builder.info.metadata)
    self._digests = dict(self._builder.info.metadata.get(DIGESTS, {}))
    if self.spec.events != EVENTS:
      raise ValueError(f"{self.path}: labels are {self.spec.events}; expected {EVENTS}")

  @property
  def splits(self) -> list[str]:
    return list(self._builder.info.splits)

  def source(self, split: str) -> Sequence[dict[str, Any]]:
    """Returns the records of a split, with random access."""
    if split not in self.splits:
      raise ValueError(f"{self.path}: no split {split!r}; it has {', '.join(self.splits)}")
    return self._builder.as_data_source(split)

  def digest(self, split: str) -> str:
    """Returns the `records.Digest` of a split's records, which identifies the split wherever it lies.

    Preparation stores the digest. For data sets without one, the split is read through, once per object.
    """
    if split not in self._digests:
      found = Digest()
      for _ in found.passing(self.source(split).data_source):  # type: ignore[attr-defined]
        pass
      self._digests[split] = str(found)
    return self._digests[split]

  def recordings(self, split: str) -> dict[str, list[int]]:
    """Returns the positions of each recording's blocks in `source(split)`, in temporal order."""
    found: dict[str, list[tuple[int, int]]] = {}
    records = self._some_features(split, range(len(self.source(split))), ("recording", "block"))
    for position, record in enumerate(records):
      found.setdefault(text(record["recording"]), []).append((int(record["block"]), position))
    return {name: [position for _, position in sorted(blocks)] for name, blocks in sorted(found.items())}

  def timeline(self, split: str, positions: Sequence[int]) -> Timeline:
    """Returns the performer's reference timeline of the recording whose blocks lie at these positions."""
    return to_timeline(self._some_features(split, positions, ("block", "duration_s", "events")))

  def conditions(self, split: str) -> dict[str, dict[str, str | float | bool]]:
    """Returns the conditions of each recording of a split, by name; empty if none are known."""
    records = self._some_features(split, range(len(self.source(split))), ("recording", "conditions"))
    return {text(record["recording"]): conditions(record) for record in records}

  def _some_features(self, split: str, positions: Iterable[int], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Returns records with these features only: decoding audio and images would take most of the time."""
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict({name: self._builder.info.features[name] for name in names})
    stored = self.source(split).data_source  # type: ignore[attr-defined]
    return (features.deserialize_example_np(stored[position]) for position in positions)


def training_batches(
  data: PreparedData, split: str, batch_size: int, seed: int, shard: tuple[int, int] = (0, 1)
) -> grain.DatasetIterator:
  """Returns endless batches in a new global order each epoch; the iterator's state can be saved and restored.

  Args:
    data: the prepared data set.
    split: usually "train".
    batch_size: number of blocks per batch, over all processes.
    seed: seed of the order, the same in every process.
    shard: index of this process and number of processes. Each process gets an equal part, in order, of every batch that
      a single process would get. A state counts batches and therefore fits every shard.

  Returns:
    An iterator of batches: waveform int16 [B,S], images uint8 [B,N,H,W], image_mask bool [B,N], label and audio_label
    int32 [B], block_mask bool [B].

  Raises:
    ValueError: the split holds fewer blocks than a batch, or a batch cannot be divided evenly among the processes.
  """
  index, num_shards = shard
  if batch_size % num_shards:
    raise ValueError(
      f"{num_shards} processes cannot share a batch of {batch_size} blocks evenly; make config.batch_size a multiple "
      f"of {num_shards}"
    )
  source = data.source(split)
  if len(source) < batch_size:
    raise ValueError(
      f"{data.path}: split {split!r} holds {len(source)} blocks, fewer than a batch of {batch_size}; lower "
      "config.batch_size or prepare more video"
    )
  spec = data.spec
  # Sliced after the shuffle: otherwise each process would see the blocks of its own slice only, in every epoch.
  dataset = grain.MapDataset.source(source).seed(seed).shuffle().repeat(_EPOCHS)
  parts = dataset.map(lambda record: to_example(record, spec)).batch(batch_size // num_shards)[index::num_shards]
  options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
  return iter(parts.to_iter_dataset(options))


def batches_in_order(examples: Iterator[HostBatch] | Sequence[HostBatch], batch_size: int) -> Iterator[HostBatch]:
  """Yields batches of a fixed size from all examples in order; the last is padded, with block_mask false."""
  pending: list[HostBatch] = []
  for example in examples:
    pending.append(example)
    if len(pending) == batch_size:
      yield _stack(pending)
      pending = []
  if pending:
    padding = {key: np.zeros_like(value) for key, value in pending[0].items()}
    yield _stack(pending + [padding] * (batch_size - len(pending)))


def _stack(examples: Sequence[HostBatch]) -> HostBatch:
  return {key: np.stack([example[key] for example in examples]) for key in examples[0]}


def _find_version_dir(path: Path) -> Path:
  """Returns the folder with dataset_info.json: the path itself, or the only such folder below it."""
  if (path / "dataset_info.json").is_file():
    return path
  found = sorted(info.parent for info in path.glob("**/dataset_info.json") if "incomplete." not in str(info))
  if len(found) == 1:
    return found[0]
  if not found:
    raise ValueError(f"{path}: no prepared data set; make one with: attavvad prepare --input=VIDEOS --output={path}")
  raise ValueError(f"{path}: {len(found)} data sets; name one of them: {', '.join(str(p) for p in found)}")
