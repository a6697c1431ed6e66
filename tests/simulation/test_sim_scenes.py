import dataclasses
import itertools
import json

import numpy as np
import pytest

from attavvad_jax.simulation import scenes
from attavvad_jax.simulation.difficulty import PRESETS as ALL_PRESETS
from attavvad_jax.simulation.scenes import IDLE_MOUTHS, draw_scene, face_state, render_audio, render_frame, render_stems
from attavvad_jax.simulation.voices import LEGATO

RATE_HZ = 16_000
NUMBERS = (1, 6)
VOCAL = ("speech", "singing")


# Recorded sounds have tests of their own.
PRESETS = {name: level for name, level in ALL_PRESETS.items() if name != "recorded"}


@pytest.fixture(scope="module")
def drawn():
  """Draws many scenes of each preset without rendering them."""
  return {preset: [draw_scene(0, number, preset=preset) for number in range(200)] for preset in PRESETS}


def parts(drawn, preset):
  return [part for scene in drawn[preset] for part in scene.parts]


def seconds(chosen):
  return sum(part.event.duration_s for part in chosen)


def inside(scene, chosen, shrink_s=0.0, rate_hz=RATE_HZ):
  """Returns a mask of the samples in the chosen parts. bool [n]."""
  mask = np.zeros(round(scene.duration_s * rate_hz), bool)
  for part in scene.parts:
    if chosen(part):
      first, last = part.event.onset_s + shrink_s, part.event.offset_s - shrink_s
      mask[round(first * rate_hz) : max(0, round(last * rate_hz))] = True
  return mask


def level_db(wave):
  return 10 * np.log10(np.mean(np.square(wave, dtype=np.float64)))


def test_scene_depends_only_on_seed_and_index():
  assert draw_scene(1, 2) == draw_scene(1, 2)
  assert draw_scene(1, 2) != draw_scene(1, 3)
  assert draw_scene(1, 2) != draw_scene(2, 2)
  scene = draw_scene(1, 2, duration_s=8.0, preset="hard")
  first, frame = render_audio(scene), render_frame(scene, 3.0, 240, 180)
  scenes.render_stems.cache_clear()
  render_audio(draw_scene(1, 3, duration_s=5.0))
  scenes.render_stems.cache_clear()
  np.testing.assert_array_equal(first, render_audio(scene))
  np.testing.assert_array_equal(frame, render_frame(scene, 3.0, 240, 180))


@pytest.mark.parametrize("preset", PRESETS)
def test_both_timelines_tile_the_recording(drawn, preset):
  for scene in drawn[preset][:40]:
    for timeline in (scene.timeline, scene.audio_timeline):
      events = timeline.events
      assert timeline.duration_s == 30.0
      assert events[0].onset_s == 0
      assert events[-1].offset_s == 30.0
      assert all(a.offset_s == b.onset_s and a.label != b.label for a, b in itertools.pairwise(events))


def test_timelines_follow_the_rule_of_the_labels(drawn):
  """The rule is checked at the middle of each part."""

  def label_at(timeline, time_s):
    return next(event.label for event in timeline if event.onset_s <= time_s < event.offset_s)

  for scene in drawn["hard"][:60]:
    for part in scene.parts:
      middle = (part.event.onset_s + part.event.offset_s) / 2
      anything = part.voice is not None or part.backing_db is not None
      own = part.voice == scene.performer
      assert label_at(scene.timeline, middle) == (part.act if own else "others" if anything else "silence")
      assert label_at(scene.audio_timeline, middle) == (part.act or ("others" if anything else "silence"))
      assert own == (part.source == "performer")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("preset", ["live", "hard"])
def test_stems_agree_with_the_parts(number, preset):
  scene = draw_scene(3, number, duration_s=15.0, preset=preset)
  stems = render_stems(scene)
  own = inside(scene, lambda part: part.source == "performer")
  other = inside(scene, lambda part: part.source in ("off camera", "playback"))
  assert not stems.performer[~own].any()
  assert not stems.other_voices[~other].any()
  for part in scene.parts:
    span = slice(round(part.event.onset_s * RATE_HZ), round(part.event.offset_s * RATE_HZ))
    if part.source in ("performer", "off camera"):
      # Every third of a second, the length of a block, contains voice.
      wave = (stems.performer if part.source == "performer" else stems.other_voices)[span]
      blocks = np.sqrt((wave[: len(wave) // 5333 * 5333].reshape(-1, 5333) ** 2).mean(axis=1))
      assert blocks.min(initial=1) > 0.02
    if part.event.label == "others":
      assert stems.other_voices[span].any() or stems.backing[span].any()


@pytest.mark.parametrize("number", NUMBERS)
def test_mouth_moves_exactly_when_the_parts_say_so(number):
  scene = draw_scene(3, number, duration_s=15.0, preset="hard")
  stems = render_stems(scene)
  for part in scene.parts:
    span = slice(round(part.event.onset_s * 200), round(part.event.offset_s * 200))
    track = stems.openness[span]
    if part.mouth == "shut":
      assert not track.any()
      assert not stems.smile[span].any()
    elif part.mouth in ("voice", "along", "other words", "mouthing"):
      # The mouth is open at some time in each third of a second of voice.
      assert min((track[i : i + 67].max() for i in range(0, len(track) - 67, 67)), default=1) > 0.1
    elif part.mouth == "smiling":
      assert stems.smile[span].max() > 0.3


def test_mouth_in_video_is_synchronous_with_the_performers_voice():
  scene = draw_scene(3, 0, duration_s=15.0)
  own = inside(scene, lambda part: part.mouth in ("voice", "shut"), rate_hz=200)
  envelope = np.abs(render_stems(scene).performer).reshape(-1, 80).mean(axis=1)
  envelope = np.log(np.convolve(envelope, np.ones(9) / 9, "same") + 1e-3)
  track = np.array([face_state(scene, frame / 200).openness for frame in range(len(envelope))])
  lags = range(-40, 41)
  agreement = [np.corrcoef(np.roll(track, lag)[own][50:-50], envelope[own][50:-50])[0, 1] for lag in lags]
  assert max(agreement) > 0.6
  assert abs(lags[int(np.argmax(agreement))]) <= 6


@pytest.mark.parametrize("preset", PRESETS)
def test_silence_is_room_tone(preset):
  def still(scene):
    # Reverberation has decayed after `decay_s`.
    return inside(scene, lambda part: part.event.label == "silence", shrink_s=scene.room.decay_s)

  candidates = (draw_scene(4, number, "train", 12.0, preset) for number in range(100))
  for scene in itertools.islice((scene for scene in candidates if still(scene).sum() > RATE_HZ / 2), 2):
    mixture = render_audio(scene)
    quiet = level_db(mixture[still(scene)])
    loud = level_db(mixture[inside(scene, lambda part: part.event.label != "silence")])
    assert -90 < quiet < -50
    assert quiet < loud - 25


@pytest.mark.parametrize("preset", PRESETS)
def test_mixture_has_the_length_type_and_level_of_a_recording(preset):
  stems = render_stems(draw_scene(4, 1, duration_s=7.3, preset=preset))
  assert stems.mixture.dtype == np.float32
  assert stems.mixture.shape == (round(7.3 * RATE_HZ),)
  assert 0.1 < np.abs(stems.mixture).max() <= 1.0


@pytest.mark.parametrize("number", range(4))
def test_snr_in_conditions_equals_that_of_the_stems(number):
  scene = draw_scene(6, number, duration_s=20.0, preset=("live", "hard")[number % 2])
  stems = render_stems(scene)
  own = inside(scene, lambda part: part.source == "performer")
  assert own.any()
  snr_db = level_db(stems.performer[own]) - level_db(stems.backing[own])
  assert snr_db == pytest.approx(scene.conditions["snr_db"], abs=1.0)


def test_presets_get_harder():
  easy, middle, hard = (PRESETS[name] for name in ("clean", "live", "hard"))
  for name in ("off_camera", "playback", "other_words", "idle_mouth", "noise", "codec", "occluded", "away"):
    assert getattr(easy, name) <= getattr(middle, name) <= getattr(hard, name)
  assert easy.snr_db > middle.snr_db > hard.snr_db
  assert hard.snr_db[0] <= 0


def test_only_natural_scenes_have_small_frames_a_video_codec_and_phrasings():
  for preset in ("varied", "natural"):
    some = [draw_scene(2, number, preset=preset) for number in range(40)]
    sung = [scenes._phrasing(part, scene) for scene in some for part in scene.parts if part.act == "singing"]
    if preset == "varied":
      assert {(scene.frame_size, scene.crf) for scene in some} == {((480, 360), None)}
      assert set(sung) == {(LEGATO, 1.0)}
    else:
      assert {scene.crf for scene in some} <= set(range(18, 37))
      assert min(scene.frame_size[0] for scene in some) < 240 < max(scene.frame_size[0] for scene in some) <= 480
      assert all(size % 2 == 0 for scene in some for size in scene.frame_size)
      assert np.mean([phrasing == LEGATO for phrasing, _ in sung]) == pytest.approx(0.25, abs=0.1)
      assert {pace for _, pace in sung} == {0.5, 1.0, 2.0, 3.0}


@pytest.mark.parametrize("preset", PRESETS)
def test_sources_in_others_have_the_fractions_of_the_preset(drawn, preset):
  others = [part for part in parts(drawn, preset) if part.event.label == "others"]
  level = PRESETS[preset]
  off_camera = [part for part in others if part.source == "off camera"]
  assert len(off_camera) / len(others) == pytest.approx(level.off_camera, abs=0.04)
  assert sum(part.source == "playback" for part in others) / len(others) == pytest.approx(level.playback, abs=0.03)
  assert seconds(off_camera) / seconds(others) == pytest.approx(level.off_camera, abs=0.08)


@pytest.mark.parametrize(("preset", "low", "high"), [("clean", 0, 0), ("live", 0.05, 0.1), ("hard", 0.07, 0.13)])
def test_mouths_that_move_to_other_words_are_a_small_fraction_of_others(drawn, preset, low, high):
  others = [part for part in parts(drawn, preset) if part.event.label == "others"]
  moved = [part for part in others if part.mouth in ("along", "other words")]
  assert low <= seconds(moved) / seconds(others) <= high
  assert all(part.source == "playback" for part in moved if part.mouth == "along")


@pytest.mark.parametrize("preset", PRESETS)
def test_mouths_move_without_a_voice_as_often_as_the_preset_says(drawn, preset):
  voiceless = [part for part in parts(drawn, preset) if part.source == "none"]
  idle = [part for part in voiceless if part.mouth in IDLE_MOUTHS]
  assert len(idle) / len(voiceless) == pytest.approx(PRESETS[preset].idle_mouth, abs=0.06)
  fractions = dict(zip(IDLE_MOUTHS, PRESETS[preset].idle_mouths, strict=True))
  assert {part.mouth for part in idle} == {name for name, fraction in fractions.items() if fraction and idle}
  for name, fraction in fractions.items():
    assert not idle or sum(part.mouth == name for part in idle) / len(idle) == pytest.approx(fraction, abs=0.1)


@pytest.mark.parametrize("preset", ["live", "varied"])
def test_mouths_are_idle_under_off_camera_voices_as_often_as_the_preset_says(drawn, preset):
  level = PRESETS[preset]
  foreign = [part for part in parts(drawn, preset) if part.source in ("off camera", "playback")]
  idle = [part for part in foreign if part.mouth in IDLE_MOUTHS]
  assert len(idle) / len(foreign) == pytest.approx((1 - level.other_words) * level.idle_under_voice, abs=0.04)
  assert "mouthing" not in {part.mouth for part in idle}  # mouthing under a voice would be other words


def test_grimacing_mouth_holds_poses_and_is_slower_than_speech():
  tracks = scenes._grimaces(200 * 60, np.random.default_rng(0))
  steps = np.abs(np.diff(tracks, axis=0))
  assert tracks[:, [0, 2]].min() >= -1e-6
  assert np.abs(tracks).max() <= 1
  assert (steps.max(axis=1) < 1e-6).mean() > 0.4
  assert steps.max() < 0.13  # the steepest step of a move over the full range 2 in 0.12 s
  assert (tracks[:, 0] > 0.3).mean() > 0.1


def test_articulation_scales_the_opening_of_the_mouth():
  scene = draw_scene(3, 0, duration_s=15.0)
  wide, small = (render_stems(dataclasses.replace(scene, articulation=factor)).openness for factor in (1.0, 0.3))
  voiced = inside(scene, lambda part: part.mouth == "voice", rate_hz=200)
  assert wide[: len(voiced)][voiced].max() > 0.2
  np.testing.assert_allclose(small[: len(voiced)][voiced], 0.3 * wide[: len(voiced)][voiced], atol=1e-6)


def test_smiles_are_independent_of_the_audio():
  """Teeth show for the given fraction of the time, with and without a voice, on top of its movements."""
  scene = dataclasses.replace(draw_scene(3, 0, duration_s=60.0), beaming=0.4, duration_s=600.0)
  smiles = scenes._draw_smiles(scene, np.random.default_rng(0))
  shown = np.clip(smiles[:, 1], 0, 600) - np.clip(smiles[:, 0], 0, 600)
  assert shown.sum() / 600 == pytest.approx(0.4, abs=0.06)
  assert (smiles[1:, 0] > smiles[:-1, 1]).all()

  scene = dataclasses.replace(draw_scene(3, 0, duration_s=30.0), beaming=0.5)
  sober = dataclasses.replace(scene, beaming=0.0)
  times_s = np.arange(0, 30, 0.1)
  states = [(face_state(scene, time_s), face_state(sober, time_s)) for time_s in times_s]
  beams = np.array([beaming.smile > 0.3 for beaming, _ in states])  # strengths are 0.2 to 1
  assert 0.25 < beams.mean() < 0.75
  assert all(beaming.openness >= still.openness for beaming, still in states)
  assert min(beaming.openness for (beaming, _), is_smile in zip(states, beams, strict=True) if is_smile) > 0.05
  # A smile changes nothing else in the face.
  kept = ("yaw_deg", "blink", "gaze_x", "jaw_shift")
  assert all(getattr(a, name) == getattr(b, name) for a, b in states for name in kept)


@pytest.mark.parametrize("preset", ["live", "hard"])
def test_mouth_is_hidden_for_the_given_fraction_of_the_time(drawn, preset):
  for kinds, fraction in ((("microphone", "hand"), PRESETS[preset].occluded), (("away",), PRESETS[preset].away)):
    episodes = [e for scene in drawn[preset] for e in scene.episodes if e.kind in kinds]
    actual = sum(e.offset_s - e.onset_s for e in episodes) / (30.0 * len(drawn[preset]))
    assert actual == pytest.approx(fraction, rel=0.35)


def test_frames_show_hand_microphone_and_absence(drawn):
  episodes = {e.kind: (scene, e) for scene in drawn["hard"] for e in scene.episodes if e.offset_s - e.onset_s > 1}
  for kind, (scene, episode) in episodes.items():
    short = dataclasses.replace(scene, parts=(), codec=None)  # without audio, on which the hands do not depend
    state = face_state(short, (episode.onset_s + episode.offset_s) / 2)
    if kind == "away":
      assert abs(state.shift_x) * scene.camera.head_height * 3 / 4 > 0.8
    else:
      assert state.occlusion.kind == kind
      assert abs(state.occlusion.y - 0.6) < 0.1
  assert set(episodes) == {"microphone", "hand", "away"}


def test_moving_heads_are_blurred(drawn):
  scene = dataclasses.replace(drawn["hard"][0], parts=(), codec=None, restlessness=2.5)
  fast = [face_state(scene, time_s).blur_px for time_s in np.arange(0, 20, 0.1)]
  slow = [face_state(dataclasses.replace(scene, restlessness=0.2), time_s).blur_px for time_s in np.arange(0, 20, 0.1)]
  assert np.mean(fast) > 5 * np.mean(slow) > 0


def test_off_camera_voices_are_as_loud_as_the_performers():
  loud = {"performer": [], "other_voices": []}
  for number in range(4):
    stems = render_stems(draw_scene(6, number, duration_s=8.0))
    for name, levels in loud.items():
      stem = getattr(stems, name)
      if stem.any():
        levels.append(np.sqrt((stem[stem != 0] ** 2).mean()))
  np.testing.assert_allclose(np.mean(loud["other_voices"]), np.mean(loud["performer"]), rtol=0.05)


def test_off_camera_voices_perform_in_other_scenes_of_the_split(drawn):
  performers = {scene.performer for scene in drawn["live"]}
  others = {part.voice for part in parts(drawn, "live") if part.source in ("off camera", "playback")}
  assert len(others) > 100
  # All others are performers, except those of the next scenes, which are not drawn.
  assert len(others - performers) <= 6


@pytest.mark.parametrize("trait", ["f0_hz", "formant_scale", "words_per_minute", "breathiness", "tilt_db_per_octave"])
def test_off_camera_voices_come_from_the_same_population(drawn, trait):
  performers = [getattr(scene.performer.voice, trait) for scene in drawn["live"]]
  others = [getattr(part.voice.voice, trait) for part in parts(drawn, "live") if part.source == "off camera"]
  assert len(others) > 300
  # Kolmogorov-Smirnov distance; 0.14 is its 99.9 % quantile for equal distributions of these sizes.
  grid = np.sort(performers + others)
  distance = np.abs(
    np.searchsorted(np.sort(performers), grid, "right") / len(performers)
    - np.searchsorted(np.sort(others), grid, "right") / len(others)
  ).max()
  assert distance < 0.14


def test_women_and_men_perform_and_are_audible_for_the_same_time(drawn):
  audible_s = {
    sex: seconds(p for p in parts(drawn, "live") if p.voice and p.voice.sex == sex) for sex in ("female", "male")
  }
  assert audible_s["female"] == pytest.approx(audible_s["male"], rel=0.15)
  sexes = [scene.performer.sex for scene in drawn["live"]]
  assert sexes.count("female") == sexes.count("male")


@pytest.mark.parametrize("act", VOCAL)
@pytest.mark.parametrize("preset", ["live", "hard"])
def test_backing_does_not_reveal_whose_voice_it_is(drawn, act, preset):
  levels = {"performer": [], "off camera": []}
  for part in parts(drawn, preset):
    if part.act == act and part.source in levels:
      levels[part.source].append(np.nan if part.backing_db is None else part.backing_db)
  seen, unseen = (np.array(levels[who]) for who in levels)
  assert np.isnan(seen).mean() == pytest.approx(np.isnan(unseen).mean(), abs=0.1)
  for quantile in (0.15, 0.5, 0.85):
    assert np.nanquantile(seen, quantile) == pytest.approx(np.nanquantile(unseen, quantile), abs=2.5)


def test_a_guest_does_all_the_speaking_off_camera(drawn):
  talking = 0
  for scene in drawn["hard"]:
    speakers = {part.voice for part in scene.parts if part.source == "off camera" and part.act == "speech"}
    if scene.guest is not None:
      assert speakers <= {scene.guest}
      talking += bool(speakers)
    assert scene.conditions["guest"] == bool(scene.guest and speakers)
    assert scene.guest != scene.performer
  assert talking > 50


def test_backing_vocals_occur_only_under_singing(drawn):
  sung = [part for part in parts(drawn, "hard") if part.backing_voice is not None]
  assert len(sung) > 50
  assert all(part.act == "singing" and part.music and part.backing_voice != part.voice for part in sung)


@pytest.mark.parametrize("preset", PRESETS)
def test_conditions_are_flat_and_complete(drawn, preset):
  conditions = [scene.conditions for scene in drawn[preset]]
  assert len({tuple(each) for each in conditions}) == 1
  for each in conditions:
    assert json.loads(json.dumps(each)) == each
    assert all(type(value) in (str, float, bool) for value in each.values())
    assert each["preset"] == preset
    assert all(0 <= each[name] <= 1 for name in each if name.endswith("_share"))
    assert -10 < each["snr_db"] <= 40
  if preset in ("unaccompanied", "clean"):
    assert {each["codec"] for each in conditions} == {each["occlusion"] for each in conditions} == {"none"}
  else:
    assert {each["codec"] for each in conditions} == {"none", "aac", "mp3", "opus"}
    assert len({each["bit_rate_kbps"] for each in conditions}) > 10
    assert {each["occlusion"] for each in conditions} == {"none", "microphone", "hand", "stand"}


def test_fractions_in_conditions_agree_with_the_timelines(drawn):
  for scene in drawn["hard"][:40]:
    any_voice = sum(scene.audio_timeline.total_s(label) for label in VOCAL)
    own = sum(scene.timeline.total_s(label) for label in VOCAL)
    stated = scene.conditions["off_camera_voice_share"] + scene.conditions["playback_share"]
    assert (any_voice - own) / scene.duration_s == pytest.approx(stated, abs=2e-4)


def test_unaccompanied_is_one_voice_and_listeners(drawn):
  solo = parts(drawn, "unaccompanied")
  assert {part.source for part in solo} == {"performer", "none"}
  assert not any(part.music for part in solo)
  assert all(part.event.label == "others" for part in solo if part.backing_db is not None)


@pytest.mark.parametrize(
  "wrong", [{"split": "tset"}, {"duration_s": 0.0}, {"index": -1}, {"seed": -1}, {"preset": "easy"}]
)
def test_impossible_scenes_are_refused(wrong):
  with pytest.raises(ValueError, match=r"expected"):
    draw_scene(**{"seed": 0, "index": 0, **wrong})


def test_scene_is_frozen_and_usable_as_a_key():
  scene = draw_scene(0, 0)
  assert hash(scene) == hash(draw_scene(0, 0))
  with pytest.raises(dataclasses.FrozenInstanceError):
    scene.duration_s = 3.0


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_half_a_minute_of_audio_takes_less_than_two_seconds_of_one_core(preset):
  import time

  render_stems(draw_scene(9, 0, duration_s=3.0, preset=preset))
  start = time.process_time()
  for number in range(1, 5):
    render_stems(draw_scene(9, number, preset=preset))
  assert (time.process_time() - start) / 4 < 2.0
