"""Backing music by additive, subtractive and plucked-string synthesis, and matching melodies.

A song has a key, a progression of four bars, a motif for its melodies, and a band: a keyboard, guitar or organ that
plays the chords, strings that hold them, a bass and drums. The arrangement changes every four bars.
"""

from collections.abc import Callable
import dataclasses
import functools

import numpy as np
from scipy import signal

from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ
from attavvad_jax.simulation.voices import Note

MODES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10), "dorian": (0, 2, 3, 5, 7, 9, 10)}
PROGRESSIONS = (
  *((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 3), (0, 2, 3, 4), (0, 3, 1, 4)),
  *((1, 4, 0, 5), (0, 6, 3, 4), (3, 4, 2, 5), (0, 0, 3, 4)),
)
INSTRUMENTS = ("piano", "electric piano", "guitar", "organ")
# Half beats of a bar on which a chord is struck; an empty tuple is an arpeggio.
_STRUMS = ((), (0, 3), (0, 2, 4, 6), (0, 3, 6), (2, 6), (0, 2, 3, 5, 6))
# Half beats of a bar, each with the step of the chord that the bass plays.
_BASS_LINES = (
  ((0, 0), (2, 0), (4, 0), (6, 0)),
  ((0, 0), (4, 2)),
  ((0, 0), (3, 0), (4, 2), (7, 1)),
  ((0, 0), (2, 1), (4, 2), (6, 1)),
  tuple((half, 0) for half in range(8)),
)
_KICKS = ((0, 2), (0, 1, 2, 3), (0, 1.5, 2), (0, 2.5))
_BEATS_PER_BAR = 4
_BARS_PER_SECTION = 4
_MOTIF_STEPS = (-3, -2, -1, -1, 0, 1, 1, 2, 3)
_MOTIF_BEATS = (0.5, 0.5, 1.0, 1.0, 1.5, 2.0, 3.0)


@dataclasses.dataclass(frozen=True)
class Song:
  """The parameters of a piece of backing music.

  Attributes:
    tempo_bpm: beats per minute.
    tonic: pitch class of the key, 0 for C.
    mode: one of `MODES`.
    progression: scale degree of each bar's chord, from 0.
    motif: steps on the scale and lengths in beats for the melodies.
    instrument: instrument of the chords, one of `INSTRUMENTS`.
    brightness: strength of the instrument's harmonics, 0 dull to 1 bright.
    decay_s: time for which its notes ring.
    strum: half beats of the bar on which chords are struck; empty for an arpeggio.
    strings: level of held strings, 0 for none.
    bass_line: half beats of the bar and chord steps.
    drums: level of the drums, 0 for none.
    kicks: beats of the bar on which the bass drum falls.
    backing_vocals: whether the song has a second voice.
  """

  tempo_bpm: float
  tonic: int
  mode: str
  progression: tuple[int, ...]
  motif: tuple[tuple[int, float], ...]
  instrument: str
  brightness: float
  decay_s: float
  strum: tuple[int, ...]
  strings: float
  bass_line: tuple[tuple[int, int], ...]
  drums: float
  kicks: tuple[float, ...]
  backing_vocals: bool

  @classmethod
  def draw(cls, rng: np.random.Generator, backing_vocals: float = 0.0) -> "Song":
    """Draws a random song, which has backing vocals with the given probability."""
    return cls(
      tempo_bpm=rng.uniform(66, 140),
      tonic=int(rng.integers(12)),
      mode=str(rng.choice(list(MODES))),
      progression=PROGRESSIONS[rng.integers(len(PROGRESSIONS))],
      motif=tuple((int(rng.choice(_MOTIF_STEPS)), float(rng.choice(_MOTIF_BEATS))) for _ in range(8)),
      instrument=str(rng.choice(INSTRUMENTS)),
      brightness=rng.uniform(0.2, 0.9),
      decay_s=rng.uniform(0.3, 1.5),
      strum=_STRUMS[rng.integers(len(_STRUMS))],
      strings=float(rng.uniform(0.2, 0.8) * (rng.uniform() < 0.5)),
      bass_line=_BASS_LINES[rng.integers(len(_BASS_LINES))],
      drums=float(rng.uniform(0.3, 1.0) * (rng.uniform() < 0.75)),
      kicks=_KICKS[rng.integers(len(_KICKS))],
      backing_vocals=bool(rng.uniform() < backing_vocals),
    )

  @property
  def identity(self) -> tuple:
    """The tune, independent of key, tempo and arrangement."""
    return (self.mode, self.progression, self.motif)

  @property
  def beat_s(self) -> float:
    return 60 / self.tempo_bpm

  def midi(self, degree: int) -> int:
    """Returns the MIDI number of a scale degree; degree 0 is the tonic above middle C, 7 the octave above it."""
    scale = MODES[self.mode]
    return 60 + self.tonic + 12 * (degree // 7) + scale[degree % 7]


def play(song: Song, duration_s: float, rng: np.random.Generator) -> np.ndarray:
  """Renders the song from its first bar. -> float32 [n] at 16 kHz, RMS 0.1."""
  total = round(duration_s * SAMPLE_RATE_HZ)
  wave = np.zeros(total + 8 * SAMPLE_RATE_HZ, np.float32)
  bar_s = _BEATS_PER_BAR * song.beat_s
  kick, snare, hat = _kick(), _snare(rng), _hat(rng)
  instrument = functools.cache(lambda midi: _INSTRUMENTS[song.instrument](midi, song.brightness, song.decay_s, rng))
  bass = functools.cache(lambda midi: _bass(midi, song.beat_s))
  strings = functools.cache(lambda midi: _strings(midi, bar_s, rng))

  def add(tone: np.ndarray, time_s: float, gain: float) -> None:
    start = round(time_s * SAMPLE_RATE_HZ)
    if start < total:
      wave[start : start + len(tone)] += gain * tone

  for bar in range(int(np.ceil(duration_s / bar_s))):
    if bar % _BARS_PER_SECTION == 0:
      # Sections differ, as verse and chorus do: some parts rest, but never all of them.
      chords, low, beat, held = rng.uniform(size=4) < (0.9, 0.85, 0.85, 0.6)
      chords |= not (low or beat)
    degree = song.progression[bar % len(song.progression)]
    chord = [song.midi(degree + step) - 12 for step in (0, 2, 4, 7)]
    start_s = bar * bar_s
    if held and song.strings:
      for midi in chord[:3]:
        add(strings(midi), start_s, 0.35 * song.strings)
    for half in range(2 * _BEATS_PER_BAR):
      time_s = start_s + half * song.beat_s / 2
      if chords:
        struck = chord if half in song.strum else [] if song.strum else [chord[half % 4]]
        for number, midi in enumerate(struck):
          # A guitar chord is struck string by string.
          add(instrument(midi), time_s + 0.012 * number * (song.instrument == "guitar"), 0.25 * rng.uniform(0.8, 1.1))
      if low:
        for at, step in song.bass_line:
          if at == half:
            add(bass(chord[step] - 12), time_s, 0.45)
      if beat and song.drums:
        add(hat, time_s, 0.18 * song.drums * rng.uniform(0.6, 1.0))
        if half / 2 in song.kicks:
          add(kick, time_s, 0.9 * song.drums)
        if half in (2, 6):
          add(snare, time_s, 0.4 * song.drums)
  wave = wave[:total]
  return wave * np.float32(0.1 / (np.sqrt(np.mean(wave**2)) + 1e-9))


def melody(
  song: Song, start_s: float, duration_s: float, center_midi: int, rng: np.random.Generator, pace: float = 1.0
) -> tuple[Note, ...]:
  """Draws a tune from the song's motif, on its scale and beat. Onsets count from `start_s` in the song.

  The notes are `pace` times as fast as the motif, but never shorter than 0.12 s, which is as fast as words are sung.

  The first note lasts until the next beat, which aligns the tune with the backing. One note in five departs from the
  motif, so that lines differ.
  """
  degrees = _singable(song, center_midi)
  index = len(degrees) // 2 + int(rng.integers(-1, 2))
  at = int(rng.integers(len(song.motif)))
  notes = []
  onset_s = 0.0
  length_s = song.beat_s - start_s % song.beat_s
  if length_s < 0.25:
    length_s += song.beat_s
  while onset_s < duration_s:
    notes.append(Note(onset_s, length_s, song.midi(degrees[index])))
    onset_s += length_s
    step, beats = song.motif[at % len(song.motif)]
    if rng.uniform() < 0.2:
      step, beats = int(rng.choice(_MOTIF_STEPS)), float(rng.choice(_MOTIF_BEATS))
    length_s = max(song.beat_s * beats / pace, min(0.12, song.beat_s * beats))
    at += 1
    # A step that would leave the voice's range is reversed.
    if not 0 <= index + step < len(degrees):
      step = -step
    index = int(np.clip(index + step, 0, len(degrees) - 1))
  return tuple(notes)


def second_voice(song: Song, tune: tuple[Note, ...], center_midi: int) -> tuple[Note, ...]:
  """Moves a tune two steps of the scale up or down, in another voice's range."""
  degrees = {song.midi(degree): degree for degree in range(-28, 36)}
  notes = []
  for note in tune:
    midi = song.midi(degrees[note.midi] + (2 if center_midi >= note.midi else -2))
    midi += 12 * round((center_midi - midi) / 12)
    notes.append(dataclasses.replace(note, midi=midi))
  return tuple(notes)


def _singable(song: Song, center_midi: int) -> list[int]:
  """Returns the scale degrees within a voice's comfortable octave."""
  return [degree for degree in range(-28, 36) if center_midi - 5 <= song.midi(degree) <= center_midi + 7]


def _times(duration_s: float) -> np.ndarray:
  return np.arange(round(duration_s * SAMPLE_RATE_HZ), dtype=np.float32) / SAMPLE_RATE_HZ


def _hz(midi: float) -> float:
  return 440 * 2 ** ((midi - 69) / 12)


def _ends(wave: np.ndarray, t: np.ndarray, attack_s: float, release_s: float) -> np.ndarray:
  return (wave * np.clip(t / attack_s, 0, 1) * np.clip((t[-1] - t) / release_s, 0, 1)).astype(np.float32)


def _harmonics(t: np.ndarray, hz: float, levels: np.ndarray) -> np.ndarray:
  """Sums the harmonics below 7 kHz. levels [K] or [K,n] -> [n]."""
  wave = np.zeros_like(t)
  for number, level in enumerate(levels, start=1):
    if number * hz > 7000:
      break
    wave += level * np.sin(2 * np.pi * number * hz * t)
  return wave


def _piano(midi: int, brightness: float, decay_s: float, _rng: np.random.Generator) -> np.ndarray:
  t = _times(min(3 * decay_s, 3.0))
  numbers = np.arange(1, 9, dtype=np.float32)[:, None]
  levels = brightness ** (numbers - 1) / numbers**0.5 * np.exp(-t * (0.6 + 0.4 * numbers) / decay_s)
  return _ends(_harmonics(t, _hz(midi), levels), t, 0.005, 0.02)


def _electric_piano(midi: int, brightness: float, decay_s: float, _rng: np.random.Generator) -> np.ndarray:
  """Synthesizes frequency modulation with two operators, as in bell-like keyboards."""
  t = _times(min(3 * decay_s, 3.0))
  bell = 2.5 * brightness * np.exp(-4 * t / decay_s) * np.sin(2 * np.pi * 2 * _hz(midi) * t)
  return _ends(np.sin(2 * np.pi * _hz(midi) * t + bell) * np.exp(-1.2 * t / decay_s), t, 0.005, 0.02)


def _guitar(midi: int, brightness: float, decay_s: float, rng: np.random.Generator) -> np.ndarray:
  """Synthesizes a plucked string (Karplus and Strong): a recirculating burst of noise that loses its treble."""
  t = _times(min(3 * decay_s, 3.0))
  period = SAMPLE_RATE_HZ / _hz(midi) - 0.5
  whole = int(period)
  mix = period - whole
  loss = 10 ** (-3 / (_hz(midi) * 3 * decay_s))
  feedback = np.zeros(whole + 3)
  feedback[0] = 1.0
  feedback[whole : whole + 3] = -loss * 0.5 * np.array([1 - mix, 1.0, mix])
  burst = np.zeros(len(t))
  burst[: whole + 1] = signal.lfilter(
    [0.3 + 0.7 * brightness], [1, -0.7 * (1 - brightness)], rng.normal(size=whole + 1)
  )
  return _ends(signal.lfilter([1.0], feedback, burst), t, 0.002, 0.02)


def _organ(midi: int, brightness: float, decay_s: float, _rng: np.random.Generator) -> np.ndarray:
  t = _times(min(decay_s, 1.0))
  levels = np.array([0.8, 0.6, 0.5 * brightness, 0.4, 0.0, 0.3 * brightness, 0.0, 0.4 * brightness], np.float32)
  return _ends(0.5 * _harmonics(t, _hz(midi), levels), t, 0.02, 0.06)


_INSTRUMENTS: dict[str, Callable[[int, float, float, np.random.Generator], np.ndarray]] = {
  "piano": _piano,
  "electric piano": _electric_piano,
  "guitar": _guitar,
  "organ": _organ,
}


def _strings(midi: int, duration_s: float, rng: np.random.Generator) -> np.ndarray:
  """Synthesizes two players who are slightly out of tune and swell."""
  t = _times(duration_s * 1.05)
  levels = (1 / np.arange(1, 13) ** 1.3).astype(np.float32)
  wave = sum(_harmonics(t, _hz(midi + rng.normal(0, 0.06)), levels) for _ in range(2))
  return _ends(0.5 * np.asarray(wave), t, 0.25, 0.2)


def _bass(midi: int, duration_s: float) -> np.ndarray:
  while midi > 43:
    midi -= 12
  t = _times(duration_s * 0.95)
  levels = (1 / np.arange(1, 6) ** 1.6).astype(np.float32)
  return _ends(_harmonics(t, _hz(midi), levels) * np.exp(-1.5 * t), t, 0.01, 0.02)


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
