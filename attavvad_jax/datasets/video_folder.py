"""A TFDS builder for a folder of videos and label files, one's own or simulated."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
import warnings

from absl import logging
import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from attavvad_jax.annotations import AnnotationWarning
from attavvad_jax.annotations import read as read_annotation
from attavvad_jax.datasets.manifest import SPLITS, Item
from attavvad_jax.datasets.records import DataSpec, to_records
from attavvad_jax.events import EVENTS
from attavvad_jax.media import FaceDetector, Report, probe, read_blocks


class VideoFolder(tfds.core.GeneratorBasedBuilder):
  """One record a block, of every video that a folder offers; written as array_record, read without TensorFlow.

  Videos or label files that cannot be used are left out and listed in `rejected` with the reason.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First version."}

  def __init__(self, items: Sequence[Item], spec: DataSpec, name: str, **kwargs: Any):
    """Takes the items of `manifest.read_folder`, the spec of the records and a name for the data set."""
    self._items = items
    self._spec = spec
    self.rejected: list[str] = []
    self.warnings: list[str] = []
    self.seconds: dict[str, dict[str, float]] = {}
    config = tfds.core.BuilderConfig(name=name, version=self.VERSION, description="Blocks of a folder of videos.")
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # it warns of every configuration that is not built in
    super().__init__(config=config, file_format="array_record", **kwargs)
    logging.set_verbosity(verbosity)

  def _info(self) -> tfds.core.DatasetInfo:
    clock = self._spec.clock
    features = tfds.features.FeaturesDict(
      {
        "recording": tfds.features.Text(),
        "block": tfds.features.Scalar(np.int32),
        "duration_s": tfds.features.Scalar(np.float64),
        "waveform": tfds.features.Tensor(shape=(clock.block_samples,), dtype=np.int16, encoding="bytes"),
        "images": tfds.features.Tensor(shape=(clock.images_per_block,), dtype=np.object_),
        "image_mask": tfds.features.Tensor(shape=(clock.images_per_block,), dtype=np.bool_),
        "label": tfds.features.ClassLabel(names=list(EVENTS)),
        "events": tfds.features.Tensor(shape=(None, 3), dtype=np.float64),
      }
    )
    return tfds.core.DatasetInfo(
      builder=self,
      description="Blocks of musical videos with the events of the performer on camera.",
      features=features,
      metadata=tfds.core.MetadataDict(self._spec.to_dict()),
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    del dl_manager
    splits = [split for split in SPLITS if any(item.split == split for item in self._items)]
    return {split: self._generate_examples(split) for split in splits}

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    items = [item for item in self._items if item.split == split]
    usable = 0
    with FaceDetector() as detect:
      for item in tqdm(items, desc=f"preparing {split}", unit="video"):
        try:
          yield from self._records(item, detect)
          usable += 1
        except (ValueError, OSError) as error:
          self.rejected.append(str(error))
    if not usable:
      raise ValueError(f"none of the {len(items)} videos of split {split!r} can be used; the last: {self.rejected[-1]}")

  def _records(self, item: Item, detect: FaceDetector) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and records of one video, one by one, so that memory stays flat however long it is."""
    report = Report()
    with warnings.catch_warnings(record=True) as caught:
      warnings.simplefilter("always", AnnotationWarning)
      timeline = read_annotation(item.labels, probe(item.video).duration_s)
    blocks = read_blocks(item.video, self._spec.clock, self._spec.crop, report=report, detect=detect)
    for record in to_records(blocks, timeline, item.video.stem, self._spec.clock):
      yield f"{item.video.stem}/{record['block']:06d}", record
    self.warnings += [str(warning.message) for warning in caught]
    self.warnings += [f"{item.video}: {warning}" for warning in report.warnings]
    totals = self.seconds.setdefault(item.split, dict.fromkeys(EVENTS, 0.0))
    for label in EVENTS:
      totals[label] += timeline.total_s(label)
