"""Recorded voices and music: found in folders of several layouts, divided among the splits, spoken and sung."""

import dataclasses

import numpy as np
import pytest
from scipy import signal
from scipy.io import wavfile

from attavvad_jax.media import MediaError
from attavvad_jax.simulation import recorded, vocoder
from attavvad_jax.simulation.cast import SPLITS, person
from attavvad_jax.simulation.difficulty import preset
from attavvad_jax.simulation.scenes import draw_scene, render_stems
from attavvad_jax.simulation.voices import LEVEL, Note, Voice, speak

RATE_HZ = 16_000


def write(path, samples, rate_hz=RATE_HZ):
  path.parent.mkdir(parents=True, exist_ok=True)
  wavfile.write(path, rate_hz, np.round(32767 * np.clip(samples, -1, 1)).astype(np.int16))


def tone(hz, seconds=1.0):
  """A sound of ten harmonics with a slow rhythm, as a voice has."""
  t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
  wave = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 11))
  return 0.2 * wave * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * t))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder with one speaker of each of ten languages, and ten pieces."""
  root = tmp_path_factory.mktemp("sounds")
  for number in range(10):
    voice = Voice.draw(np.random.default_rng([8, number]), "male")
    for part in range(2):
      spoken = speak(voice, 3.0, np.random.default_rng([number, part])).waveform
      write(root / "speech" / f"{'abcdefghij'[number]}a-somebody" / f"{part}.wav", spoken)
    write(root / "music" / f"piece {number}.wav", tone(100 + 20 * number, 4.0))
  return str(root)


def test_every_split_has_voices_and_music_and_none_in_common(folder):
  sounds = recorded.find_sounds(folder)
  for kinds in (sounds.speakers, sounds.music):
    assert set(kinds) == set(SPLITS)
    assert all(kinds.values())
    names = [name for split in SPLITS for name in kinds[split]]
    assert len(names) == len(set(names)) == 10
  assert len(sounds.speakers["train"]) > len(sounds.speakers["test"])


def test_all_speakers_of_a_language_are_in_one_split(tmp_path):
  for number in range(8):
    for who in ("one", "two"):
      write(tmp_path / "speech" / f"{'abcdefgh'[number]}x-{who}" / "a.wav", tone(100))
  speakers = recorded.find_sounds(str(tmp_path)).speakers
  splits = {name: split for split in SPLITS for name in speakers[split]}
  assert all(splits[name] == splits[name.replace("one", "two")] for name in splits)


def test_layouts_of_known_corpora_are_read(tmp_path):
  write(tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121" / "84-121-0001.wav", tone(100))
  write(tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121" / "84-121-0002.wav", tone(100))
  write(tmp_path / "FULL" / "female1" / "scales" / "slow" / "f1_scales.wav", tone(200))
  write(tmp_path / "musan" / "speech" / "librivox" / "speech-0001.wav", tone(100))
  write(tmp_path / "musan" / "speech" / "librivox" / "speech-0002.wav", tone(100))
  write(tmp_path / "musan" / "music" / "fma" / "music-0001.wav", tone(100))
  write(tmp_path / "musan" / "noise" / "free-sound" / "noise-0001.wav", tone(100))
  sounds = recorded.find_sounds(str(tmp_path))
  speakers = {name: len(files) for split in SPLITS for name, files in sounds.speakers[split].items()}
  assert speakers == {"librispeech 84": 2, "vocalset female1": 1, "speech-0001": 1, "speech-0002": 1}
  assert [len(sounds.music[split]) for split in SPLITS] == [1, 0, 0]


def test_a_folder_without_speech_is_refused(tmp_path):
  write(tmp_path / "music" / "a.wav", tone(100))
  with pytest.raises(ValueError, match=r"no recorded speech found; expected speech/SPEAKER/"):
    recorded.find_sounds(str(tmp_path))


def test_the_digest_changes_with_a_file(tmp_path):
  write(tmp_path / "speech" / "a" / "a.wav", tone(100))
  before = recorded.find_sounds(str(tmp_path)).digest
  write(tmp_path / "speech" / "a" / "b.wav", tone(100))
  recorded.find_sounds.cache_clear()
  assert recorded.find_sounds(str(tmp_path)).digest != before


def test_files_are_read_at_16_khz(tmp_path):
  write(tmp_path / "a.wav", tone(200, 1.0))
  t = np.arange(44_100) / 44_100
  write(tmp_path / "b.wav", 0.3 * np.sin(2 * np.pi * 440 * t), 44_100)
  assert len(recorded.read(str(tmp_path / "a.wav"))) == RATE_HZ
  samples = recorded.read(str(tmp_path / "b.wav"))
  assert samples.dtype == np.int16
  assert len(samples) == pytest.approx(RATE_HZ, abs=100)
  assert np.argmax(np.abs(np.fft.rfft(samples))) * RATE_HZ / len(samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("hz", [90.0, 150.0, 240.0, 400.0])
def test_the_pitch_of_a_recording_is_found(hz):
  frames, f0_hz = vocoder.analyze_voice(tone(hz))
  inner = slice(20, -20)
  np.testing.assert_allclose(f0_hz[inner], hz, rtol=0.01)
  assert np.median(frames.voicing[inner]) > 0.9


def test_noise_is_unvoiced():
  frames, _ = vocoder.analyze_voice(0.1 * np.random.default_rng(0).standard_normal(RATE_HZ))
  assert np.median(frames.voicing) < 0.3


def test_the_envelope_of_a_recording_is_its_filter_whatever_the_pitch():
  # Pulses through one resonance at 1,200 Hz.
  b, a = signal.iirpeak(1200, 6, fs=RATE_HZ)
  for hz in (100, 220):
    pulses = np.zeros(RATE_HZ)
    pulses[:: RATE_HZ // hz] = 1.0
    frames, _ = vocoder.analyze_voice(signal.lfilter(b, a, pulses))
    peak = np.argmax(frames.log_envelope[50:-50].mean(axis=0)) * vocoder.BIN_HZ
    assert peak == pytest.approx(1200, abs=hz / 2 + 25)


def files_of(folder):
  return recorded.find_sounds(folder).speaker("train", 0)


def test_recorded_speech_fills_its_duration_and_the_mouth_follows(folder):
  voice = person("train", 0, 0).voice
  for seed in range(4):
    made = recorded.speak(files_of(folder), voice, 3.21, np.random.default_rng(seed))
    assert made.waveform.shape == (round(3.21 * RATE_HZ),)
    assert np.isfinite(made.waveform).all()
    assert np.sqrt(np.mean(made.waveform**2)) == pytest.approx(LEVEL, rel=1e-3)
    assert made.openness.shape == made.width.shape == (-(-len(made.waveform) // 80),)
    assert (made.openness >= 0).all()
    assert (made.openness <= 1).all()
    power = np.pad(made.waveform**2, (0, -len(made.waveform) % 80)).reshape(-1, 80).mean(axis=1)
    loudness = np.convolve(np.sqrt(power), np.ones(13) / 13, "same")
    assert np.corrcoef(loudness, made.openness)[0, 1] > 0.4


def test_recorded_singing_has_the_pitch_of_the_melody(folder):
  voice = dataclasses.replace(person("train", 0, 0).voice, vibrato_semitones=0.0)
  melody = tuple(Note(0.8 * i, 0.8, 50 + step) for i, step in enumerate((0, 4, 7, 2)))
  for seed in range(3):
    made = recorded.sing(files_of(folder), voice, melody, 3.2, np.random.default_rng(seed))
    _, f0_hz = vocoder.analyze_voice(made.waveform)
    sung = [np.median(f0_hz[round(200 * (n.onset_s + 0.2)) : round(200 * (n.onset_s + 0.7))]) for n in melody]
    np.testing.assert_allclose(12 * np.log2(np.array(sung) / 440) + 69, [n.midi for n in melody], atol=0.3)


def test_music_is_a_part_of_a_piece_and_repeats_where_it_is_short(folder):
  piece = recorded.find_sounds(folder).music["train"][0]
  for seconds in (2.0, 9.5):
    played = recorded.play(piece, seconds, np.random.default_rng(1))
    assert played.shape == (round(seconds * RATE_HZ),)
    assert np.sqrt(np.mean(played**2)) == pytest.approx(0.1, rel=1e-3)


def test_a_scene_uses_recorded_voices_for_the_fraction_of_people_of_the_preset(folder, monkeypatch):
  used = []
  monkeypatch.setattr(recorded, "speak", lambda files, *rest: used.append(files) or speak(*rest))
  monkeypatch.setattr(
    recorded,
    "sing",
    lambda files, voice, _melody, duration_s, rng, _phrasing: used.append(files) or speak(voice, duration_s, rng),
  )
  people = recorded_people = 0
  for number in range(24):
    scene = draw_scene(0, number, "train", 3.0, "recorded", folder)
    used.clear()
    render_stems(scene)
    voices = {part.voice.name for part in scene.parts if part.voice is not None}
    people, recorded_people = people + bool(voices), recorded_people + bool(used)
    assert all(str(file).startswith(folder) for files in used for file in files)
  assert 0 < recorded_people < people


def test_the_same_scene_has_the_same_sound(folder):
  first, second = (draw_scene(1, 3, "test", 6.0, "recorded", folder) for _ in range(2))
  assert first == second
  before = render_stems(first).mixture
  render_stems.cache_clear()
  np.testing.assert_array_equal(before, render_stems(second).mixture)


def test_a_preset_says_whether_it_needs_sounds(folder):
  with pytest.raises(ValueError, match=r"preset 'recorded' needs a folder of recorded voices and music"):
    draw_scene(0, 0, preset="recorded")
  with pytest.raises(ValueError, match=r"preset 'live' uses no recorded sounds"):
    draw_scene(0, 0, preset="live", sounds=folder)
  assert preset("recorded").recorded_voices > 0


def test_a_damaged_recording_is_named(tmp_path):
  (tmp_path / "x.wav").write_text("nothing")
  with pytest.raises(MediaError, match=r"x\.wav: "):
    recorded.read(str(tmp_path / "x.wav"))
