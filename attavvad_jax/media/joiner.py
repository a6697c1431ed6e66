"""Joins decoded audio frames to resampled mono audio.

Axes: n samples.
"""

from collections.abc import Iterator
from fractions import Fraction
import functools
import itertools

import av
import numpy as np

from attavvad_jax.media.mixing import Mixer, Passage, add_passage
from attavvad_jax.media.shown import frame_time

# A larger deviation of a time stamp is a gap. Stamps in milliseconds jitter by one; the shortest packet lasts 20 ms.
GAP = Fraction(1, 100)
# Longer gaps and missing ends cause a warning.
NOTABLE_S = 0.5
# Windows that are mixed together where nobody waits for the audio.
_WINDOWS = 20


class AudioJoiner:
  """Turns decoded frames, as they come in, into resampled audio that begins at time zero.

  Each run of frames without a gap goes through one resampler, which adds no delay; gaps are filled with silence.

  Args:
    rate_hz: rate to resample to.
    start: time stamp of time zero in seconds.
    warnings: receives a line for each notable gap.
    channels: which channels are used, one of `tracks.CHANNELS`.
    passages: receives the passages in which the channels cancel, and audio comes in pieces of a second; where None, a
      warning is given at the beginning of each passage, and audio comes as soon as possible.
  """

  def __init__(
    self,
    rate_hz: int,
    start: Fraction,
    warnings: list[str],
    channels: str = "mix",
    passages: list[Passage] | None = None,
  ):
    self._rate_hz = rate_hz
    self._start = start
    self._warnings = warnings
    self._channels = channels
    self._passages: list[Passage] = [] if passages is None else passages
    self._is_kept = passages is not None
    self._written = 0  # samples returned so far
    self._expected = Fraction(0)  # time at which the next frame of this run starts
    self._run: _Run | None = None

  def push(self, frame: av.AudioFrame) -> Iterator[np.ndarray]:
    """Takes a frame and yields the audio that is complete with it, int16 [n] each; exhaust it before the next push."""
    time = frame_time(frame) - self._start
    run = self._run
    if run is None or not run.takes(frame) or abs(time - self._expected) > GAP:
      yield from self.finish()
      if run is not None and abs(time - self._expected) > NOTABLE_S:
        what = "is filled with silence" if time > self._expected else "is left out where it overlaps"
        self._warnings.append(f"audio jumps from {float(self._expected):.2f} s to {float(time):.2f} s: the gap {what}")
      first = round(time * self._rate_hz)
      for silence in _silence(first - self._written, self._rate_hz):
        yield self._count(silence)
      if frame.layout.nb_channels == 1 and self._channels != "mix" and run is None:
        self._warnings.append(f"the audio is mono: it is used unchanged, as it has no {self._channels} channel")
      on_passage = functools.partial(self._replaced, float(time))
      mixer = Mixer(frame, self._channels, on_passage, _WINDOWS if self._is_kept else 1)
      run = self._run = _Run(frame, self._rate_hz, self._written - first, mixer)
      self._expected = time
    for piece in run.push(frame):
      yield self._count(piece)
    self._expected += Fraction(frame.samples, frame.sample_rate)

  def finish(self) -> Iterator[np.ndarray]:
    """Yields the samples that the resampler still holds."""
    if self._run is not None:
      for piece in self._run.push(None):
        yield self._count(piece)

  def _count(self, piece: np.ndarray) -> np.ndarray:
    self._written += len(piece)
    return piece

  def _replaced(self, start_s: float, passage: Passage) -> None:
    """Keeps a passage of the run that started at `start_s`, or warns where it begins."""
    passage = Passage(start_s + passage.onset_s, start_s + passage.offset_s, passage.channel)
    is_new = add_passage(self._passages, passage)
    if not self._is_kept:
      del self._passages[:-1]
      if is_new:
        self._warnings.append(
          f"the channels cancel from {passage.onset_s:.1f} s on: the {passage.channel} channel is used while they do"
        )


class _Run:
  """Mixes and resamples frames that follow each other without a gap."""

  def __init__(self, frame: av.AudioFrame, rate_hz: int, skip: int, mixer: Mixer):
    self._key = self._format(frame)
    # With s16, swresample keeps a mix from becoming louder than its channels.
    self._resampler = av.AudioResampler("s16", "mono", rate_hz)
    self._skip = skip
    self._mixer = mixer

  @staticmethod
  def _format(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate

  def takes(self, frame: av.AudioFrame) -> bool:
    return self._format(frame) == self._key

  def push(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
    for mixed in itertools.chain(self._mixer.push(frame), [None] if frame is None else ()):
      yield from self._resample(mixed)

  def _resample(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
    for out in self._resampler.resample(frame):
      if out is None:  # flushing an unused resampler
        continue
      samples = out.to_ndarray().reshape(-1)
      dropped = min(self._skip, len(samples))
      self._skip -= dropped
      if dropped < len(samples):
        yield samples[dropped:]


def _silence(count: int, rate_hz: int) -> Iterator[np.ndarray]:
  """Yields `count` zeros in pieces of at most a second."""
  for first in range(0, count, rate_hz):
    yield np.zeros(min(rate_hz, count - first), np.int16)
