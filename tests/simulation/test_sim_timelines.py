import itertools

import numpy as np
import pytest

from attavvad_jax.simulation import timelines
from attavvad_jax.simulation.timelines import MAVC100_FRACTIONS, MAVC100_QUARTILES_S, MIN_DURATION_S, NEXT, draw_events


@pytest.fixture(scope="module")
def clips():
  rng = np.random.default_rng(0)
  return [draw_events(30.0, rng) for _ in range(1500)]


def marked(label):
  """Maps silence to others, as in MAVC100."""
  return "others" if label == "silence" else label


@pytest.mark.parametrize("label", MAVC100_QUARTILES_S)
def test_durations_have_the_quartiles_of_mavc100(label):
  """One long performance is used, since clips truncate long events."""
  events = draw_events(100_000.0, np.random.default_rng(1))
  durations = [event.duration_s for event in events if marked(event.label) == label]
  assert len(durations) > 1000
  low, middle, high = np.quantile(durations, (0.25, 0.5, 0.75)) / MAVC100_QUARTILES_S[label]
  assert low == pytest.approx(1, abs=0.15)
  assert middle == pytest.approx(1, abs=0.15)
  assert high == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("label", NEXT)
def test_transitions_are_those_of_mavc100(clips, label):
  pairs = [(marked(a.label), marked(b.label)) for clip in clips for a, b in itertools.pairwise(clip)]
  after = [b for a, b in pairs if a == label]
  fractions = {following: after.count(following) / len(after) for following in NEXT[label]}
  assert fractions == pytest.approx(NEXT[label], abs=0.03)


def test_events_take_the_fractions_of_time_of_mavc100(clips):
  total = sum(event.duration_s for clip in clips for event in clip)
  for label, fraction in MAVC100_FRACTIONS.items():
    actual = sum(event.duration_s for clip in clips for event in clip if marked(event.label) == label) / total
    assert actual == pytest.approx(fraction, abs=0.04)


def test_silence_is_frequent_enough_to_be_learned(clips):
  events = [event for clip in clips for event in clip]
  assert sum(event.label == "silence" for event in events) > 0.10 * len(events)
  assert sum(event.duration_s for event in events if event.label == "silence") > 0.05 * 30 * len(clips)


def test_events_tile_the_clip_in_whole_milliseconds(clips):
  for clip in clips[:300]:
    assert clip[0].onset_s == 0
    assert clip[-1].offset_s == 30.0
    assert all(a.offset_s == b.onset_s and a.label != b.label for a, b in itertools.pairwise(clip))
    assert all(round(event.onset_s, 3) == event.onset_s for event in clip)
    assert min(event.duration_s for event in clip) > MIN_DURATION_S - 2e-3


@pytest.mark.parametrize("duration_s", [0.2, 0.4, 1.0])
def test_short_clips_are_filled(duration_s):
  for number in range(50):
    clip = draw_events(duration_s, np.random.default_rng(number))
    assert clip[0].onset_s == 0
    assert clip[-1].offset_s == duration_s


def test_transitions_are_distributions():
  for label, following in timelines.NEXT.items():
    assert sum(following.values()) == pytest.approx(1)
    assert label not in following
