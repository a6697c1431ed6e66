"""Converts blocks to records on disk and back; a record holds one block.

Records are independent of each other, so that a data set can be shuffled globally and read at random; evaluation
reassembles recordings by name and block index. Axes: S samples, M images, H, W pixels, K events that touch the block.
"""

from collections.abc import Iterable, Iterator, Mapping
import hashlib
import json
import math
from typing import Any

import numpy as np

from attavvad_jax.blocks import Block, DataSpec
from attavvad_jax.timeline import BACKGROUND, EVENTS, Clock, Event, Timeline, block_labels

# Keys of a data set's metadata: the `Digest` of each split, and a digest of what the data set was made of.
DIGESTS, MADE_OF = "digests", "made_of"
# Lips stay sharp at this quality, with about 5 kB per image of 112 x 112.
_JPEG_QUALITY = 95


def to_records(
  blocks: Iterable[Block],
  timeline: Timeline,
  recording: str,
  clock: Clock,
  *,
  audio_timeline: Timeline | None = None,
  conditions: Mapping[str, Any] | None = None,
) -> Iterable[dict[str, Any]]:
  """Yields one recording's blocks and events as records.

  Args:
    blocks: the recording's blocks, in order.
    timeline: the performer's events; time outside every event counts as others.
    recording: name of the recording, unique in the data set.
    clock: the clock that cut the blocks.
    audio_timeline: the events of any voice; None for the performer's.
    conditions: description of the recording, in a form that `check_conditions` accepts.

  Yields:
    One dict per block: recording, block (index), duration_s (of the recording), waveform int16 [S], images M JPEGs
    (rows of measures as they are; empty bytes where masked), image_mask bool [M], label (of `EVENTS`), events float64
    [K,3] (onset_s, offset_s and label index of each event that touches the block), audio_label and audio_events of the
    same form, and conditions, a JSON object as text.
  """
  sets = {"": timeline, "audio_": timeline if audio_timeline is None else audio_timeline}
  labels = {prefix: block_labels(events, clock) for prefix, events in sets.items()}
  described = json.dumps(check_conditions(conditions or {}, recording), ensure_ascii=False, sort_keys=True)
  for block in blocks:
    record = {
      "recording": recording,
      "block": block.index,
      "duration_s": timeline.duration_s,
      "waveform": block.waveform,
      "images": np.array([_encode(image) if seen else b"" for image, seen in _pairs(block)], object),
      "image_mask": block.image_mask,
      "conditions": described,
    }
    for prefix, events in sets.items():
      # A file may be longer than its stated duration.
      known = block.index < len(labels[prefix])
      record[f"{prefix}label"] = EVENTS[labels[prefix][block.index]] if known else BACKGROUND
      record[f"{prefix}events"] = _events_touching(events, clock.start_s(block.index), clock.start_s(block.index + 1))
    yield record


def features(spec: DataSpec) -> Any:
  """Returns the TFDS features of a record."""
  import tensorflow_datasets as tfds

  clock, label_map = spec.clock, list(spec.events)
  # Encoded as bytes, because TFDS stores other floating-point numbers in single precision.
  events = tfds.features.Tensor(shape=(None, 3), dtype=np.float64, encoding="bytes")
  return tfds.features.FeaturesDict(
    {
      "recording": tfds.features.Text(),
      "block": tfds.features.Scalar(np.int32),
      "duration_s": tfds.features.Tensor(shape=(), dtype=np.float64, encoding="bytes"),
      "waveform": tfds.features.Tensor(shape=(clock.block_samples,), dtype=np.int16, encoding="bytes"),
      "images": tfds.features.Tensor(shape=(clock.num_images,), dtype=np.object_),
      "image_mask": tfds.features.Tensor(shape=(clock.num_images,), dtype=np.bool_),
      "label": tfds.features.ClassLabel(names=label_map),
      "events": events,
      "audio_label": tfds.features.ClassLabel(names=label_map),
      "audio_events": events,
      "conditions": tfds.features.Text(),
    }
  )


def serialize(record: Mapping[str, Any], features: Any) -> bytes:
  """Returns a record as the bytes that TFDS reads; equal records give equal bytes."""
  from tensorflow_datasets.proto import tf_example_pb2

  # TFDS writes the fields in an order that varies between processes.
  example = tf_example_pb2.Example.FromString(features.serialize_example(record))
  return example.SerializeToString(deterministic=True)


class Digest:
  """The SHA-256 of a split's serialized records, in order; it identifies the split."""

  def __init__(self):
    self._sha256 = hashlib.sha256()

  def passing(self, records: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the records, each after adding it to the digest."""
    for record in records:
      # The length makes the digest depend on the boundaries of the records.
      self._sha256.update(len(record).to_bytes(8, "big") + record)
      yield record

  def __str__(self) -> str:
    return self._sha256.hexdigest()


def to_example(record: Mapping[str, Any], spec: DataSpec) -> dict[str, np.ndarray]:
  """Converts a stored record to the arrays of an example.

  Returns:
    waveform int16 [S], images uint8 [M,H,W], image_mask bool [M], label and audio_label int32 [], and block_mask bool
    [], which is true.

  Raises:
    ValueError: an image does not have the size that the data set states.
  """
  height, width = spec.crop.height_px, spec.crop.width_px
  images = np.zeros((spec.clock.num_images, height, width), np.uint8)
  for i, data in enumerate(record["images"]):
    if record["image_mask"][i]:
      images[i] = _decode(data, (height, width), record)
  return {
    "waveform": np.asarray(record["waveform"]),
    "images": images,
    "image_mask": np.asarray(record["image_mask"]),
    "label": np.asarray(record["label"], np.int32),
    "audio_label": np.asarray(record["audio_label"], np.int32),
    "block_mask": np.asarray(True),
  }


def to_timeline(records: Iterable[Mapping[str, Any]]) -> Timeline:
  """Returns the performer's timeline of one recording from all its records, in any order."""
  return _join(records, "events")


def to_audio_timeline(records: Iterable[Mapping[str, Any]]) -> Timeline:
  """Returns the timeline of any voice, as `to_timeline` does the performer's."""
  return _join(records, "audio_events")


def conditions(record: Mapping[str, Any]) -> dict[str, str | float | bool]:
  """Returns the conditions of the recording that a record belongs to; empty if none are known."""
  return json.loads(text(record["conditions"]))


def check_conditions(values: Any, where: str) -> dict[str, str | float | bool]:
  """Validates the description of a recording: a flat mapping of names to text, finite numbers or truth values.

  Raises:
    ValueError: it is anything else; the message begins with `where`.
  """
  if not isinstance(values, Mapping):
    raise ValueError(f"{where}: conditions are {values!r}; expected names with a text, a number, true or false each")
  for name, value in values.items():
    if not isinstance(name, str) or not (isinstance(value, (str, bool)) or _is_finite_number(value)):
      raise ValueError(f"{where}: condition {name!r} is {value!r}; expected a text, a finite number, true or false")
  return dict(values)


def text(value: str | bytes) -> str:
  """Returns text as str; TFDS reads it as bytes."""
  return value.decode() if isinstance(value, bytes) else value


def _is_finite_number(value: Any) -> bool:
  return isinstance(value, (int, float)) and math.isfinite(value)


def _events_touching(timeline: Timeline, start_s: float, end_s: float) -> np.ndarray:
  """Returns onset, offset and label index of the events that touch an interval. [K,3]."""
  rows = [
    (event.onset_s, event.offset_s, EVENTS.index(event.label))
    for event in timeline
    if event.onset_s < end_s and event.offset_s > start_s
  ]
  return np.array(rows, np.float64).reshape(-1, 3)


def _join(records: Iterable[Mapping[str, Any]], key: str) -> Timeline:
  """Returns the events of all records, each once: every block that an event touches holds the whole event."""
  records = list(records)
  rows = {tuple(row) for record in records for row in np.asarray(record[key]).tolist()}
  events = [Event(onset_s, offset_s, EVENTS[int(label)]) for onset_s, offset_s, label in rows]
  return Timeline(events, float(records[0]["duration_s"]))


def _pairs(block: Block) -> Iterable[tuple[np.ndarray, bool]]:
  return zip(block.images, block.image_mask, strict=True)


def _encode(image: np.ndarray) -> bytes:
  import cv2

  if len(image) == 1:
    return image.tobytes()
  written, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
  assert written
  return data.tobytes()


def _decode(data: bytes, size: tuple[int, int], record: Mapping[str, Any]) -> np.ndarray:
  # Decodes to the same pixels as OpenCV, which training machines need not have.
  import simplejpeg

  if size[0] == 1 and len(data) == size[1]:
    return np.frombuffer(data, np.uint8)[None]
  try:
    image = simplejpeg.decode_jpeg(data, "GRAY")[..., 0]
    got = f"{image.shape[0]}x{image.shape[1]}"
  except ValueError:
    image, got = np.zeros((0, 0), np.uint8), "nothing readable"
  if image.shape != size:
    raise ValueError(
      f"recording {text(record['recording'])!r}, block {record['block']}: image is {got}, the data set states "
      f"{size[0]}x{size[1]}; prepare the data set again"
    )
  return image
