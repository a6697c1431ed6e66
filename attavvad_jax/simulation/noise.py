"""Waveforms of the surroundings: room tone, murmuring crowd, applause, cheers, clicks, reverberation, loudspeakers."""

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
    wet: level of the reverberation relative to the direct signal.
    tone_db: level of the room tone relative to full scale.
    hum_hz: mains frequency, 0 for none.
  """

  decay_s: float
  wet: float
  tone_db: float
  hum_hz: float

  @classmethod
  def draw(cls, rng: np.random.Generator, decay_s: tuple[float, float], wet: tuple[float, float]) -> "Room":
    """Draws a random room with reverberation within the ranges."""
    return cls(
      decay_s=rng.uniform(*decay_s),
      wet=rng.uniform(*wet),
      tone_db=rng.uniform(-72, -58),
      hum_hz=float(rng.choice((0.0, 50.0, 60.0))),
    )


def reverberate(wave: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
  """Adds the room's reverberation: exponentially decaying noise from 8 ms on. float32 [n] -> [n]."""
  t = np.arange(round(room.decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
  tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / room.decay_s)
  tail[: SAMPLE_RATE_HZ // 125] = 0
  tail *= room.wet / np.sqrt((tail**2).sum())
  tail[0] = 1.0
  return signal.oaconvolve(wave, tail.astype(np.float32))[: len(wave)].astype(np.float32)


def room_tone(room: Room, count: int, rng: np.random.Generator) -> np.ndarray:
  """Generates the audio of an otherwise silent room: pink noise and hum. -> float32 [n]."""
  wave = _colored(count, rng, lambda hz: 1 / np.sqrt(np.maximum(hz, 40.0)))
  if room.hum_hz:
    t = np.arange(count) / SAMPLE_RATE_HZ
    wave = wave + sum(0.5 / h * np.sin(2 * np.pi * h * room.hum_hz * t + h) for h in (1, 2, 3))
  return (wave * 10 ** (room.tone_db / 20) / np.sqrt(np.mean(wave**2))).astype(np.float32)


def crowd(count: int, rng: np.random.Generator) -> np.ndarray:
  """Generates many voices at once: slowly swelling noise with the spectrum of speech. -> float32 [n], RMS 0.1."""
  wave = _colored(count, rng, lambda hz: np.exp(-(np.log2(np.maximum(hz, 30.0) / 500) ** 2) / 2.5))
  return _level(wave * _swell(count, 4.0, rng))


def applause(count: int, rng: np.random.Generator) -> np.ndarray:
  """Generates applause: 250 short bursts a second that swell and fade. -> float32 [n], RMS 0.1."""
  claps = rng.standard_normal(count) * (rng.random(count) < 250 / SAMPLE_RATE_HZ)
  burst = rng.standard_normal(160) * np.exp(-np.arange(160) / 30)
  wave = signal.oaconvolve(claps, burst)[:count]
  band = signal.butter(1, (700, 3500), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
  return _level(signal.sosfilt(band, wave) * _swell(count, 1.0, rng))


def cheers(count: int, rng: np.random.Generator) -> np.ndarray:
  """Generates cheers: calls that glide up and down through open vowels, and whistles. -> [n], RMS 0.1."""
  wave = 0.5 * crowd(count, rng) + 0.3 * applause(count, rng)
  for _ in range(max(4, round(5 * count / SAMPLE_RATE_HZ))):
    length = min(count, int(rng.uniform(0.4, 1.4) * SAMPLE_RATE_HZ))
    start = int(rng.integers(0, count - length + 1))
    t = np.linspace(0, 1, length, endpoint=False)
    whistle = rng.uniform() < 0.15
    low_hz = rng.uniform(1500, 2600) if whistle else rng.uniform(220, 560)
    pitch = low_hz * 2 ** (rng.uniform(0.2, 0.7) * np.sin(np.pi * t ** rng.uniform(0.6, 1.6)))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ
    # Harmonics are loudest near the first formant of an open vowel.
    levels = [1.0] if whistle else [np.exp(-(((h * low_hz - 800) / 500) ** 2)) + 0.05 for h in range(1, 7)]
    call = sum(level * np.sin(number * phase) for number, level in enumerate(levels, start=1))
    wave[start : start + length] += 0.06 * rng.uniform(0.3, 1.0) * np.sin(np.pi * t) ** 0.5 * call
  return _level(wave)


def clicks(count: int, rng: np.random.Generator) -> np.ndarray:
  """Generates keys, switches and knocks, about eight a second. -> float32 [n], RMS 0.1."""
  wave = np.zeros(count + SAMPLE_RATE_HZ)
  at = 0.0
  while at < count:
    t = np.arange(round(rng.uniform(0.01, 0.06) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    knock = rng.standard_normal(len(t)) + 2 * np.sin(2 * np.pi * rng.uniform(300, 3000) * t)
    wave[int(at) : int(at) + len(t)] += rng.uniform(0.3, 1.0) * knock * np.exp(-t * 6 / t[-1])
    at += rng.uniform(0.03, 0.22) * SAMPLE_RATE_HZ
  return _level(wave[:count])


def loudspeaker(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Plays a recording through a small loudspeaker across the room: a narrow band with some distortion. [n] -> [n]."""
  band = (rng.uniform(150, 350), rng.uniform(3000, 6000))
  narrow = signal.sosfilt(signal.butter(2, band, "bandpass", fs=SAMPLE_RATE_HZ, output="sos"), wave)
  bent = np.tanh(narrow * (rng.uniform(0.5, 2.0) / (np.abs(narrow).max() + 1e-9)))
  return reverberate(_level(bent), Room(rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.7), -90.0, 0.0), rng)


def _colored(count: int, rng: np.random.Generator, magnitude: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
  size = fft.next_fast_len(count, real=True)
  spectrum = fft.rfft(rng.standard_normal(size))
  return fft.irfft(spectrum * magnitude(fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)), size)[:count]


def _swell(count: int, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
  """Draws a slowly moving gain between 0.4 and 1. -> [n]."""
  step = SAMPLE_RATE_HZ / rate_hz
  knots = rng.uniform(0.4, 1.0, int(count / step) + 2)
  return np.interp(np.arange(count) / step, np.arange(len(knots)), knots)


def _level(wave: np.ndarray) -> np.ndarray:
  return (wave * 0.1 / (np.sqrt(np.mean(wave**2)) + 1e-9)).astype(np.float32)
