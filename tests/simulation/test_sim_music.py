import dataclasses

import numpy as np
import pytest
from scipy import signal

from attavvad_jax.simulation import music, noise
from attavvad_jax.simulation.music import INSTRUMENTS, MODES, Song

RATE_HZ = 16_000


def song(number=0, **changes):
  return dataclasses.replace(Song.draw(np.random.default_rng(number)), **changes)


def in_key(piece, midi):
  return (midi - piece.tonic) % 12 in MODES[piece.mode]


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_instruments_play_their_note(instrument):
  wave = music._INSTRUMENTS[instrument](57, 0.5, 1.0, np.random.default_rng(0))
  assert np.isfinite(wave).all()
  wave = wave[1600:9600] * np.hanning(8000)
  agreement = signal.correlate(wave, wave, "full")[7999:]
  period = 40 + np.argmax(agreement[40:110])  # 145 to 400 Hz
  assert RATE_HZ / period == pytest.approx(220.0, rel=0.02)


@pytest.mark.parametrize("number", range(6))
def test_song_fills_its_time_at_one_level(number):
  wave = music.play(song(number), 12.3, np.random.default_rng(0))
  assert wave.shape == (round(12.3 * RATE_HZ),)
  assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.1, rel=1e-3)
  # There is no pause longer than a bar and a half at the slowest tempo.
  windows = wave[: len(wave) // 80000 * 80000].reshape(-1, 80000)
  assert np.abs(windows).max(axis=1).min() > 0.02


def test_most_of_the_songs_energy_lies_on_the_notes_of_its_key():
  piece = song(1, drums=0.0, tonic=2, mode="major", instrument="organ", strings=0.5)
  power = np.abs(np.fft.rfft(music.play(piece, 20.0, np.random.default_rng(0)))) ** 2
  hz = np.fft.rfftfreq(20 * RATE_HZ, 1 / RATE_HZ)
  inside = (hz > 60) & (hz < 700)
  nearest = np.round(69 + 12 * np.log2(np.maximum(hz, 1) / 440)).astype(int)
  # D major has neither the minor third nor the minor second; overtones up to the seventh stay close to the key.
  outside = inside & np.isin((nearest - piece.tonic) % 12, (1, 3, 8))
  assert power[outside].sum() < 0.1 * power[inside].sum()


@pytest.mark.parametrize("number", range(8))
def test_melody_stays_in_key_and_range_and_on_the_beat(number):
  piece = song(number)
  tune = music.melody(piece, 3.3, 9.0, 55, np.random.default_rng(number))
  assert all(in_key(piece, note.midi) for note in tune)
  assert all(50 <= note.midi <= 62 for note in tune)
  beats = [(3.3 + note.onset_s) / piece.beat_s for note in tune[1:]]
  np.testing.assert_allclose(np.round(2 * np.array(beats)) / 2, beats, atol=1e-6)


def test_a_faster_pace_shortens_the_notes_but_not_below_those_of_words():
  piece = song(1)
  slow, fast, fastest = (music.melody(piece, 0.0, 30.0, 55, np.random.default_rng(1), pace) for pace in (1, 2, 50))
  assert len(fast) == pytest.approx(2 * len(slow), rel=0.2)
  assert min(note.duration_s for note in fastest) == pytest.approx(0.12)


def test_melodies_of_one_song_are_more_alike_than_those_of_two():
  def steps(piece, seed):
    midi = [note.midi for note in music.melody(piece, 0.0, 60.0, 55, np.random.default_rng(seed))]
    degrees = {piece.midi(degree): degree for degree in range(-28, 36)}
    numbers = [degrees[m] for m in midi]
    return {tuple(np.diff(numbers[i : i + 4])) for i in range(len(numbers) - 4)}

  def shared(a, b):
    return len(a & b) / min(len(a), len(b))

  pieces = [song(number) for number in range(8)]
  same = np.mean([shared(steps(piece, 1), steps(piece, 2)) for piece in pieces])
  different = np.mean([shared(steps(a, 1), steps(b, 2)) for a in pieces for b in pieces if a is not b])
  assert same > different + 0.1


def test_second_voice_sings_a_third_away_in_the_key():
  piece = song(2)
  tune = music.melody(piece, 0.0, 10.0, 55, np.random.default_rng(0))
  second = music.second_voice(piece, tune, 62)
  for a, b in zip(tune, second, strict=True):
    assert (a.onset_s, a.duration_s) == (b.onset_s, b.duration_s)
    assert in_key(piece, b.midi)
    assert abs(b.midi - 62) <= 6
    assert (b.midi - a.midi) % 12 in (3, 4, 8, 9)


@pytest.mark.parametrize("name", ["crowd", "applause", "cheers", "clicks"])
def test_noises_are_present_in_every_block_at_one_level(name):
  wave = getattr(noise, name)(4 * RATE_HZ, np.random.default_rng(0))
  assert wave.shape == (4 * RATE_HZ,)
  assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.1, rel=1e-3)
  blocks = np.sqrt((wave[: len(wave) // 5333 * 5333].reshape(-1, 5333) ** 2).mean(axis=1))
  assert blocks.min() > 0.01


def test_loudspeaker_removes_bass_and_treble():
  wave = np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32)
  hz, power = signal.welch(noise.loudspeaker(wave, np.random.default_rng(1)), RATE_HZ, nperseg=1024)
  middle = power[(hz > 800) & (hz < 2000)].mean()
  assert power[hz < 80].mean() < 0.05 * middle
  assert power[hz > 7500].mean() < 0.3 * middle


def test_reverberation_lasts_as_long_as_the_room_says():
  impulse = np.zeros(2 * RATE_HZ, np.float32)
  impulse[0] = 1
  room = noise.Room(decay_s=0.8, wet=0.5, tone_db=-60, hum_hz=0)
  tail = noise.reverberate(impulse, room, np.random.default_rng(0))[200:]
  # Schroeder's backward integral: three times the time from -5 to -25 dB.
  left = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / (tail**2).sum() + 1e-12)
  fall_s = (np.argmax(left < -25) - np.argmax(left < -5)) / RATE_HZ
  assert 3 * fall_s == pytest.approx(0.8, rel=0.15)
