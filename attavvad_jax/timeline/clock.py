"""The block clock, the only place that converts between seconds, samples, audio frames, images and blocks.

A *block* is the unit of decision (Section 3.1 and the released parameters). At the paper's rate of 3 Hz, it holds 15
audio frames (352 ms of audio) and 3 images. Block `i` decides on the interval [i / rate, (i + 1) / rate). Every block
is cut by time, never by counting frames, so that nothing drifts.

Axes: S samples of a block and before it, T audio frames of a block, N images of a block, M images before it plus its
own N.
"""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Clock:
  """Converts seconds, samples, audio frames, images and blocks.

  Examples:
    >>> clock = Clock()
    >>> clock.frames_per_block, clock.block_samples, clock.block_at(1.5), clock.num_blocks(10.0)
    (15, 5632, 4, 30)

  Attributes:
    sample_rate_hz: sample rate of the waveform.
    block_rate_hz: blocks, and thus decisions, per second.
    images_per_block: number of images in a block (N).
    window_ms: length of the analysis window of an audio frame; frames overlap by half of it.
    images_before: number of images before a block that the network gets in addition to the block's own; the paper has
      none.
    frames_before: number of audio frames before a block that the network gets in addition to the block's own; the paper
      has none.

  Raises:
    ValueError: a rate or count is not positive (images_before and frames_before may be 0), or a block is shorter than
      one audio frame.

  Differences: the released code counts 15 frames per block along a running frame index, which drifts by 0.3 s over 30 s
  because 1000 / 22 frames per second are not exactly 45; here the start sample is round(i * sample_rate / block_rate).
  """

  sample_rate_hz: int = 16_000
  block_rate_hz: float = 3.0
  images_per_block: int = 3
  window_ms: float = 44.0
  images_before: int = 0
  frames_before: int = 0

  def __post_init__(self) -> None:
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      may_be_0 = field.name in ("images_before", "frames_before")
      if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0 or (value == 0 and not may_be_0):
        raise ValueError(f"clock: {field.name} is {value!r}; expected a positive number{' or 0' * may_be_0}")
    for name in ("sample_rate_hz", "images_per_block", "images_before", "frames_before"):
      if int(getattr(self, name)) != getattr(self, name):
        raise ValueError(f"clock: {name} is {getattr(self, name)!r}; expected a whole number")
    if self.hop_samples < 1:
      raise ValueError(f"clock: window_ms is {self.window_ms}, under 2 samples at {self.sample_rate_hz} Hz; raise it")
    if self.frames_per_block < 1:
      raise ValueError(
        f"clock: a block of {self.block_s:.4f} s is shorter than a quarter of a window of {self.window_ms} ms; "
        "lower block_rate_hz or window_ms"
      )

  @property
  def block_s(self) -> float:
    """Seconds from one block to the next."""
    return 1.0 / self.block_rate_hz

  @property
  def num_images(self) -> int:
    """Number of images of a block (M): those before it and its own."""
    return self.images_before + self.images_per_block

  @property
  def window_samples(self) -> int:
    """Number of samples of an audio frame's window."""
    return round(self.sample_rate_hz * self.window_ms / 1000.0)

  @property
  def hop_samples(self) -> int:
    """Number of samples from one audio frame to the next (50 % overlap)."""
    return self.window_samples // 2

  @property
  def frames_per_block(self) -> int:
    """Number of audio frames of a block (T); 15 at the paper's rates."""
    return round(self.sample_rate_hz / (self.block_rate_hz * self.hop_samples))

  @property
  def samples_before(self) -> int:
    """Number of samples before a block that its waveform begins with."""
    return self.frames_before * self.hop_samples

  @property
  def block_samples(self) -> int:
    """Number of samples of a block's waveform (S): those before it, and enough for its T frames."""
    return self.samples_before + (self.frames_per_block - 1) * self.hop_samples + self.window_samples

  def start_s(self, block: int) -> float:
    """Returns the time at which a block starts, in seconds."""
    return block / self.block_rate_hz

  def start_sample(self, block: int) -> int:
    """Returns the first sample of a block itself; within half a sample of `start_s`, however long the recording is."""
    return round(block * self.sample_rate_hz / self.block_rate_hz)

  def image_times_s(self, block: int) -> np.ndarray:
    """Returns the times of a block's images in seconds: the middles of N equal parts. [N] float64."""
    parts = np.arange(self.images_per_block) + 0.5
    return (block + parts / self.images_per_block) / self.block_rate_hz

  def block_at(self, time_s: float) -> int:
    """Returns the block whose interval contains a time; times before the start belong to block 0."""
    # A boundary computed by `start_s` must map back to its own block in spite of rounding.
    return max(0, math.floor(time_s * self.block_rate_hz + 1e-9))

  def num_blocks(self, duration_s: float) -> int:
    """Returns the number of blocks that cover a duration; the last may be partly empty.

    A remainder of less than half a sample adds no block.

    Raises:
      ValueError: the duration is negative.
    """
    if duration_s < 0:
      raise ValueError(f"clock: duration is {duration_s} s; expected 0 or more")
    slack_s = 0.5 / self.sample_rate_hz
    return max(0, math.ceil((duration_s - slack_s) * self.block_rate_hz))

  def to_dict(self) -> dict[str, float]:
    """Converts to plain numbers for metadata and checkpoints; `Clock(**d)` restores the clock."""
    return dataclasses.asdict(self)
