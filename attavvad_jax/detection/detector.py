"""A checkpoint as a detector of whole files."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
import dataclasses
import functools
from pathlib import Path
from typing import Any

from flax import linen as nn
import jax
import numpy as np
from tqdm import tqdm

from attavvad_jax import config as config_lib
from attavvad_jax.checkpoints import find_checkpoint, read_meta, restore_variables
from attavvad_jax.datasets.records import DataSpec
from attavvad_jax.detection.predict import BlockScores, Predict, predict, take
from attavvad_jax.events import EVENTS, Smoothing, Timeline, scores_to_timeline
from attavvad_jax.media import Block, Report, probe, read_blocks
from attavvad_jax.media.faces import LOOKAHEAD_S

# Blocks scored at once: enough to keep two cores busy, little enough that a short clip wastes no time on padding.
_BATCH_SIZE = 32
# Batches that may wait for the network while the video is read on; bounds the memory of a long file.
_MAX_WAITING = 8


@dataclasses.dataclass(frozen=True)
class Detection:
  """What was found in one file.

  Attributes:
    timeline: the performer's events, of the audio-visual output.
    scores: probabilities of every block, [B,...] numpy.
    boxes: the performer's face, float32 [B,N,4]: x, y, width, height as fractions of the frame, NaN where not seen.
    report: what was missing or damaged.
  """

  timeline: Timeline
  scores: BlockScores
  boxes: np.ndarray
  report: Report

  @property
  def decision(self) -> np.ndarray:
    """The scores that decided, [B,E]: fused where the model fuses, else of the audio branch."""
    return _decision(self.scores)


class Detector:
  """The network of a checkpoint, with the clock, crop and smoothing it was trained with.

  Raises:
    ValueError: no checkpoint at the path, or one whose parameters do not fit its own configuration.
  """

  def __init__(self, checkpoint: str | Path):
    self.path = find_checkpoint(checkpoint)
    self.meta: dict[str, Any] = read_meta(self.path)
    if missing := {"config", "spec"} - set(self.meta):
      raise ValueError(f"{self.path}: its metadata lack {', '.join(sorted(missing))}; expected what training wrote")
    self.spec = DataSpec.from_dict(self.meta["spec"])
    if self.spec.events != EVENTS:
      raise ValueError(f"{self.path}: labels are {self.spec.events}; expected {EVENTS}")
    self.smoothing: Smoothing = config_lib.smoothing(self.meta["config"])

  @functools.cached_property
  def model(self) -> nn.Module:
    """The network."""
    return config_lib.model(self.meta["config"])

  @functools.cached_property
  def variables(self) -> Any:
    """Parameters and statistics of the network, read at first use."""
    abstract = jax.eval_shape(functools.partial(_init, self.model, self.spec.clock), _zeros(self.spec, 1))
    return restore_variables(self.path, abstract)

  @functools.cached_property
  def predict(self) -> Predict:
    """The jitted network: batches of blocks to scores."""
    compiled = jax.jit(functools.partial(predict, model=self.model, clock=self.spec.clock))
    return functools.partial(compiled, self.variables)

  def detect(
    self,
    video: str | Path,
    *,
    box: tuple[float, float, float, float] | None = None,
    face_lookahead_s: float = LOOKAHEAD_S,
  ) -> Detection:
    """Scores and timeline of one file; memory is flat in its length but for the scores.

    Args:
      video: any file with sound that FFmpeg reads.
      box: the performer's face as x, y, width, height in fractions of the frame, where the choice is not to be made by
        the detector.
      face_lookahead_s: how far the choice of the performer looks ahead; streams look less far.

    Raises:
      ValueError: the file cannot be used; says why.
    """
    report = Report()
    declared_s = probe(video).duration_s
    blocks = tqdm(
      read_blocks(video, self.spec.clock, self.spec.crop, box=box, report=report, lookahead_s=face_lookahead_s),
      desc="detecting",
      unit="block",
      total=self.spec.clock.num_blocks(declared_s) if declared_s else None,
      disable=None,  # only where somebody watches
      leave=False,
    )
    boxes: list[np.ndarray] = []
    scores = self._score(self._batches(blocks, boxes))
    timeline = scores_to_timeline(_decision(scores), self.spec.clock, report.duration_s, self.smoothing)
    return Detection(timeline, scores, np.stack(boxes), report)

  def _batches(
    self, blocks: Iterable[Block], boxes: list[np.ndarray]
  ) -> Iterator[tuple[Mapping[str, np.ndarray], int]]:
    """Fixed-size batches with the number of blocks in each; boxes are kept aside."""
    batch, filled = _zeros(self.spec, _BATCH_SIZE), 0
    for block in blocks:
      boxes.append(block.boxes)
      for key in batch:
        batch[key][filled] = getattr(block, key)
      filled += 1
      if filled == _BATCH_SIZE:
        yield batch, filled
        batch, filled = _zeros(self.spec, _BATCH_SIZE), 0
    if filled:
      yield batch, filled

  def _score(self, batches: Iterable[tuple[Mapping[str, np.ndarray], int]]) -> BlockScores:
    """Scores batches in a thread of its own, so that the network is read and compiled while the video is decoded."""
    with ThreadPoolExecutor(1) as worker:
      worker.submit(lambda: self.predict(_zeros(self.spec, _BATCH_SIZE)))
      waiting: list[Future[BlockScores]] = []
      parts: list[BlockScores] = []
      for batch, filled in batches:
        waiting.append(worker.submit(self._score_batch, batch, filled))
        if len(waiting) > _MAX_WAITING:
          parts.append(waiting.pop(0).result())
      parts += [future.result() for future in waiting]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)

  def _score_batch(self, batch: Mapping[str, np.ndarray], filled: int) -> BlockScores:
    return take(self.predict(batch), slice(filled))


def _decision(scores: BlockScores) -> np.ndarray:
  return np.asarray(scores.decision)


def _init(model, clock, batch):
  from attavvad_jax.features.front_end import network_inputs

  return model.init(jax.random.key(0), *network_inputs(batch, clock), train=False)


def _zeros(spec: DataSpec, size: int) -> dict[str, np.ndarray]:
  """An empty batch of blocks."""
  clock, crop = spec.clock, spec.crop
  return {
    "waveform": np.zeros((size, clock.block_samples), np.int16),
    "images": np.zeros((size, clock.images_per_block, crop.height_px, crop.width_px), np.uint8),
    "image_mask": np.zeros((size, clock.images_per_block), bool),
  }
