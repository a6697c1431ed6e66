"""Many channels to one, so that no voice is lost that a listener would hear.

Stereo is mixed as ever, by the mean of both channels. A voice that is out of phase between them vanishes there, so what
a mix loses is measured all the time: of each window's spectrum in the range of voices, the share of energy in places
where the mix lies more than 10 dB below the strongest channel. Where it loses much, the channel that loses least takes
its place, until the mix loses little again. A voice in one channel alone is 6 dB softer in the mean, and not lost.

More channels than two are mixed as ITU-R BS.775 mixes them to stereo, and the mean of that.

Axes: C channels, F frequencies, n samples.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
import functools
import math
from typing import Any, NamedTuple

import av
from av.audio.fifo import AudioFifo
import numpy as np

# A decision is made for each window of so long, when all of it has come in: that is the look-ahead of streams.
WINDOW_S = Fraction(1, 20)
# The range in which voices are looked for; below it are hum and what subwoofers play.
_VOICES_HZ = (150.0, 4000.0)
# Energy, relative to the strongest channel, below which something counts as lost.
_LOST = 0.1
# The shares that are lost, of the energy of about so long before now, from which on another channel is taken: nearly
# all of it at once, or much of it for longer. Microphones apart lose a quarter, independent channels an eighth.
_SUDDEN_S, _SUDDEN = 0.2, 0.75
_LASTING_S, _LASTING = 2.0, 0.4
# The share below which the mix is used again.
_WELL = 0.2
# Windows before anything can have lasted.
_MIN_WINDOWS = 10
# Rms below which nothing can be heard, as a share of full scale.
_SILENT = 10 ** (-70 / 20)
# Channels that lose nearly the same: the strongest of them is taken.
_SAME = 0.05
# Stereo whose difference is weaker than its sum by so much loses nothing, and is not looked at closely.
_MONO = 1e-3
# Passages closer together than this are told as one, and those that are shorter together are not worth a word.
_APART_S, _NOTABLE_S = 1.0, 0.5
# At most so many are told one by one.
_MAX_TOLD = 3

# BS.775, FFmpeg's names of channels: to the mean of left and right. What a subwoofer plays is left out.
_WEIGHTS = {"FL": 0.5, "FR": 0.5, "DL": 0.5, "DR": 0.5, "WL": 0.5, "WR": 0.5, "FLC": 0.5, "FRC": 0.5, "BC": 0.5}
_WEIGHTS |= {"FC": math.sqrt(0.5), "LFE": 0.0, "LFE2": 0.0}
_SURROUND = math.sqrt(0.125)
_NAMES = {"FL": "left", "FR": "right", "FC": "center"}
# FFmpeg's sample formats: what full scale is, and what stands for silence.
_SCALES = {"u8": (128.0, 128.0), "s16": (2.0**15, 0.0), "s32": (2.0**31, 0.0), "flt": (1.0, 0.0), "dbl": (1.0, 0.0)}


class Passage(NamedTuple):
  """Where the channels cancel, in seconds after time zero, and the name of the channel that is used there."""

  onset_s: float
  offset_s: float
  channel: str


def describe(passages: Sequence[Passage]) -> str | None:
  """One line for people; None where there is little to tell."""
  total_s = sum(passage.offset_s - passage.onset_s for passage in passages)
  if total_s < _NOTABLE_S:
    return None
  spans = [f"from {passage.onset_s:.1f} to {passage.offset_s:.1f} s" for passage in passages]
  where = " and ".join(spans) if len(spans) <= _MAX_TOLD else f"in {len(spans)} places, {total_s:.1f} s in all"
  channels = sorted({passage.channel for passage in passages})
  used = f"the {channels[0]} channel is" if len(channels) == 1 else f"the {' or '.join(channels)} channel is"
  return f"the channels cancel {where}: {used} used there"


def add_passage(passages: list[Passage], new: Passage) -> bool:
  """Adds a passage to those before, or to the last of them where it is near; whether it is one of its own."""
  goes_on = bool(passages) and passages[-1].channel == new.channel and new.onset_s - passages[-1].offset_s < _APART_S
  if goes_on:
    new = passages.pop()._replace(offset_s=new.offset_s)
  passages.append(new)
  return not goes_on


class Mixer:
  """Frames of one format on their way to a resampler that gives the mean of their channels.

  Where the plain mean is right, frames come out as they went in, cut anew; a resampler's result is then the same to the
  bit. Where it is not, they hold what is to be heard instead.

  Args:
    frame: the first; all have its format, layout and rate.
    channels: one of `tracks.CHANNELS`.
    tell: is told of each window in which the channels cancel, in seconds after the first sample.
    windows: how many are looked at together, which is quicker and gives the same; then all of them must have come in.
  """

  def __init__(self, frame: av.AudioFrame, channels: str, tell: Callable[[Passage], None], windows: int = 1):
    names = [channel.name for channel in frame.layout.channels]
    self._tell = tell
    self._names = [_NAMES.get(name, name) if "NONE" not in names else f"{i}." for i, name in enumerate(names, start=1)]
    if len(names) == 2:
      self._names = ["left", "right"]
    self._rate_hz = frame.sample_rate
    self._hop = round(WINDOW_S * self._rate_hz / _thinning(self._rate_hz)) * _thinning(self._rate_hz)
    self._windows = windows
    self._is_stereo = len(names) == 2 and channels == "mix"
    # A frame that PyAV takes for an array has at most seven planes.
    self._pack = av.AudioResampler("flt", frame.layout, frame.sample_rate)
    self._passes = len(names) == 1 or (self._is_stereo and frame.format.name.removesuffix("p") not in _SCALES)
    self._weights = _weights(names, frame.layout.name, channels)
    self._watch = _Watch(self._weights, self._rate_hz) if channels == "mix" and not self._passes else None
    self._fifo = AudioFifo()
    self._channel: int | None = None  # that has taken the place of the mix
    self._done = 0  # samples that have come out

  def push(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
    """The frames that are complete with another; the rest with None."""
    if self._passes:
      if frame is not None:
        yield frame
      return
    if frame is not None:
      frame.pts = None  # which the queue would check
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
    """The channel that is heard in each window in the place of the mix."""
    count = samples.shape[1] // self._hop
    whole = samples[:, : count * self._hop].reshape(len(samples), count, self._hop)
    parts = (whole, samples[:, None, count * self._hop :])
    found = [decision for part in parts if part.size for decision in watch.decide(part)]
    for window, (channel, loses) in enumerate(found):
      if channel is not None and loses:
        first = self._done + window * self._hop
        last = min(first + self._hop, self._done + samples.shape[1])
        self._tell(Passage(first / self._rate_hz, last / self._rate_hz, self._names[channel]))
    return [channel for channel, _ in found]

  def _replace(self, samples: np.ndarray, channels: Sequence[int | None]) -> np.ndarray:
    """What is heard, window by window: each goes from what was heard before to what is to be heard. [n]."""
    parts = []
    for window, channel in enumerate(channels):
      part = samples[:, window * self._hop : (window + 1) * self._hop]
      mono = self._heard(part, channel)
      if channel != self._channel:
        rise = np.linspace(0, 1, len(mono), dtype=np.float32)
        mono = rise * mono + (1 - rise) * self._heard(part, self._channel)
        self._channel = channel
      parts.append(mono)
    return np.concatenate(parts)

  def _heard(self, samples: np.ndarray, channel: int | None) -> np.ndarray:
    return self._weights @ samples if channel is None else samples[channel]


class _Watch:
  """Says what a mix loses, window by window, and which channel should take its place."""

  def __init__(self, weights: np.ndarray, rate_hz: int):
    self._weights, self._rate_hz = weights, rate_hz
    self._decays = np.exp(-float(WINDOW_S) / np.array([_SUDDEN_S, _LASTING_S]))[:, None]
    # Of the time before, as `_measure` gives them, sudden and lasting. [2,2C+2]
    self._energies = np.zeros((2, 2 * len(weights) + 2))
    self._windows = 0
    self._channel: int | None = None

  def decide(self, windows: np.ndarray) -> list[tuple[int | None, bool]]:
    """Of each window, float32 [C,W,n]: the channel in the place of the mix, if any, and whether the mix loses much now.

    The channel stays in its place for longer than that.
    """
    measured = self._measure(windows)
    if self._is_well(measured):
      ages = np.arange(len(measured))[::-1]
      self._energies = self._decays ** len(measured) * self._energies + self._decays**ages @ measured
      self._windows += len(measured)
      return [(None, False)] * len(measured)
    return [self._step(energies, windows.shape[2]) for energies in measured]

  def _is_well(self, measured: np.ndarray) -> bool:
    """Whether the mix is used, and loses little in any of the windows: then it is used in all of them."""
    lost, total = (np.concatenate([self._energies[:, column], measured[:, column]]) for column in (0, -1))
    return self._channel is None and bool((lost <= _WELL * total).all())

  def _step(self, measured: np.ndarray, count: int) -> tuple[int | None, bool]:
    self._windows += 1
    self._energies = self._decays * self._energies + measured
    # What nobody can hear is not lost.
    sudden, lasting = self._energies / (self._energies[:, -1:] + _energy(_SILENT**2, count))
    if self._channel is not None and lasting[0] < _WELL:
      self._channel = None
    used = 0 if self._channel is None else 1 + self._channel
    for shares, limit in ((sudden, _SUDDEN), (lasting, _LASTING)):
      lost, strength = np.split(shares[1:-1], 2)
      is_long_enough = limit == _SUDDEN or self._windows >= _MIN_WINDOWS
      if is_long_enough and shares[used] > limit and lost.min() < shares[used] / 2:
        self._channel = int(np.argmax(np.where(lost <= lost.min() + _SAME, strength, -1.0)))
        break
    return self._channel, bool(sudden[0] > _WELL)

  def _measure(self, windows: np.ndarray) -> np.ndarray:
    """What is lost by the mix and by each channel, the energy of each, and that of the strongest. [W,2C+2]."""
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
      heard = np.concatenate([_power(mix)[None], each])
      lost = ((heard < _LOST * strongest) * strongest).sum(2)
      measured[closely] = np.concatenate([lost, each.sum(2), strongest.sum(1)[None]]).T
    return measured


def _thinning(rate_hz: int) -> int:
  """How many samples are taken as one where voices are looked for: 16 kHz are enough for them."""
  return max(1, rate_hz // 16_000)


@functools.lru_cache
def _hann(count: int) -> np.ndarray:
  return np.hanning(count + 1)[:-1].astype(np.float32)


def _energy(mean_square: Any, count: int) -> Any:
  """Of the spectrum of a window of sound: what `_measure` sums up over all frequencies."""
  return mean_square * 0.375 * count**2 / 2


def _power(spectra: np.ndarray) -> np.ndarray:
  return spectra.real**2 + spectra.imag**2


def _weights(names: Sequence[str], layout: str, channels: str) -> np.ndarray:
  """How much of each channel is heard, float32 [C]."""
  left, right = (names.index(name) if name in names else i for i, name in enumerate(("FL", "FR")))
  weights = np.zeros(len(names), np.float32)
  if len(names) == 1:
    weights[0] = 1
  elif channels == "mix":
    if layout.startswith("ambisonic"):  # the first channel is of all directions
      weights[0] = 1
    elif "NONE" in names:  # as many microphones as you like
      weights[:] = 0.5 if len(names) == 2 else max(len(names) ** -0.5, _SURROUND)
    else:
      weights[:] = [_WEIGHTS.get(name, _SURROUND) for name in names]
  elif channels == "side":
    weights[left], weights[right] = 0.5, -0.5
  else:
    weights[left if channels == "left" else right] = 1
  return weights


def _floats(frame: av.AudioFrame) -> np.ndarray:
  """The samples of a frame with full scale at 1, float32 [C,n]."""
  samples = frame.to_ndarray()
  if not frame.format.is_planar:
    samples = samples.reshape(frame.samples, -1).T
  scale, silence = _SCALES[frame.format.name.removesuffix("p")]
  return samples.astype(np.float32, copy=False) if scale == 1 else ((samples - silence) / scale).astype(np.float32)


def _like(frame: av.AudioFrame, mono: np.ndarray) -> av.AudioFrame:
  """A frame of the same format, with the same in both of its channels. [n]."""
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
