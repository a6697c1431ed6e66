"""Sounds of the place: room tone with hum, a murmuring crowd, applause, and the room's reverberation."""

from collections.abc import Callable
import dataclasses

import numpy as np
from scipy import fft, signal

from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ


@dataclasses.dataclass(frozen=True)
class Room:
  """A room and its microphone.

  Attributes:
    decay_s: time in which reverberation falls by 60 dB.
    wet: level of the reverberation over the direct sound.
    tone_db: level of the room tone over full scale.
    hum_hz: mains frequency, 0 for none.
  """

  decay_s: float
  wet: float
  tone_db: float
  hum_hz: float

  @classmethod
  def draw(cls, rng: np.random.Generator) -> "Room":
    """A random room, furnished rather than a hall."""
    return cls(
      decay_s=rng.uniform(0.12, 0.45),
      wet=rng.uniform(0.05, 0.4),
      tone_db=rng.uniform(-72, -58),
      hum_hz=float(rng.choice((0.0, 50.0, 60.0))),
    )


def reverberate(wave: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
  """Adds the room's reverberation: noise that dies away exponentially, after 8 ms. float32 [n] -> [n]."""
  t = np.arange(round(room.decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
  tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / room.decay_s)
  tail[: SAMPLE_RATE_HZ // 125] = 0
  tail *= room.wet / np.sqrt((tail**2).sum())
  tail[0] = 1.0
  return signal.oaconvolve(wave, tail.astype(np.float32))[: len(wave)].astype(np.float32)


def room_tone(room: Room, count: int, rng: np.random.Generator) -> np.ndarray:
  """What is heard when nothing is: pink noise and hum. -> float32 [n]."""
  wave = _coloured(count, rng, lambda hz: 1 / np.sqrt(np.maximum(hz, 40.0)))
  if room.hum_hz:
    t = np.arange(count) / SAMPLE_RATE_HZ
    wave = wave + sum(0.5 / h * np.sin(2 * np.pi * h * room.hum_hz * t + h) for h in (1, 2, 3))
  return (wave * 10 ** (room.tone_db / 20) / np.sqrt(np.mean(wave**2))).astype(np.float32)


def crowd(count: int, rng: np.random.Generator) -> np.ndarray:
  """Many people at once: noise with the spectrum of speech that swells slowly. -> float32 [n], RMS 0.1."""
  wave = _coloured(count, rng, lambda hz: np.exp(-(np.log2(np.maximum(hz, 30.0) / 500) ** 2) / 2.5))
  return _level(wave * _swell(count, 4.0, rng))


def applause(count: int, rng: np.random.Generator) -> np.ndarray:
  """Clapping hands: some hundred short bursts a second that swell and fade. -> float32 [n], RMS 0.1."""
  claps = rng.standard_normal(count) * (rng.random(count) < 250 / SAMPLE_RATE_HZ)
  burst = rng.standard_normal(160) * np.exp(-np.arange(160) / 30)
  wave = signal.oaconvolve(claps, burst)[:count]
  band = signal.butter(1, (700, 3500), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
  return _level(signal.sosfilt(band, wave) * _swell(count, 1.0, rng))


def _coloured(count: int, rng: np.random.Generator, magnitude: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
  size = fft.next_fast_len(count, real=True)
  spectrum = fft.rfft(rng.standard_normal(size))
  return fft.irfft(spectrum * magnitude(fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)), size)[:count]


def _swell(count: int, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
  """A slowly moving gain between 0.4 and 1. -> [n]."""
  step = SAMPLE_RATE_HZ / rate_hz
  knots = rng.uniform(0.4, 1.0, int(count / step) + 2)
  return np.interp(np.arange(count) / step, np.arange(len(knots)), knots)


def _level(wave: np.ndarray) -> np.ndarray:
  return (wave * 0.1 / (np.sqrt(np.mean(wave**2)) + 1e-9)).astype(np.float32)
