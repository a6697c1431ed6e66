import sys

import numpy as np
import pytest
from scipy import signal

from attavvad_jax.simulation import synthesizer, vocoder, voices
from attavvad_jax.simulation.voices import Note, Phrasing, Voice, comfortable_midi, sing, speak

RATE_HZ = 16_000


def voice(number, sex="male"):
  return Voice.draw(np.random.default_rng([8, number]), sex)


def scale(person, note_s=0.8, count=5):
  return tuple(
    Note(i * note_s, note_s, comfortable_midi(person) + step) for i, step in enumerate((0, 2, 4, 5, 7)[:count])
  )


def pitch_hz(wave, low_hz, high_hz):
  """Returns the frequency of the strongest period of a short stretch."""
  wave = wave * np.hanning(len(wave))
  lags = signal.correlate(wave, wave, "full")[len(wave) - 1 :]
  window = signal.correlate(np.hanning(len(wave)), np.hanning(len(wave)), "full")[len(wave) - 1 :]
  first, last = int(RATE_HZ / high_hz), int(RATE_HZ / low_hz)
  return RATE_HZ / (first + np.argmax(lags[first:last] / window[first:last]))


def envelope(wave):
  """Returns the loudness every 5 ms, which the mouth must follow."""
  power = np.pad(wave**2, (0, -len(wave) % 80)).reshape(-1, 80).mean(axis=1)
  return np.convolve(np.sqrt(power), np.hanning(13) / np.hanning(13).sum(), "same")


@pytest.mark.parametrize("act", [speak, lambda v, s, rng: sing(v, scale(v), s, rng)], ids=["speak", "sing"])
def test_fills_its_duration_to_the_sample(act):
  made = act(voice(0), 2.3456, np.random.default_rng(0))
  assert made.waveform.shape == (round(2.3456 * RATE_HZ),)
  assert made.openness.shape == made.width.shape == (-(-len(made.waveform) // 80),)
  assert np.isfinite(made.waveform).all()
  assert ((made.openness >= 0) & (made.openness <= 1)).all()
  loud = envelope(made.waveform)
  assert (loud > 0.02 * loud.max())[:30].any()
  assert (loud > 0.02 * loud.max())[-30:].any()


def test_same_seed_gives_same_samples_after_other_speech():
  first = speak(voice(1), 2.0, np.random.default_rng(3))
  speak(voice(2, "female"), 1.0, np.random.default_rng(4))
  again = speak(voice(1), 2.0, np.random.default_rng(3))
  np.testing.assert_array_equal(first.waveform, again.waveform)
  np.testing.assert_array_equal(first.openness, again.openness)
  assert not np.array_equal(first.waveform, speak(voice(1), 2.0, np.random.default_rng(5)).waveform)


@pytest.mark.parametrize(("number", "sex"), [(0, "female"), (1, "male"), (2, "male")])
def test_speech_has_the_pitch_of_the_voice(number, sex):
  person = voice(number, sex)
  wave = speak(person, 5.0, np.random.default_rng(0)).waveform
  starts = [i for i in range(0, len(wave) - 800, 800) if wave[i : i + 800].std() > wave.std()]
  pitches = [pitch_hz(wave[i : i + 800], person.f0_hz / 1.6, person.f0_hz * 1.6) for i in starts]
  assert np.median(pitches) == pytest.approx(person.f0_hz, rel=0.15)


@pytest.mark.parametrize("sex", ["female", "male"])
def test_singing_has_the_pitch_of_the_melody(sex):
  person = voice(3, sex)
  wave = sing(person, scale(person), 4.0, np.random.default_rng(0)).waveform
  for note in scale(person):
    hz = 440 * 2 ** ((note.midi - 69) / 12)
    middle = round((note.onset_s + 0.4) * RATE_HZ)
    assert pitch_hz(wave[middle - 1200 : middle + 1200], hz / 1.3, hz * 1.3) == pytest.approx(hz, rel=0.05)


def test_a_phrasing_bends_the_beginnings_and_ends_of_notes_and_not_their_middles():
  person = voice(3)
  melody = scale(person, 1.0)
  bent = sing(person, melody, 5.0, np.random.default_rng(3), Phrasing(scoop=3.0, fall=6.0, vibrato=0.0)).waveform
  semitones = []
  for note in melody:
    hz = 440 * 2 ** ((note.midi - 69) / 12)
    starts = np.arange(round(note.onset_s * RATE_HZ), round((note.onset_s + 1) * RATE_HZ) - 800, 160)
    pitches = np.array([pitch_hz(bent[i : i + 800], hz / 1.6, hz * 1.6) for i in starts])
    semitones.append(12 * np.log2(pitches / hz))
  middle = np.abs([note[len(note) // 2] for note in semitones])
  assert np.median(middle) < 0.3
  lowest = np.array([note.min() for note in semitones])
  assert lowest.min() < -2.0


def test_detached_notes_are_silent_at_their_ends_only():
  person = voice(4)
  melody = scale(person, 0.5, 4)
  wave = sing(person, melody, 2.0, np.random.default_rng(4), Phrasing(detached=0.4)).waveform

  def level(note, first, last):
    part = wave[round((note.onset_s + first) * RATE_HZ) : round((note.onset_s + last) * RATE_HZ)]
    return np.sqrt(np.mean(part**2))

  for note in melody[:-1]:
    assert level(note, 0.34, 0.46) < 0.1 * level(note, 0.1, 0.25)
  # The last note is held to the end.
  assert level(melody[-1], 0.34, 0.46) > 0.3 * level(melody[-1], 0.1, 0.25)


@pytest.mark.parametrize("number", range(4))
def test_mouth_follows_the_voice_without_delay(number):
  made = speak(voice(number, ("female", "male")[number % 2]), 8.0, np.random.default_rng(number))
  loud = np.log(envelope(made.waveform) + 1e-3)
  lags = range(-30, 31)
  agreement = [np.corrcoef(np.roll(made.openness, lag)[40:-40], loud[40:-40])[0, 1] for lag in lags]
  assert max(agreement) > 0.6
  assert abs(lags[int(np.argmax(agreement))]) <= 6  # 30 ms, less than one image


def test_speech_moves_the_mouth_faster_than_singing():
  person = voice(5)
  spoken = speak(person, 6.0, np.random.default_rng(0)).openness
  melody = scale(person, note_s=1.2)
  sung = sing(person, melody, 6.0, np.random.default_rng(0)).openness

  def openings_per_second(track):
    return np.count_nonzero(np.diff((track > 0.3).astype(int)) == 1) / 6

  assert 2 <= openings_per_second(spoken) <= 7
  assert openings_per_second(sung) < 0.6 * openings_per_second(spoken)
  assert sung.mean() > spoken.mean()


@pytest.mark.slow
def test_every_voice_speaks_and_sings_for_any_duration():
  for number in range(150):
    rng = np.random.default_rng(number)
    person = voice(number, ("female", "male")[number % 2])
    duration_s = 1 / 3 + 2 * rng.uniform() ** 3
    for made in (speak(person, duration_s, rng), sing(person, scale(person, 0.7), duration_s, rng)):
      assert len(made.waveform) == round(duration_s * RATE_HZ)
      assert np.sqrt(np.mean(made.waveform**2)) == pytest.approx(0.1, rel=0.01)
      assert made.openness.max() > 0.1


def test_words_that_begin_with_an_open_mouth_can_be_sung():
  """The vowel of the first note is then the first frame."""
  positions = voices._hold_vowels(np.linspace(1, 0, 60), (Note(0.0, 0.5, 60),), 100, np.random.default_rng(0))
  assert positions.shape == (100,)
  assert ((positions >= 0) & (positions <= 59)).all()


def test_error_for_a_missing_synthesizer_names_the_remedy(monkeypatch):
  monkeypatch.setitem(sys.modules, "espeakng_loader", None)
  synthesizer._library.cache_clear()
  with pytest.raises(ValueError, match=r"eSpeak NG.*pip install 'attavvad-jax\[simulation\]'"):
    synthesizer.synthesize("a", "en", 150)


def test_vocoder_keeps_the_spectrum_of_a_vowel():
  """A buzz through two resonances keeps its spectrum at another pitch."""
  buzz = (np.arange(RATE_HZ) % 180 == 0).astype(float)
  for hz in (700, 1200):
    buzz = signal.lfilter([1], [1, -2 * 0.97 * np.cos(2 * np.pi * hz / RATE_HZ), 0.97**2], buzz)
  buzz = buzz / buzz.std() * 0.1
  frames = vocoder.analyze(buzz, RATE_HZ / 180)
  again = vocoder.synthesize(frames, np.full(len(frames.voicing), 140.0), 0.0, np.random.default_rng(0))

  def bands_db(wave):
    hz, power = signal.welch(wave[2000:-2000], RATE_HZ, nperseg=2048)
    return 10 * np.log10([power[(hz >= low) & (hz < low + 400)].sum() for low in range(200, 3000, 400)])

  np.testing.assert_allclose(bands_db(again), bands_db(buzz), atol=4.0)
  assert frames.voicing[20:-20].min() > 0.9
