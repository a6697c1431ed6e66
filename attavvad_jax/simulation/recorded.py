"""Recorded voices and music in place of synthesized ones, from a folder of the user's.

The folder holds `speech/SPEAKER/...` and `music/...`, as `python -m tools.get_sounds` makes it, or audio files in the
layout of LibriSpeech (19-198-0001.flac), VocalSet (female1/...) or MUSAN (speech/, music/). Speakers and pieces are
divided among the splits of the simulation; a speaker whose name begins with a language, such as es-letters, goes with
all others of that language.

A recorded voice speaks its own words. It sings through the vocoder: its pitch follows a melody and its vowels are held.
Speech goes through the vocoder too, so that the vocoder's sound does not reveal the act. The mouth follows the waveform
by the same rule as for synthesized voices (`voices`).

Axes: n samples at 16 kHz, T frames of 5 ms.
"""

import collections
from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import functools
import hashlib
import os
from pathlib import Path
import re

import numpy as np

from attavvad_jax.filenames import AUDIO_SUFFIXES
from attavvad_jax.simulation import vocoder, voices
from attavvad_jax.simulation.cast import SPLITS
from attavvad_jax.simulation.vocoder import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from attavvad_jax.simulation.voices import LEGATO, Note, Phrasing, Utterance, Voice

# The splits of languages and pieces, in turn from the one with the most recordings.
_TURNS = ("train", "train", "test", "train", "train", "validation", "train", "test", "train", "train")
_SUFFIXES = (*AUDIO_SUFFIXES, ".g722")
_LIBRISPEECH = re.compile(r"(\d+)-\d+-\d+")
_VOCALSET = re.compile(r"(fe)?male\d+")
_LANGUAGE = re.compile(r"([a-z]{2,3})-")
# Pauses within recorded speech are shortened to this.
_PAUSE_S = 0.15


@dataclasses.dataclass(frozen=True)
class Sounds:
  """The recorded voices and pieces of a folder.

  Attributes:
    speakers: files of each speaker, by split and speaker.
    music: files of the pieces, by split.
    digest: a digest of all names and sizes.
  """

  speakers: Mapping[str, Mapping[str, tuple[str, ...]]]
  music: Mapping[str, tuple[str, ...]]
  digest: str

  def speaker(self, split: str, number: int) -> tuple[str, ...] | None:
    """Returns the files of the speaker with a number, which wraps around; None if the split has no speaker."""
    names = sorted(self.speakers[split])
    return self.speakers[split][names[number % len(names)]] if names else None


@functools.lru_cache(maxsize=4)
def find_sounds(folder: str) -> Sounds:
  """Finds the speakers and pieces in a folder.

  Raises:
    ValueError: the folder holds no speech.
  """
  root = Path(folder)
  speakers: dict[str, list[str]] = {}
  pieces: list[str] = []
  sha256 = hashlib.sha256()
  for path in sorted(root.rglob("*")):
    if path.suffix.lower() not in _SUFFIXES:
      continue
    place = path.relative_to(root)
    sha256.update(f"{place.as_posix()} {os.path.getsize(path)}\n".encode())
    if (speaker := _speaker(place)) is not None:
      speakers.setdefault(speaker, []).append(str(path))
    elif "music" in place.parts:
      pieces.append(str(path))
  if not speakers:
    raise ValueError(
      f"{folder}: no recorded speech found; expected speech/SPEAKER/... with audio files, or the layout of "
      "LibriSpeech, VocalSet or MUSAN; python -m tools.get_sounds of a checkout makes such a folder"
    )
  languages = collections.Counter(_language(name) for name, files in speakers.items() for _ in files)
  split_of_language = _divide(languages)
  split_of_piece = _divide(dict.fromkeys(pieces, 1))
  return Sounds(
    {
      split: {name: tuple(files) for name, files in speakers.items() if split_of_language[_language(name)] == split}
      for split in SPLITS
    },
    {split: tuple(piece for piece in pieces if split_of_piece[piece] == split) for split in SPLITS},
    sha256.hexdigest(),
  )


def _speaker(place: Path) -> str | None:
  """Returns the speaker of a file at a place in the folder; None if the file is no voice."""
  if match := _LIBRISPEECH.fullmatch(place.stem):
    return f"librispeech {match[1]}"
  for part in place.parts:
    if _VOCALSET.fullmatch(part):
      return f"vocalset {part}"
  if "speech" in place.parts[:-1]:
    # Of MUSAN, each file is another speaker's.
    below = place.parts[place.parts.index("speech") + 1 : -1]
    return place.stem if "musan" in place.parts or not below else below[0]
  return None


def _language(speaker: str) -> str:
  match = _LANGUAGE.match(speaker)
  return match[1] if match else speaker


def _divide(sizes: Mapping[str, int]) -> dict[str, str]:
  """Divides names among the splits, so that each gets large and small ones, and training the largest."""
  names = sorted(sizes, key=lambda name: (-sizes[name], hashlib.sha256(Path(name).name.encode()).digest()))
  return {name: _TURNS[number % len(_TURNS)] for number, name in enumerate(names)}


def speak(files: Sequence[str], voice: Voice, duration_s: float, rng: np.random.Generator) -> Utterance:
  """Speaks a duration with excerpts of a speaker's recordings, with formants and pitch shifted towards `voice`."""
  track = _excerpt(files, duration_s + 0.5, rng)
  count = voices.num_frames(duration_s)
  openness, width = (values[:count] for values in _mouth(track.frames.log_envelope))
  openness = voices.draw_articulation(rng) * openness
  shift = _shift(voice)
  frames = track.frames.shifted(shift, 0.3 * voice.tilt_db_per_octave)
  frames = vocoder.Frames(frames.log_envelope[:count], frames.voicing[:count])
  wave = vocoder.synthesize(frames, track.f0_hz[:count] * shift ** rng.uniform(0, 3), 0.3 * voice.breathiness, rng)
  return voices.finish(wave[: round(duration_s * SAMPLE_RATE_HZ)], openness, width)


def sing(
  files: Sequence[str],
  voice: Voice,
  melody: tuple[Note, ...],
  duration_s: float,
  rng: np.random.Generator,
  phrasing: Phrasing = LEGATO,
) -> Utterance:
  """Sings a melody with the words of a speaker's recordings; see `voices.sing`."""
  track = _excerpt(files, min(duration_s, 0.35 * len(melody) + 2), rng)
  openness, width = _mouth(track.frames.log_envelope)
  shift = _shift(voice)
  frames = track.frames.shifted(shift, 0.3 * voice.tilt_db_per_octave)
  return voices.sing_words((frames, openness, width), voice, melody, duration_s, rng, phrasing)


def play(path: str, duration_s: float, rng: np.random.Generator) -> np.ndarray:
  """Returns a part of a piece of music, of RMS 0.1 and repeated where it is too short. -> float32 [n]."""
  piece, count = read(path), round(duration_s * SAMPLE_RATE_HZ)
  start = int(rng.integers(max(1, len(piece) - count)))
  part = np.resize(piece[start : start + count], count).astype(np.float32) / 32768
  return part * np.float32(0.1 / (np.sqrt(np.mean(part**2)) + 1e-6))


@functools.lru_cache(maxsize=256)
def read(path: str) -> np.ndarray:
  """Reads an audio file. -> int16 [n] at 16 kHz; mapped from the disk where the file has this form already.

  Raises:
    MediaError: the file cannot be decoded; the message names it.
  """
  if path.endswith(".wav"):
    from scipy.io import wavfile

    with contextlib.suppress(ValueError):  # not a WAV file; FFmpeg may know it, and names it if not
      rate_hz, samples = wavfile.read(path, mmap=True)
      if rate_hz == SAMPLE_RATE_HZ and samples.dtype == np.int16 and samples.ndim == 1:
        return samples
  from attavvad_jax.media import read_audio

  return np.concatenate([np.zeros(0, np.int16), *read_audio(path, SAMPLE_RATE_HZ)])


@dataclasses.dataclass(frozen=True)
class _Track:
  """Frames of an excerpt, with its pitch in each, [T]."""

  frames: vocoder.Frames
  f0_hz: np.ndarray


def _shift(voice: Voice) -> float:
  """Returns the factor of the formants that makes one speaker many people."""
  return voice.formant_scale / (1.16 if voice.sex == "female" else 0.98)


def _mouth(log_envelope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Computes openness and width of the mouth; microphones differ, so the range of vowels is the recording's own."""
  low, high = np.percentile(voices.first_formant_db(log_envelope), (10, 95))
  return voices.mouth(log_envelope, (low, max(high, low + 6)))


def _excerpt(files: Sequence[str], duration_s: float, rng: np.random.Generator) -> _Track:
  """Joins random parts of recordings, with short pauses."""
  pieces: list[np.ndarray] = []
  length, count = 0, round(duration_s * SAMPLE_RATE_HZ)
  while length < count:
    samples = read(files[int(rng.integers(len(files)))])
    # Of a long recording, a part.
    start = int(rng.integers(max(1, len(samples) - 10 * SAMPLE_RATE_HZ)))
    piece = _without_pauses(samples[start : start + min(count, 10 * SAMPLE_RATE_HZ)].astype(np.float32) / 32768)
    piece = piece * np.float32(voices.LEVEL / (np.sqrt(np.mean(piece**2)) + 1e-4))
    pause = np.zeros(round(rng.uniform(0.02, _PAUSE_S) * SAMPLE_RATE_HZ), np.float32)
    pieces += [piece, pause]
    length += len(piece) + len(pause)
  wave = np.concatenate(pieces)[:count]
  frames, f0_hz = vocoder.analyze_voice(wave)
  return _Track(frames, f0_hz)


def _without_pauses(wave: np.ndarray) -> np.ndarray:
  """Shortens the pauses of a recording to `_PAUSE_S`, and removes those at its ends."""
  hop = vocoder.HOP
  parts = wave[: len(wave) // hop * hop].reshape(-1, hop)
  if not len(parts):
    return wave
  level_db = 10 * np.log10(np.mean(parts**2, axis=1) + 1e-10)
  loud = np.flatnonzero(level_db > np.percentile(level_db, 95) - 32)
  longest = round(_PAUSE_S * FRAME_RATE_HZ)
  gaps = np.diff(loud, append=loud[-1] + 1)
  keep = np.concatenate([np.arange(i, i + min(gap, longest)) for i, gap in zip(loud, gaps, strict=True)])
  return parts[keep].reshape(-1)
