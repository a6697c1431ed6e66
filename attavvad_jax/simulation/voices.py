"""Voices: speech and singing of a person from one vocal tract, with the matching mouth movements.

Speech and singing start from the same monotone pseudo-words of the synthesizer. Speech gets an intonation; singing
gets a melody, and holds each vowel for the length of its note. Formants, tilt and breathiness belong to the person, so
timbre identifies the person but neither the act nor whether the camera shows the person.

The mouth follows the waveform: its opening grows with the level between 300 and 3,800 Hz (it is shut in hums and
closures), and is larger for high first formants (a) than for low ones (i, u); it is spread for high second formants
(i, e) and rounded for low ones (o, u).

Axes: n samples at 16 kHz, T frames of 5 ms.
"""

import dataclasses

import numpy as np

from attavvad_jax.simulation import synthesizer, vocoder
from attavvad_jax.simulation.vocoder import FRAME_RATE_HZ, HOP, SAMPLE_RATE_HZ

SEXES = ("female", "male")
LEVEL = 0.1  # RMS of every utterance
_ONSETS = ("", "b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "pl", "tr", "st")
_NUCLEI = ("a", "a", "e", "i", "o", "u")
_CODAS = ("", "", "", "n", "l", "s", "r")


@dataclasses.dataclass(frozen=True)
class Voice:
  """One person's voice.

  Attributes:
    sex: female or male.
    f0_hz: pitch of speech.
    formant_scale: ratio of the formants to the synthesizer's, above 1 for a shorter vocal tract.
    words_per_minute: rate of speech.
    breathiness: noise in voiced frames, 0..1.
    tilt_db_per_octave: spectral tilt, negative for a dark voice.
    liveliness: range of the intonation of speech, in semitones.
    vibrato_hz: rate of vibrato.
    vibrato_semitones: depth of vibrato.
    language: language whose phonemes the words are read with.
  """

  sex: str
  f0_hz: float
  formant_scale: float
  words_per_minute: int
  breathiness: float
  tilt_db_per_octave: float
  liveliness: float
  vibrato_hz: float
  vibrato_semitones: float
  language: str

  @classmethod
  def draw(cls, rng: np.random.Generator, sex: str) -> "Voice":
    """Draws a random voice of a sex."""
    female = sex == "female"
    return cls(
      sex=sex,
      f0_hz=float(np.exp(rng.normal(np.log(205.0 if female else 118.0), 0.12))),
      formant_scale=rng.uniform(1.08, 1.24) if female else rng.uniform(0.90, 1.06),
      words_per_minute=int(rng.integers(120, 215)),
      breathiness=rng.uniform(0.02, 0.35),
      tilt_db_per_octave=rng.uniform(-2.5, 2.0),
      liveliness=rng.uniform(1.5, 4.0),
      vibrato_hz=rng.uniform(4.8, 6.4),
      vibrato_semitones=rng.uniform(0.2, 0.8),
      language=str(rng.choice(synthesizer.LANGUAGES)),
    )

  @property
  def identity(self) -> tuple:
    """The voice in coarse steps; voices that sound alike are equal."""
    semitones, size = 12 * np.log2(self.f0_hz / 100), self.formant_scale / 0.03
    color = (self.tilt_db_per_octave / 1.5, self.breathiness / 0.12, self.words_per_minute / 25)
    return (self.language, self.sex, *(int(np.floor(value)) for value in (semitones, size, *color)))


@dataclasses.dataclass(frozen=True)
class Note:
  """One note of a melody: onset from the start of the melody, duration, and MIDI number (60 is middle C)."""

  onset_s: float
  duration_s: float
  midi: int


@dataclasses.dataclass(frozen=True)
class Phrasing:
  """How a melody is sung.

  Attributes:
    detached: fraction of each note that is silent at its end; 0 is legato.
    glide_s: time from one note to the next.
    scoop: semitones by which notes begin too low, for half of the notes.
    fall: semitones by which notes end too low, for a quarter of the notes.
    mistuning: standard deviation of a note's pitch from the melody, in semitones.
    wander: standard deviation of the pitch within a note, in semitones.
    vibrato: factor of the depth of the voice's vibrato.
  """

  detached: float = 0.0
  glide_s: float = 0.105
  scoop: float = 0.0
  fall: float = 0.0
  mistuning: float = 0.0
  wander: float = 0.0
  vibrato: float = 1.0

  @classmethod
  def draw(cls, rng: np.random.Generator) -> "Phrasing":
    """Draws a random way to sing; one in two has vibrato."""
    return cls(
      detached=rng.uniform(0.1, 0.5) * (rng.uniform() < 0.4),
      glide_s=rng.uniform(0.03, 0.25),
      scoop=rng.uniform(0.5, 4.0) * (rng.uniform() < 0.5),
      fall=rng.uniform(1.0, 7.0) * (rng.uniform() < 0.5),
      mistuning=rng.uniform(0.0, 0.4),
      wander=rng.uniform(0.02, 0.3),
      vibrato=rng.uniform(0.5, 2.0) * (rng.uniform() < 0.5),
    )


# One note runs into the next, in tune.
LEGATO = Phrasing()


@dataclasses.dataclass(frozen=True)
class Utterance:
  """Waveform and mouth movements of a stretch of voice.

  Attributes:
    waveform: float32 [n].
    openness: opening of the mouth, 0 shut to 1 wide open, every 5 ms. float32 [T], T = ceil(n / 80).
    width: width of the mouth, -1 rounded to 1 spread. float32 [T].
  """

  waveform: np.ndarray
  openness: np.ndarray
  width: np.ndarray


def speak(voice: Voice, duration_s: float, rng: np.random.Generator) -> Utterance:
  """Synthesizes speech without pauses that fills a duration."""
  # A pseudo-word takes about 88 s / words_per_minute.
  frames, openness, width = _words(voice, int(duration_s * voice.words_per_minute / 60) + 2, rng)
  count = num_frames(duration_s)
  # Words that are too short for the duration are slowed down: a pause within the event would contradict its label.
  positions = np.linspace(0, min(count, len(openness)) - 1, count)
  f0_hz = voice.f0_hz * 2 ** (_intonation(count, voice.liveliness, rng) / 12)
  opened = draw_articulation(rng) * _at(openness, positions)
  return _voiced(voice, frames.at(positions), f0_hz, opened, _at(width, positions), duration_s, rng)


def sing(
  voice: Voice,
  melody: tuple[Note, ...],
  duration_s: float,
  rng: np.random.Generator,
  phrasing: Phrasing = LEGATO,
) -> Utterance:
  """Sings a melody on pseudo-words, one syllable a note; the last note is held to fill the duration."""
  return sing_words(_words(voice, len(melody) // 2 + 2, rng), voice, melody, duration_s, rng, phrasing)


def sing_words(
  words: tuple[vocoder.Frames, np.ndarray, np.ndarray],
  voice: Voice,
  melody: tuple[Note, ...],
  duration_s: float,
  rng: np.random.Generator,
  phrasing: Phrasing = LEGATO,
) -> Utterance:
  """Sings a melody on given words: their frames, and openness and width of the mouth in each."""
  frames, openness, width = words
  count = num_frames(duration_s)
  positions = _hold_vowels(openness, melody, count, rng)
  f0_hz = _melody_hz(voice, melody, phrasing, count, rng)
  opened = draw_articulation(rng) * _at(openness, positions)
  held = _evened(frames.at(positions))
  if phrasing.detached:
    sounding = _sounding(melody, phrasing.detached, count)
    held = dataclasses.replace(held, log_envelope=held.log_envelope + np.log(1e-3 + sounding)[:, None])
    # Between detached notes the mouth shuts only in part.
    opened = opened * (0.4 + 0.6 * sounding)
  return _voiced(voice, held, f0_hz, opened, _at(width, positions), duration_s, rng)


def draw_articulation(rng: np.random.Generator) -> float:
  """Draws a factor of the opening of the mouth: the same range for both acts, so that size does not reveal the act."""
  return rng.uniform(0.75, 1.25)


def comfortable_midi(voice: Voice) -> int:
  """Returns the center of the singing range: a fourth above the pitch of speech."""
  return round(69 + 12 * np.log2(voice.f0_hz / 440)) + 5


def _words(voice: Voice, count: int, rng: np.random.Generator) -> tuple[vocoder.Frames, np.ndarray, np.ndarray]:
  """Synthesizes monotone words of 2 to 4 syllables in the person's timbre, without pauses, and the mouth [T], [T]."""
  text = " ".join(_word(rng) for _ in range(count))
  wave = synthesizer.synthesize(text, voice.language, voice.words_per_minute)
  frames = vocoder.analyze(wave, synthesizer.MONOTONE_HZ)
  level = _band_db(frames.log_envelope, 100, 7000)
  loud = np.flatnonzero(level > np.percentile(level, 95) - 35)
  # Only the first 60 ms of each gap are kept, which removes pauses but not stops.
  gap = np.diff(loud, append=loud[-1] + 1)
  keep = np.concatenate([np.arange(i, i + min(g, 12)) for i, g in zip(loud, gap, strict=True)])
  frames = vocoder.Frames(frames.log_envelope[keep], frames.voicing[keep])
  openness, width = mouth(frames.log_envelope)
  return frames.shifted(voice.formant_scale, voice.tilt_db_per_octave), openness, width


def _word(rng: np.random.Generator) -> str:
  syllables = (
    str(rng.choice(_ONSETS)) + str(rng.choice(_NUCLEI)) + str(rng.choice(_CODAS)) for _ in range(rng.integers(2, 5))
  )
  return "".join(syllables)


def _band_db(log_envelope: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
  """Computes the level in a band. [T,K] -> [T] dB."""
  power = np.exp(2 * log_envelope[:, round(low_hz / vocoder.BIN_HZ) : round(high_hz / vocoder.BIN_HZ)])
  return 10 * np.log10(power.sum(axis=1) + 1e-9)


def mouth(log_envelope: np.ndarray, first_db: tuple[float, float] = (-14, 6)) -> tuple[np.ndarray, np.ndarray]:
  """Computes openness and width of the mouth that produces these frames. [T,K] -> [T], [T].

  `first_db` is the range of the level around a high first formant relative to that around a low one: from i to a.
  """
  level = _band_db(log_envelope, 300, 3800)
  loud = np.clip((level - np.percentile(level, 90) + 26) / 22, 0, 1)
  first = first_formant_db(log_envelope)
  vowel = np.clip((first - first_db[0]) / (first_db[1] - first_db[0]), 0, 1)
  second = _band_db(log_envelope, 1700, 3200) - _band_db(log_envelope, 600, 1500)
  # Lips are slow: they take about 60 ms from one shape to the next.
  openness = _smooth(loud * (0.42 + 0.58 * vowel), 13)
  spread = np.clip((second + 12) / 12, -1, 1)
  # An open a also has a low second formant, but its lips are not rounded.
  width = _smooth(np.where(spread < 0, spread * (1 - vowel), spread) * loud, 25)
  return openness.astype(np.float32), width.astype(np.float32)


def first_formant_db(log_envelope: np.ndarray) -> np.ndarray:
  """Computes the level around the first formant of an a, relative to that of an i. [T,K] -> [T]."""
  return _band_db(log_envelope, 550, 1100) - _band_db(log_envelope, 150, 450)


def _smooth(x: np.ndarray, width: int) -> np.ndarray:
  window = np.hanning(width + 2)[1:-1]
  return np.convolve(np.pad(x, width // 2, mode="edge"), window / window.sum(), "valid")


def num_frames(duration_s: float) -> int:
  """Returns the number of frames of 5 ms that cover a duration; at least 2."""
  return max(2, int(np.ceil(round(duration_s * SAMPLE_RATE_HZ) / HOP)))


def _at(track: np.ndarray, positions: np.ndarray) -> np.ndarray:
  return np.interp(positions, np.arange(len(track)), track).astype(np.float32)


def _intonation(count: int, semitones: float, rng: np.random.Generator) -> np.ndarray:
  """Draws falling phrases of one to three seconds with accents. -> semitones [T]."""
  contour = np.zeros(count)
  start = 0
  while start < count:
    length = int(rng.uniform(1.0, 3.0) * FRAME_RATE_HZ)
    part = contour[start : start + length]
    part += semitones * (0.7 - 1.6 * np.arange(len(part)) / length)
    start += length
  knots = np.arange(0, count + 40, 40)
  accents = np.interp(np.arange(count), knots, rng.normal(0, 0.5 * semitones, len(knots)))
  return _smooth(contour + accents, 25)[:count]


def _hold_vowels(openness: np.ndarray, melody: tuple[Note, ...], count: int, rng: np.random.Generator) -> np.ndarray:
  """Maps time to frames of the words so that each note holds a vowel. -> fractional frames [T]."""
  peaks = _syllables(openness)
  # The most closed frame before each vowel; the vowel's own frame if the words begin with it.
  bounds = [int(a + np.argmin(openness[a : b + 1])) for a, b in zip([0, *peaks], [*peaks, len(openness)], strict=False)]
  positions = np.zeros(count)
  for number, note in enumerate(melody):
    first = min(round(note.onset_s * FRAME_RATE_HZ), count)
    last = count if number == len(melody) - 1 else min(round((note.onset_s + note.duration_s) * FRAME_RATE_HZ), count)
    length = last - first
    if length <= 0:
      break
    syllable = number % len(peaks)
    peak = peaks[syllable]
    attack = min(peak - bounds[syllable], 20, length // 3)
    end = bounds[syllable + 1] if syllable + 1 < len(bounds) else len(openness) - 1
    release = min(end - peak, 14, length // 3)
    held = length - attack - release
    drift = 1.5 * np.sin(np.linspace(0, rng.uniform(2, 5) * np.pi, held))
    positions[first:last] = np.concatenate([peak - attack + np.arange(attack), peak + drift, peak + np.arange(release)])
  return np.clip(positions, 0, len(openness) - 1)


def _evened(frames: vocoder.Frames) -> vocoder.Frames:
  """Evens out the loudness of held vowels, as singers do."""
  level = _smooth(_band_db(frames.log_envelope, 100, 7000), 41)[: len(frames.voicing)]
  gain_db = 0.6 * (np.percentile(level, 90) - level)
  return dataclasses.replace(
    frames, log_envelope=frames.log_envelope + (gain_db * np.log(10) / 20).astype(np.float32)[:, None]
  )


def _syllables(openness: np.ndarray) -> list[int]:
  """Returns the frames of the vowels: the most open ones, at least 110 ms apart."""
  order = np.argsort(-openness, kind="stable")
  taken = np.zeros(len(openness) + 44, bool)
  peaks = []
  for frame in order:
    if openness[frame] < 0.35:
      break
    if not taken[frame + 22]:
      peaks.append(int(frame))
      taken[frame : frame + 44] = True
  return sorted(peaks) or [int(order[0])]


def _melody_hz(
  voice: Voice, melody: tuple[Note, ...], phrasing: Phrasing, count: int, rng: np.random.Generator
) -> np.ndarray:
  """Computes the pitch of a sung melody, with glides between notes and delayed vibrato. -> Hz [T]."""
  semitones = np.full(count, float(melody[-1].midi))
  depth = np.zeros(count)
  bends = np.zeros(count)
  for note in melody:
    first = round(note.onset_s * FRAME_RATE_HZ)
    last = round((note.onset_s + note.duration_s) * FRAME_RATE_HZ)
    semitones[first:last] = note.midi
    held = np.arange(len(depth[first:])) / FRAME_RATE_HZ
    depth[first:] = np.clip((held - 0.2) / 0.3, 0, 1)
    if phrasing != LEGATO:
      bends[first:last] = _bend(phrasing, last - first, rng)[: len(bends[first:last])]
  semitones = _smooth(semitones + bends, 2 * round(phrasing.glide_s * FRAME_RATE_HZ / 2) + 1)[:count]
  phase = 2 * np.pi * np.cumsum(voice.vibrato_hz * (1 + 0.05 * rng.standard_normal(count))) / FRAME_RATE_HZ
  semitones = semitones + phrasing.vibrato * voice.vibrato_semitones * depth * np.sin(phase)
  return 440 * 2 ** ((semitones - 69) / 12)


def _bend(phrasing: Phrasing, count: int, rng: np.random.Generator) -> np.ndarray:
  """Draws the departure of one note from its pitch. -> semitones [T]."""
  t = np.arange(count) / FRAME_RATE_HZ
  knots = np.arange(0, count + 20, 20)
  bend = rng.normal(0, phrasing.mistuning) + np.interp(
    np.arange(count), knots, rng.normal(0, phrasing.wander, len(knots))
  )
  if rng.uniform() < 0.5:
    bend -= phrasing.scoop * np.clip(1 - t / rng.uniform(0.05, 0.2), 0, 1)
  if rng.uniform() < 0.25:
    bend -= phrasing.fall * np.clip(1 - t[::-1] / rng.uniform(0.1, 0.4), 0, 1)
  return bend


def _sounding(melody: tuple[Note, ...], detached: float, count: int) -> np.ndarray:
  """Computes where detached notes sound, with soft ends. -> 0..1 [T]."""
  sounding = np.ones(count)
  for note in melody[:-1]:
    last = (note.onset_s + note.duration_s) * FRAME_RATE_HZ
    sounding[round(last - detached * note.duration_s * FRAME_RATE_HZ) : round(last)] = 0
  return _smooth(sounding, 9)[:count].astype(np.float32)


def _voiced(
  voice: Voice,
  frames: vocoder.Frames,
  f0_hz: np.ndarray,
  openness: np.ndarray,
  width: np.ndarray,
  duration_s: float,
  rng: np.random.Generator,
) -> Utterance:
  """Synthesizes the frames, cuts them to the duration, and finishes the utterance."""
  wave = vocoder.synthesize(frames, f0_hz, voice.breathiness, rng)[: round(duration_s * SAMPLE_RATE_HZ)]
  return finish(wave, openness, width)


def finish(wave: np.ndarray, openness: np.ndarray, width: np.ndarray) -> Utterance:
  """Fades both ends of a waveform, normalizes its level in place, and shuts the mouth at both ends."""
  fade = min(len(wave) // 4, SAMPLE_RATE_HZ // 50)
  ramp = np.linspace(0, 1, fade, dtype=np.float32)
  wave[:fade] *= ramp
  wave[len(wave) - fade :] *= ramp[::-1]
  wave *= LEVEL / (np.sqrt(np.mean(wave**2)) + 1e-9)
  shut = np.clip(np.minimum(np.arange(len(openness)), np.arange(len(openness))[::-1]) / 10, 0, 1)
  return Utterance(wave, np.clip(openness * shut, 0, 1).astype(np.float32), width)
