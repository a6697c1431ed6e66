"""A small prepared data set made without video files: the builder is the real one, and its recordings are drawn."""

from collections.abc import Iterator, Mapping
import dataclasses
from pathlib import Path
import time

import numpy as np

from attavvad_jax.blocks import AUDIO, AUDIO_VISUAL, LIP_SHAPE, NUM_LIP_MEASURES, Block, Crop, DataSpec
from attavvad_jax.datasets.builder import RecordingsBuilder
from attavvad_jax.datasets.finished import Content
from attavvad_jax.datasets.prepare import prepare as prepare_data
from attavvad_jax.timeline import EVENTS, Clock, Event, Timeline

SPEC = DataSpec(Clock(), Crop(height_px=32, width_px=32))
LIPS = DataSpec(Clock(), Crop(1, NUM_LIP_MEASURES, part=LIP_SHAPE))
BOTH_SETS = dataclasses.replace(SPEC, label_sets=(AUDIO_VISUAL, AUDIO))
DURATION_S = 8.0
NUM_BLOCKS = 24
# Two seconds of each event.
TIMELINE = Timeline([Event(2.0 * i, 2.0 * i + 2, event) for i, event in enumerate(EVENTS)], DURATION_S)
# Somebody off camera sings at the end.
AUDIO_TIMELINE = Timeline([*TIMELINE.events[:3], Event(6.1, 8.0, "singing")], DURATION_S)


def drawn_blocks(name: str, spec: DataSpec = SPEC) -> Iterator[Block]:
  """Yields blocks whose audio and images identify the label, by the level of noise and by an open mouth."""
  rng = np.random.default_rng(list(name.encode()))
  clock, crop = spec.clock, spec.crop
  for index in range(NUM_BLOCKS):
    event = EVENTS[index // 6]
    level = {"silence": 0.001, "speech": 0.1, "singing": 0.4, "others": 0.2}[event]
    images = rng.integers(90, 110, (clock.images_per_block, crop.height_px, crop.width_px))
    if event in ("speech", "singing"):
      images[:, 20:28, 10:22] = 0
    yield Block(
      index=index,
      waveform=np.int16(np.clip(rng.normal(0, level, clock.block_samples), -1, 1) * 32767),
      images=images.astype(np.uint8),
      image_mask=np.ones(clock.images_per_block, bool),
      boxes=np.zeros((clock.images_per_block, 4), np.float32),
    )


@dataclasses.dataclass(frozen=True)
class DrawnRecording:
  """A recording of drawn blocks.

  Attributes:
    name, split: name and split of the recording.
    breaks: whether reading fails half-way.
    log: file to which each opening appends a line.
    pause_s: time that each block takes.
  """

  name: str
  split: str
  breaks: bool = False
  log: Path | None = None
  pause_s: float = 0.0

  @property
  def source(self) -> str:
    return f"{self.name}.mp4"

  def state(self) -> str:
    return "drawn"

  def open(self, spec: DataSpec) -> Content:
    if self.log is not None:
      with self.log.open("a") as file:
        file.write(f"{self.name}\n")
    audio_timeline = AUDIO_TIMELINE if AUDIO in spec.label_sets else None
    return Content(
      self._blocks(spec), TIMELINE, audio_timeline, {"snr_db": 3.5, "clip": self.name}, [f"{self.name}: drawn"]
    )

  def _blocks(self, spec: DataSpec) -> Iterator[Block]:
    for block in drawn_blocks(self.name, spec):
      if self.breaks and block.index == NUM_BLOCKS // 2:
        raise ValueError(f"{self.source}: broken")
      time.sleep(self.pause_s)
      yield block


class Drawn(RecordingsBuilder):
  """A data set of drawn recordings."""

  def __init__(self, recordings, spec=SPEC, **kwargs):
    self._drawn = recordings
    super().__init__(spec, **kwargs)

  def _recordings(self, dl_manager, scratch):
    return self._drawn, ()


def recordings(counts: Mapping[str, int], **kwargs) -> list[DrawnRecording]:
  return [DrawnRecording(f"{split}{i}", split, **kwargs) for split, count in counts.items() for i in range(count)]


def prepare(output: Path, counts: Mapping[str, int], spec: DataSpec = SPEC) -> Path:
  """Prepares `counts` recordings per split and returns the data set's folder."""
  return prepare_data(Drawn(recordings(counts), spec, data_dir=str(output))).path
