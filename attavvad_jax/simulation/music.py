"""Backing music by additive and subtractive synthesis: chords, bass and drums in one key, and melodies that fit.

A song repeats a progression of four bars. Keyboard notes are decaying harmonics, the bass is a dark saw, drums are
swept sines and filtered noise.
"""

import dataclasses

import numpy as np
from scipy import signal

from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ
from attavvad_jax.simulation.voices import Note

MODES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 3), (0, 2, 3, 4), (0, 3, 1, 4))
_KICKS = ((0, 2), (0, 1, 2, 3), (0, 1.5, 2), (0, 2.5))
_BEATS_PER_BAR = 4


@dataclasses.dataclass(frozen=True)
class Song:
  """What a piece of backing music is made of.

  Attributes:
    tempo_bpm: beats a minute.
    tonic: pitch class of the key, 0 for C.
    mode: major or minor.
    progression: scale degree of each bar's chord, from 0.
    brightness: harmonics of the keyboard, 0 dull to 1 bright.
    decay_s: how long keyboard notes ring.
    arpeggio: notes of a chord one after the other instead of together.
    drums: level of the drums, 0 for none.
    kicks: beats of the bar on which the bass drum falls.
  """

  tempo_bpm: float
  tonic: int
  mode: str
  progression: tuple[int, ...]
  brightness: float
  decay_s: float
  arpeggio: bool
  drums: float
  kicks: tuple[float, ...]

  @classmethod
  def draw(cls, rng: np.random.Generator) -> "Song":
    """A random song."""
    return cls(
      tempo_bpm=rng.uniform(70, 135),
      tonic=int(rng.integers(12)),
      mode=str(rng.choice(list(MODES))),
      progression=PROGRESSIONS[rng.integers(len(PROGRESSIONS))],
      brightness=rng.uniform(0.2, 0.9),
      decay_s=rng.uniform(0.3, 1.5),
      arpeggio=bool(rng.uniform() < 0.5),
      drums=float(rng.uniform(0.3, 1.0) * (rng.uniform() < 0.8)),
      kicks=_KICKS[rng.integers(len(_KICKS))],
    )

  @property
  def beat_s(self) -> float:
    return 60 / self.tempo_bpm

  def midi(self, degree: int) -> int:
    """MIDI number of a scale degree; degree 0 is the tonic above middle C, 7 the octave over it."""
    scale = MODES[self.mode]
    return 60 + self.tonic + 12 * (degree // 7) + scale[degree % 7]


def play(song: Song, duration_s: float, rng: np.random.Generator) -> np.ndarray:
  """The song from its first bar. -> float32 [n] at 16 kHz, RMS 0.1."""
  total = round(duration_s * SAMPLE_RATE_HZ)
  wave = np.zeros(total + 4 * SAMPLE_RATE_HZ, np.float32)
  keys: dict[int, np.ndarray] = {}
  kick, snare, hat = _kick(), _snare(rng), _hat(rng)

  def add(sound: np.ndarray, time_s: float, gain: float) -> None:
    start = round(time_s * SAMPLE_RATE_HZ)
    if start < total:
      wave[start : start + len(sound)] += gain * sound

  bars = int(np.ceil(duration_s / (_BEATS_PER_BAR * song.beat_s)))
  for bar in range(bars):
    degree = song.progression[bar % len(song.progression)]
    chord = [song.midi(degree + step) - 12 for step in (0, 2, 4, 7)]
    bar_s = bar * _BEATS_PER_BAR * song.beat_s
    for half in range(2 * _BEATS_PER_BAR):
      time_s = bar_s + half * song.beat_s / 2
      struck = [chord[half % 4]] if song.arpeggio else (chord if half % 4 in (0, 3) else [])
      for midi in struck:
        if midi not in keys:
          keys[midi] = _key(midi, song.brightness, song.decay_s)
        add(keys[midi], time_s, 0.25 * rng.uniform(0.8, 1.1))
      if half % 2 == 0:
        add(_bass(chord[0] - 12, song.beat_s), time_s, 0.45)
      if song.drums:
        add(hat, time_s, 0.18 * song.drums * rng.uniform(0.6, 1.0))
        if half / 2 in song.kicks:
          add(kick, time_s, 0.9 * song.drums)
        if half in (2, 6):
          add(snare, time_s, 0.4 * song.drums)
  wave = wave[:total]
  return wave * np.float32(0.1 / (np.sqrt(np.mean(wave**2)) + 1e-9))


def melody(
  song: Song, start_s: float, duration_s: float, centre_midi: int, rng: np.random.Generator
) -> tuple[Note, ...]:
  """A tune on the song's scale and beat that starts `start_s` into the song. Note times count from its start.

  The first note lasts to the next beat, so that the tune falls in with the backing.
  """
  low, high = centre_midi - 5, centre_midi + 7
  degrees = [degree for degree in range(-28, 36) if low <= song.midi(degree) <= high]
  index = int(rng.integers(len(degrees)))
  notes = []
  onset_s = 0.0
  length_s = song.beat_s - start_s % song.beat_s
  if length_s < 0.25:
    length_s += song.beat_s
  while onset_s < duration_s:
    notes.append(Note(onset_s, length_s, song.midi(degrees[index])))
    onset_s += length_s
    length_s = song.beat_s * float(rng.choice((0.5, 1.0, 1.0, 1.5, 2.0, 3.0)))
    index = int(np.clip(index + rng.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3)), 0, len(degrees) - 1))
  return tuple(notes)


def _times(duration_s: float) -> np.ndarray:
  return np.arange(round(duration_s * SAMPLE_RATE_HZ), dtype=np.float32) / SAMPLE_RATE_HZ


def _hz(midi: float) -> float:
  return 440 * 2 ** ((midi - 69) / 12)


def _key(midi: int, brightness: float, decay_s: float) -> np.ndarray:
  t = _times(min(3 * decay_s, 3.0))
  wave = np.zeros_like(t)
  for harmonic in range(1, 9):
    if harmonic * _hz(midi) > 7000:
      break
    fade = np.exp(-t * (0.6 + 0.4 * harmonic) / decay_s)
    wave += brightness ** (harmonic - 1) / harmonic**0.5 * fade * np.sin(2 * np.pi * harmonic * _hz(midi) * t)
  return wave * np.clip(t / 0.005, 0, 1) * np.clip((t[-1] - t) / 0.02, 0, 1)


def _bass(midi: int, duration_s: float) -> np.ndarray:
  while midi > 43:
    midi -= 12
  t = _times(duration_s * 0.95)
  wave = sum(np.sin(2 * np.pi * h * _hz(midi) * t) / h**1.6 for h in range(1, 6))
  return (wave * np.exp(-1.5 * t) * np.clip(t / 0.01, 0, 1) * np.clip((t[-1] - t) / 0.02, 0, 1)).astype(np.float32)


def _kick() -> np.ndarray:
  t = _times(0.22)
  return np.sin(2 * np.pi * (50 * t - 2.2 * np.exp(-40 * t))) * np.exp(-16 * t)


def _snare(rng: np.random.Generator) -> np.ndarray:
  t = _times(0.18)
  noise = rng.standard_normal(len(t), np.float32)
  return ((0.8 * noise + 0.5 * np.sin(2 * np.pi * 190 * t)) * np.exp(-24 * t)).astype(np.float32)


def _hat(rng: np.random.Generator) -> np.ndarray:
  t = _times(0.07)
  high = signal.sosfilt(
    signal.butter(2, 5000, "highpass", fs=SAMPLE_RATE_HZ, output="sos"), rng.standard_normal(len(t))
  )
  return (high * np.exp(-70 * t)).astype(np.float32)
