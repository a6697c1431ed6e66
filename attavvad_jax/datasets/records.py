"""A record is one block: what is written to disk, and the way back.

Records are independent of each other, so that a data set can be shuffled globally and read at random; evaluation puts
recordings together again by id and index. Axes: S samples, N images, H, W pixels, K events that touch the block.
"""

from collections.abc import Iterable, Mapping
import dataclasses
from typing import Any

import numpy as np

from attavvad_jax.clock import Clock
from attavvad_jax.events import BACKGROUND, EVENTS, Event, Timeline, block_labels
from attavvad_jax.media.blocks import Block, Crop

# JPEG at this quality keeps lips sharp in about 5 kB an image of 112 x 112.
_JPEG_QUALITY = 95


@dataclasses.dataclass(frozen=True)
class DataSpec:
  """What every record of a data set has in common; travels with the data and is checked when it is read."""

  clock: Clock
  crop: Crop
  events: tuple[str, ...] = EVENTS

  def to_dict(self) -> dict[str, Any]:
    return {"clock": self.clock.to_dict(), "crop": dataclasses.asdict(self.crop), "events": list(self.events)}

  @classmethod
  def from_dict(cls, values: Mapping[str, Any]) -> "DataSpec":
    return cls(Clock(**values["clock"]), Crop(**values["crop"]), tuple(values["events"]))


def to_records(blocks: Iterable[Block], timeline: Timeline, recording: str, clock: Clock) -> Iterable[dict[str, Any]]:
  """One recording's blocks and events as records.

  Args:
    blocks: the recording's blocks, in order.
    timeline: its events; what lies outside every event counts as others.
    recording: name of the recording, unique in the data set.
    clock: the clock that cut the blocks.

  Yields:
    A dict a block: recording, block (index), duration_s (of the recording), waveform int16 [S], images N JPEGs (empty
    bytes where masked), image_mask bool [N], label (of `EVENTS`), and events float64 [K,3]: onset_s, offset_s and label
    index of each event inside the block.
  """
  labels = block_labels(timeline, clock)
  for block in blocks:
    start_s, end_s = clock.start_s(block.index), clock.start_s(block.index + 1)
    yield {
      "recording": recording,
      "block": block.index,
      "duration_s": timeline.duration_s,
      "waveform": block.waveform,
      "images": np.array([_to_jpeg(image) if seen else b"" for image, seen in _pairs(block)], object),
      "image_mask": block.image_mask,
      # A file may turn out longer than it says.
      "label": EVENTS[labels[block.index]] if block.index < len(labels) else BACKGROUND,
      "events": np.array(
        [
          (max(event.onset_s, start_s), min(event.offset_s, end_s), EVENTS.index(event.label))
          for event in timeline
          if event.onset_s < end_s and event.offset_s > start_s
        ],
        np.float64,
      ).reshape(-1, 3),
    }


def to_example(record: Mapping[str, Any], spec: DataSpec) -> dict[str, np.ndarray]:
  """A stored record as arrays for a batch.

  Returns:
    waveform int16 [S], images uint8 [N,H,W], image_mask bool [N], label int32 [], block_mask bool [], true.

  Raises:
    ValueError: an image does not have the size that the data set states.
  """
  height, width = spec.crop.height_px, spec.crop.width_px
  images = np.zeros((spec.clock.images_per_block, height, width), np.uint8)
  for i, data in enumerate(record["images"]):
    if record["image_mask"][i]:
      images[i] = _from_jpeg(data, (height, width), record)
  return {
    "waveform": np.asarray(record["waveform"]),
    "images": images,
    "image_mask": np.asarray(record["image_mask"]),
    "label": np.asarray(record["label"], np.int32),
    "block_mask": np.asarray(True),
  }


def to_timeline(records: Iterable[Mapping[str, Any]]) -> Timeline:
  """The timeline of one recording, put together from all its records in any order."""
  records = sorted(records, key=lambda record: record["block"])
  events: list[Event] = []
  open_events: dict[str, int] = {}
  for record in records:
    for onset_s, offset_s, label_index in record["events"]:
      label = EVENTS[int(label_index)]
      at = open_events.get(label)
      # An event that crosses a block boundary was cut there: same label, same instant.
      if at is not None and abs(events[at].offset_s - onset_s) < 1e-9:
        events[at] = dataclasses.replace(events[at], offset_s=float(offset_s))
      else:
        open_events[label] = len(events)
        events.append(Event(float(onset_s), float(offset_s), label))
  return Timeline(events, float(records[0]["duration_s"]))


def text(value: str | bytes) -> str:
  """TFDS gives text back as bytes."""
  return value.decode() if isinstance(value, bytes) else value


def _pairs(block: Block) -> Iterable[tuple[np.ndarray, bool]]:
  return zip(block.images, block.image_mask, strict=True)


def _to_jpeg(image: np.ndarray) -> bytes:
  import cv2

  written, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
  assert written
  return data.tobytes()


def _from_jpeg(data: bytes, size: tuple[int, int], record: Mapping[str, Any]) -> np.ndarray:
  import cv2

  image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
  if image is None or image.shape != size:
    got = "nothing readable" if image is None else f"{image.shape[0]}x{image.shape[1]}"
    raise ValueError(
      f"recording {text(record['recording'])!r}, block {record['block']}: image is {got}, the data set states "
      f"{size[0]}x{size[1]}; prepare the data set again"
    )
  return image
