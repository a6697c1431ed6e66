"""A small prepared data set made without video files: the builder is real, decoding is replaced by drawn blocks."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from attavvad_jax.clock import Clock
from attavvad_jax.datasets import video_folder
from attavvad_jax.datasets.manifest import MANIFEST, Item, write_manifest
from attavvad_jax.datasets.prepare import prepare_folder
from attavvad_jax.datasets.records import DataSpec
from attavvad_jax.events import EVENTS
from attavvad_jax.media import Block, Crop

SPEC = DataSpec(Clock(), Crop(height_px=32, width_px=32))
DURATION_S = 8.0
NUM_BLOCKS = 24


def drawn_blocks(name: str):
  """Blocks whose sound and images tell their label: level of the noise by event, an open mouth where it vocalises."""
  rng = np.random.default_rng(list(name.encode()))
  clock, crop = SPEC.clock, SPEC.crop
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


def prepare(folder: Path, output: Path, counts: dict[str, int]) -> Path:
  """Prepares `counts` recordings a split; returns the data set's folder."""
  folder.mkdir(exist_ok=True)
  items = []
  for split, count in counts.items():
    for number in range(count):
      stem = f"{split}{number}"
      (folder / f"{stem}.tsv").write_text(
        "onset\toffset\tevent_label\n" + "".join(f"{2 * i}\t{2 * i + 2}\t{event}\n" for i, event in enumerate(EVENTS))
      )
      items.append(Item(folder / f"{stem}.mp4", folder / f"{stem}.tsv", stem, split))
  write_manifest(folder / MANIFEST, items)

  class Probe:
    duration_s = DURATION_S

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(video_folder, "probe", lambda path: Probe)
    patch.setattr(video_folder, "read_blocks", lambda path, clock, crop, report, detect: drawn_blocks(path.stem))
    patch.setattr(video_folder, "FaceDetector", contextlib.nullcontext)
    return prepare_folder(folder, output, SPEC).path
