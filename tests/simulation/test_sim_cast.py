import itertools

import numpy as np
import pytest

from attavvad_jax.simulation.cast import PEOPLE, SPLITS, draw_for, person, split_of
from attavvad_jax.simulation.scenes import draw_scene

NUMBERS = (0, 1, 2, 57, 203)


def test_splits_get_their_fractions_of_the_identities():
  splits = [split_of(("tune", number)) for number in range(4000)]
  fractions = {split: splits.count(split) / len(splits) for split in SPLITS}
  assert fractions == pytest.approx({"train": 0.60, "validation": 0.15, "test": 0.25}, abs=0.03)


@pytest.mark.parametrize("split", SPLITS)
def test_draw_is_repeated_until_the_identity_belongs_to_the_split(split):
  numbers = iter(range(10_000))
  drawn = [draw_for(split, lambda: next(numbers), lambda number: (number,)) for _ in range(50)]
  assert {split_of((number,)) for number in drawn} == {split}
  skipped = sorted(set(range(drawn[-1])) - set(drawn))
  assert skipped
  assert split not in {split_of((number,)) for number in skipped}


def test_casts_are_finite_and_half_women_half_men():
  for split in SPLITS:
    assert person(split, 3, 1) == person(split, 3, 1 + PEOPLE[split])
    assert person(split, 3, 1) != person(split, 3, 3)
    sexes = [person(split, 3, number).sex for number in range(10)]
    assert sexes.count("female") == sexes.count("male") == 5
    assert all(who.voice.sex == who.sex for who in (person(split, 3, number) for number in NUMBERS))


def test_people_of_different_seeds_differ():
  assert person("train", 0, 5).voice != person("train", 1, 5).voice
  assert person("train", 0, 5).face != person("train", 1, 5).face


@pytest.mark.slow
def test_splits_share_no_voice_face_tune_or_place():
  """Identities are compared across seeds: training on one data set must not help on the test split of another."""
  seen = {split: {"voice": set(), "face": set(), "tune": set(), "place": set()} for split in SPLITS}
  for split, seed in itertools.product(SPLITS, (0, 1)):
    for index in range(60):
      scene = draw_scene(seed, index, split, preset="hard")
      people = [scene.performer, *(who for part in scene.parts for who in (part.voice, part.backing_voice) if who)]
      seen[split]["voice"] |= {who.voice.identity for who in people}
      seen[split]["face"] |= {who.face.identity for who in people}
      seen[split]["tune"].add(scene.song.identity)
      seen[split]["place"].add(scene.camera.identity)
  for kind in ("voice", "face", "tune", "place"):
    assert min(len(seen[split][kind]) for split in SPLITS) > 50
    for a, b in itertools.combinations(SPLITS, 2):
      assert not seen[a][kind] & seen[b][kind]


def test_identities_are_coarse():
  """A voice with an inaudible difference usually has the same identity."""
  same = 0
  for number in range(200):
    voice = person("train", 0, number).voice
    nearly = type(voice)(**{**vars(voice), "f0_hz": voice.f0_hz * 1.002, "vibrato_hz": voice.vibrato_hz + 0.1})
    same += nearly.identity == voice.identity
  assert same > 180
  assert all(type(value) in (int, str) for value in voice.identity)


def test_voices_of_a_cast_cover_both_sexes_pitches_and_many_languages():
  voices = [person("train", 0, number).voice for number in range(100)]
  assert len({voice.language for voice in voices}) > 15
  pitch = {sex: np.median([voice.f0_hz for voice in voices if voice.sex == sex]) for sex in ("female", "male")}
  assert 1.5 < pitch["female"] / pitch["male"] < 2.0
