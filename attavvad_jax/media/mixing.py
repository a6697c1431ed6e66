"""Mixes many channels to one without losing a voice that a listener would hear.

Stereo is mixed by the mean of both channels. A voice that is out of phase between them vanishes in the mean, so the
loss of a mix is measured for each window: the fraction of the energy, in the frequency range of voices, at frequencies
where the mix lies more than 10 dB below the strongest channel. Where the loss is large, the channel that loses least
replaces the mix until the mix loses little again. A voice in one channel alone is 6 dB softer in the mean, and not
lost.

More than two channels are mixed to stereo by ITU-R BS.775, then to mono by the mean.

Axes: C channels, W windows, n samples.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
import functools
import math
from typing import Any, NamedTuple

import av
from av.audio.fifo import AudioFifo
import numpy as np

# Length of the windows for which decisions are made once they are complete: the look-ahead of streams.
WINDOW_S = Fraction(1, 20)
# Frequency range in which losses are measured; below it are hum and the subwoofer's content.
_VOICES_HZ = (150.0, 4000.0)
# Energy, relative to the strongest channel, below which a frequency counts as lost.
_LOST = 0.1
# Time constants, and the fraction of the energy lost within them, from which another channel replaces the mix: nearly
# all of it at once, or much of it for longer. Spaced microphones lose a quarter, independent channels an eighth.
_SUDDEN_S, _SUDDEN = 0.2, 0.75
_LASTING_S, _LASTING = 2.0, 0.4
# Lost fraction below which the mix is used again.
_WELL = 0.2
# Windows that must pass before a loss can count as lasting.
_MIN_WINDOWS = 10
# RMS below which nothing can be heard, as a fraction of full scale.
_SILENT = 10 ** (-70 / 20)
# Of channels whose lost fractions differ by no more than this, the strongest is used.
_SAME = 0.05
# Ratio of the energies of difference and sum below which stereo loses nothing, so that its spectrum is not computed.
_MONO = 1e-3
# Passages closer together than the first are joined; passages shorter in total than the second cause no warning.
_APART_S, _NOTABLE_S = 1.0, 0.5
# More passages than this are only counted in the warning.
_MAX_LISTED = 3

# Weights of BS.775, by FFmpeg's names of channels, for the mean of left and right. The subwoofer is left out.
_WEIGHTS = {"FL": 0.5, "FR": 0.5, "DL": 0.5, "DR": 0.5, "WL": 0.5, "WR": 0.5, "FLC": 0.5, "FRC": 0.5, "BC": 0.5}
_WEIGHTS |= {"FC": math.sqrt(0.5), "LFE": 0.0, "LFE2": 0.0}
_SURROUND = math.sqrt(0.125)
_NAMES = {"FL": "left", "FR": "right", "FC": "center"}
# Full scale and the value of silence in FFmpeg's sample formats.
_SCALES = {"u8": (128.0, 128.0), "s16": (2.0**15, 0.0), "s32": (2.0**31, 0.0), "flt": (1.0, 0.0), "dbl": (1.0, 0.0)}


class Passage(NamedTuple):
  """A passage in which the channels cancel, in seconds after time zero, and the name of the channel used there."""

  onset_s: float
  offset_s: float
  channel: str


def describe(passages: Sequence[Passage]) -> str | None:
  """Returns a warning of one line; None where the passages are short in total."""
  total_s = sum(passage.offset_s - passage.onset_s for passage in passages)
  if total_s < _NOTABLE_S:
    return None
  spans = [f"from {passage.onset_s:.1f} to {passage.offset_s:.1f} s" for passage in passages]
  where = " and ".join(spans) if len(spans) <= _MAX_LISTED else f"in {len(spans)} places, {total_s:.1f} s in all"
  channels = sorted({passage.channel for passage in passages})
  used = f"the {channels[0]} channel is" if len(channels) == 1 else f"the {' or '.join(channels)} channel is"
  return f"the channels cancel {where}: {used} used there"


def add_passage(passages: list[Passage], new: Passage) -> bool:
  """Adds a passage, or extends the last one where it is near and of the same channel; returns whether it was added."""
  goes_on = bool(passages) and passages[-1].channel == new.channel and new.onset_s - passages[-1].offset_s < _APART_S
  if goes_on:
    new = passages.pop()._replace(offset_s=new.offset_s)
  passages.append(new)
  return not goes_on


class Mixer:
  """Prepares frames of one format for a resampler that gives the mean of their channels.

  Where the plain mean is right, the frames keep their samples, regrouped; the resampler's result is then the same to
  the bit. Elsewhere, every channel holds the signal that replaces the mean.

  Args:
    frame: the first frame; all frames have its format, layout and rate.
    channels: one of `tracks.CHANNELS`.
    on_passage: receives each window in which the channels cancel, in seconds after the first sample.
    windows: number of windows that are processed together, once all of them are complete; more are faster, and the
      result is the same.
  """

  def __init__(self, frame: av.AudioFrame, channels: str, on_passage: Callable[[Passage], None], windows: int = 1):
    names = [channel.name for channel in frame.layout.channels]
    self._on_passage = on_passage
    self._names = [_NAMES.get(name, name) if "NONE" not in names else f"{i}." for i, name in enumerate(names, start=1)]
    if len(names) == 2:
      self._names = ["left", "right"]
    self._rate_hz = frame.sample_rate
    self._hop = round(WINDOW_S * self._rate_hz / _thinning(self._rate_hz)) * _thinning(self._rate_hz)
    self._windows = windows
    self._is_stereo = len(names) == 2 and channels == "mix"
    # PyAV converts frames of at most seven planes to arrays.
    self._pack = av.AudioResampler("flt", frame.layout, frame.sample_rate)
    self._passes = len(names) == 1 or (self._is_stereo and frame.format.name.removesuffix("p") not in _SCALES)
    self._weights = _weights(names, frame.layout.name, channels)
    self._watch = _Watch(self._weights, self._rate_hz) if channels == "mix" and not self._passes else None
    self._fifo = AudioFifo()
    self._channel: int | None = None  # the channel that replaces the mix
    self._done = 0  # samples returned so far

  def push(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
    """Takes the next frame, or None at the end; yields the frames that are complete with it."""
    if self._passes:
      if frame is not None:
        yield frame
      return
    if frame is not None:
      frame.pts = None  # the queue would check it
      self._fifo.write(frame)
    while (whole := self._fifo.read(self._windows * self._hop)) is not None:
      yield self._mixed(whole)
    if frame is None and (rest := self._fifo.read(0, True)) is not None:
      yield self._mixed(rest)

  def _mixed(self, frame: av.AudioFrame) -> av.AudioFrame:
    samples = _floats(frame) if self._is_stereo else _floats(self._pack.resample(frame)[0])
    channels = [None] * -(-frame.samples // self._hop) if self._watch is None else self._decide(samples, self._watch)
    is_plain = self._channel is None and not any(channel is not None for channel in channels)
    if not is_plain or not self._is_stereo:
      mono = self._weights @ samples if is_plain else self._replace(samples, channels)
      frame = _like(frame, mono) if self._is_stereo else _frame(mono[None], "fltp", "mono", self._rate_hz)
    self._done += len(samples[0])
    return frame

  def _decide(self, samples: np.ndarray, watch: "_Watch") -> list[int | None]:
    """Returns, for each window, the channel that replaces the mix, or None."""
    count = samples.shape[1] // self._hop
    whole = samples[:, : count * self._hop].reshape(len(samples), count, self._hop)
    parts = (whole, samples[:, None, count * self._hop :])
    decisions = [decision for part in parts if part.size for decision in watch.decide(part)]
    for window, (channel, loses) in enumerate(decisions):
      if channel is not None and loses:
        first = self._done + window * self._hop
        last = min(first + self._hop, self._done + samples.shape[1])
        self._on_passage(Passage(first / self._rate_hz, last / self._rate_hz, self._names[channel]))
    return [channel for channel, _ in decisions]

  def _replace(self, samples: np.ndarray, channels: Sequence[int | None]) -> np.ndarray:
    """Returns mono audio [n]; a window in which the channel changes fades from the old signal to the new one."""
    parts = []
    for window, channel in enumerate(channels):
      part = samples[:, window * self._hop : (window + 1) * self._hop]
      mono = self._mono(part, channel)
      if channel != self._channel:
        rise = np.linspace(0, 1, len(mono), dtype=np.float32)
        mono = rise * mono + (1 - rise) * self._mono(part, self._channel)
        self._channel = channel
      parts.append(mono)
    return np.concatenate(parts)

  def _mono(self, samples: np.ndarray, channel: int | None) -> np.ndarray:
    return self._weights @ samples if channel is None else samples[channel]


class _Watch:
  """Measures what a mix loses, window by window, and chooses the channel that replaces it."""

  def __init__(self, weights: np.ndarray, rate_hz: int):
    self._weights, self._rate_hz = weights, rate_hz
    self._decays = np.exp(-float(WINDOW_S) / np.array([_SUDDEN_S, _LASTING_S]))[:, None]
    # Decayed sums of the results of `_measure` over past windows, sudden and lasting. [2,2C+2]
    self._energies = np.zeros((2, 2 * len(weights) + 2))
    self._windows = 0
    self._channel: int | None = None

  def decide(self, windows: np.ndarray) -> list[tuple[int | None, bool]]:
    """Returns for each window, float32 [C,W,n], the channel that replaces the mix, if any, and whether losses are high.

    The replacement lasts longer than the high losses.
    """
    measured = self._measure(windows)
    if self._is_well(measured):
      ages = np.arange(len(measured))[::-1]
      self._energies = self._decays ** len(measured) * self._energies + self._decays**ages @ measured
      self._windows += len(measured)
      return [(None, False)] * len(measured)
    return [self._step(energies, windows.shape[2]) for energies in measured]

  def _is_well(self, measured: np.ndarray) -> bool:
    """Returns whether the mix is in use and loses little in every window, so that it stays in use in all of them."""
    lost, total = (np.concatenate([self._energies[:, column], measured[:, column]]) for column in (0, -1))
    return self._channel is None and bool((lost <= _WELL * total).all())

  def _step(self, measured: np.ndarray, count: int) -> tuple[int | None, bool]:
    self._windows += 1
    self._energies = self._decays * self._energies + measured
    # Inaudible energy is added to the total, as it does not count as lost.
    sudden, lasting = self._energies / (self._energies[:, -1:] + _energy(_SILENT**2, count))
    if self._channel is not None and lasting[0] < _WELL:
      self._channel = None
    used = 0 if self._channel is None else 1 + self._channel
    for fractions, limit in ((sudden, _SUDDEN), (lasting, _LASTING)):
      lost, strength = np.split(fractions[1:-1], 2)
      is_long_enough = limit == _SUDDEN or self._windows >= _MIN_WINDOWS
      if is_long_enough and fractions[used] > limit and lost.min() < fractions[used] / 2:
        self._channel = int(np.argmax(np.where(lost <= lost.min() + _SAME, strength, -1.0)))
        break
    return self._channel, bool(sudden[0] > _WELL)

  def _measure(self, windows: np.ndarray) -> np.ndarray:
    """Returns the energy lost by the mix and by each channel, each channel's energy, and the strongest's. [W,2C+2]."""
    channels, number, count = windows.shape
    measured = np.zeros((number, 2 * channels + 2))
    closely = np.arange(number)
    if channels == 2:
      total, difference = windows[0] + windows[1], windows[0] - windows[1]
      energies = np.einsum("wn,wn->w", total, total)
      measured[:, 3:] = _energy(energies / (4 * count), count)[:, None]
      closely = np.flatnonzero(np.einsum("wn,wn->w", difference, difference) > _MONO * energies)
    if len(closely):
      thinning = min(_thinning(self._rate_hz), count)
      thin = [windows[:, closely, first::thinning][:, :, : count // thinning] for first in range(thinning)]
      first, last = (round(hz * count / self._rate_hz) for hz in _VOICES_HZ)
      spectra = np.fft.rfft(sum(thin[1:], thin[0]) * _hann(count // thinning))[:, :, first : last + 1]
      mix = sum(weight * spectrum for weight, spectrum in zip(self._weights, spectra, strict=True))
      each = _power(spectra)
      strongest = each.max(0)
      powers = np.concatenate([_power(mix)[None], each])
      lost = ((powers < _LOST * strongest) * strongest).sum(2)
      measured[closely] = np.concatenate([lost, each.sum(2), strongest.sum(1)[None]]).T
    return measured


def _thinning(rate_hz: int) -> int:
  """Returns how many samples are summed to one before losses are measured: voices need 16 kHz only."""
  return max(1, rate_hz // 16_000)


@functools.lru_cache
def _hann(count: int) -> np.ndarray:
  return np.hanning(count + 1)[:-1].astype(np.float32)


def _energy(mean_square: Any, count: int) -> Any:
  """Returns the energy of a window's spectrum, on the scale of the sums in `_measure`."""
  return mean_square * 0.375 * count**2 / 2


def _power(spectra: np.ndarray) -> np.ndarray:
  return spectra.real**2 + spectra.imag**2


def _weights(names: Sequence[str], layout: str, channels: str) -> np.ndarray:
  """Returns the weight of each channel, float32 [C]."""
  left, right = (names.index(name) if name in names else i for i, name in enumerate(("FL", "FR")))
  weights = np.zeros(len(names), np.float32)
  if len(names) == 1:
    weights[0] = 1
  elif channels == "mix":
    if layout.startswith("ambisonic"):  # the first channel is omnidirectional
      weights[0] = 1
    elif "NONE" in names:  # any number of microphones
      weights[:] = 0.5 if len(names) == 2 else max(len(names) ** -0.5, _SURROUND)
    else:
      weights[:] = [_WEIGHTS.get(name, _SURROUND) for name in names]
  elif channels == "side":
    weights[left], weights[right] = 0.5, -0.5
  else:
    weights[left if channels == "left" else right] = 1
  return weights


def _floats(frame: av.AudioFrame) -> np.ndarray:
  """Returns the samples of a frame with full scale at 1, float32 [C,n]."""
  samples = frame.to_ndarray()
  if not frame.format.is_planar:
    samples = samples.reshape(frame.samples, -1).T
  scale, silence = _SCALES[frame.format.name.removesuffix("p")]
  return samples.astype(np.float32, copy=False) if scale == 1 else ((samples - silence) / scale).astype(np.float32)


def _like(frame: av.AudioFrame, mono: np.ndarray) -> av.AudioFrame:
  """Makes a stereo frame of the same format with mono audio [n] in both channels."""
  stored = frame.to_ndarray()
  scale, silence = _SCALES[frame.format.name.removesuffix("p")]
  if scale != 1:
    mono = np.clip(np.rint(mono.astype(np.float64) * scale), -scale, scale - 1) + silence
  both = np.stack([mono, mono]) if frame.format.is_planar else np.repeat(mono, 2)[None]
  return _frame(both.astype(stored.dtype), frame.format.name, frame.layout.name, frame.sample_rate)


def _frame(samples: np.ndarray, format: str, layout: str, rate_hz: int) -> av.AudioFrame:
  frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=format, layout=layout)
  frame.sample_rate = rate_hz
  return frame
