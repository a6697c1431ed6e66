"""From a prepared data set to batches: grain pipelines with a global shuffle, deterministic by seed.

Batches keep small integers (int16 sound, uint8 images); they are converted on the device.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np

from attavvad_jax.blocks import DataSpec, HostBatch
from attavvad_jax.datasets.records import DIGESTS, Digest, conditions, text, to_example, to_timeline
from attavvad_jax.timeline import EVENTS, Timeline

# As good as endless. In batches of one block, an endless data set of grain is longer than Python can count.
_EPOCHS = 2**31


class PreparedData:
  """A data set on disk: its spec and its splits.

  Raises:
    ValueError: nothing prepared at the path, another label map, or a split that does not exist.
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
    """The records of a split, at random access."""
    if split not in self.splits:
      raise ValueError(f"{self.path}: no split {split!r}; it has {', '.join(self.splits)}")
    return self._builder.as_data_source(split)

  def digest(self, split: str) -> str:
    """What a split is known by, wherever it lies: the `records.Digest` of its records.

    It was noted when the data set was prepared. One of before that was done is read through, once for this object.
    """
    if split not in self._digests:
      found = Digest()
      for _ in found.passing(self.source(split).data_source):  # type: ignore[attr-defined]
        pass
      self._digests[split] = str(found)
    return self._digests[split]

  def recordings(self, split: str) -> dict[str, list[int]]:
    """The positions of each recording's blocks in `source(split)`, in order of time."""
    found: dict[str, list[tuple[int, int]]] = {}
    records = self._some_features(split, range(len(self.source(split))), ("recording", "block"))
    for position, record in enumerate(records):
      found.setdefault(text(record["recording"]), []).append((int(record["block"]), position))
    return {name: [position for _, position in sorted(blocks)] for name, blocks in sorted(found.items())}

  def timeline(self, split: str, positions: Sequence[int]) -> Timeline:
    """The performer's reference timeline of the recording whose blocks lie at these positions."""
    return to_timeline(self._some_features(split, positions, ("block", "duration_s", "events")))

  def conditions(self, split: str) -> dict[str, dict[str, str | float | bool]]:
    """What each recording of a split was made under, by name; empty where nothing is known."""
    records = self._some_features(split, range(len(self.source(split))), ("recording", "conditions"))
    return {text(record["recording"]): conditions(record) for record in records}

  def _some_features(self, split: str, positions: Iterable[int], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Records without sound and images, whose decoding would be most of the work."""
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict({name: self._builder.info.features[name] for name in names})
    stored = self.source(split).data_source  # type: ignore[attr-defined]
    return (features.deserialize_example_np(stored[position]) for position in positions)


def training_batches(
  data: PreparedData, split: str, batch_size: int, seed: int, shard: tuple[int, int] = (0, 1)
) -> grain.DatasetIterator:
  """Endless batches in a new global order each epoch; the iterator's state can be saved and set.

  Args:
    data: the prepared data set.
    split: usually "train".
    batch_size: blocks of a batch, those of all processes together.
    seed: of the order, the same in every process.
    shard: index and number of processes. Each gets an equal part of every batch that one process alone would get, in
      order. A state says how many batches there were, and fits every shard.

  Returns:
    An iterator of batches: waveform int16 [B,S], images uint8 [B,N,H,W], image_mask bool [B,N], label and audio_label
    int32 [B], block_mask bool [B].

  Raises:
    ValueError: the split holds fewer blocks than a batch, or a batch has no equal parts.
  """
  index, num_shards = shard
  if batch_size % num_shards:
    raise ValueError(
      f"a batch of {batch_size} blocks cannot be shared by {num_shards} processes; make config.batch_size a multiple"
    )
  source = data.source(split)
  if len(source) < batch_size:
    raise ValueError(
      f"{data.path}: split {split!r} holds {len(source)} blocks, less than a batch of {batch_size}; lower "
      "config.batch_size or prepare more video"
    )
  spec = data.spec
  # Sliced after the shuffle: processes that shuffled a slice each would see its blocks alone, epoch after epoch.
  dataset = grain.MapDataset.source(source).seed(seed).shuffle().repeat(_EPOCHS)
  parts = dataset.map(lambda record: to_example(record, spec)).batch(batch_size // num_shards)[index::num_shards]
  options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
  return iter(parts.to_iter_dataset(options))


def batches_in_order(examples: Iterator[HostBatch] | Sequence[HostBatch], batch_size: int) -> Iterator[HostBatch]:
  """Batches of a fixed size from examples in order; the last is padded with block_mask false, nothing is dropped."""
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
  """The folder with dataset_info.json: the path itself, or the only one below it."""
  if (path / "dataset_info.json").is_file():
    return path
  found = sorted(info.parent for info in path.glob("**/dataset_info.json") if "incomplete." not in str(info))
  if len(found) == 1:
    return found[0]
  if not found:
    raise ValueError(f"{path}: no prepared data set; make one with: attavvad prepare --input=VIDEOS --output={path}")
  raise ValueError(f"{path}: {len(found)} data sets; name one of them: {', '.join(str(p) for p in found)}")
