import itertools
import math
import sys
import time

from hypothesis import example, given
from hypothesis import strategies as st
import numpy as np
import pytest

from attavvad_jax.timeline import (
  EVENTS,
  Clock,
  Event,
  Smoothing,
  Timeline,
  block_labels,
  labels_to_timeline,
  overlap_s,
  scores_to_timeline,
  unsure_spans,
)

CLOCK = Clock()
SILENCE, SPEECH, SINGING, OTHERS = range(4)
AUDIO_FRAME_S = 0.022
IMAGE_PERIOD_S = 1 / 9

label_lists = st.lists(st.integers(0, 3), max_size=40)
# Sums of sixty-fourths are exact, so that ties are ties in every order of summation.
score_rows = st.lists(st.tuples(*[st.integers(0, 64).map(lambda n: n / 64)] * 4), max_size=40)


def spans(timeline):
  return [(event.onset_s, event.offset_s, event.label) for event in timeline]


def names(labels):
  return [EVENTS[label] for label in labels]


# Events and timelines


@pytest.mark.parametrize(
  ("onset_s", "offset_s", "label"),
  [(0.0, 1.0, "humming"), (-0.1, 1.0, "speech"), (2.0, 1.0, "speech"), (float("nan"), 1.0, "speech")],
)
def test_invalid_events_are_refused(onset_s, offset_s, label):
  with pytest.raises(ValueError, match=label):
    Event(onset_s, offset_s, label)


def test_timeline_sorts_by_onset():
  timeline = Timeline([Event(2, 3, "speech"), Event(0, 1, "singing")], 3)
  assert spans(timeline) == [(0, 1, "singing"), (2, 3, "speech")]


def test_total_of_a_label():
  timeline = Timeline([Event(0, 1, "speech"), Event(2, 2.5, "speech"), Event(1, 2, "singing")], 3)
  assert timeline.total_s("speech") == pytest.approx(1.5)


def test_overlap_of_events_with_one_label_counts_once():
  events = [Event(0, 2, "speech"), Event(1, 1.5, "speech"), Event(1, 3, "speech"), Event(2.5, 4, "singing")]
  timeline = Timeline([*events, Event(5, 6, "speech")], 6)
  assert [timeline.total_s(label) for label in EVENTS] == pytest.approx([0, 4, 1.5, 0])


# Block labels


def test_overlapping_events_of_one_label_do_not_outweigh_another_label():
  # Speech covers 0.15 s of the block twice over, singing 0.18 s once.
  events = [Event(0, 0.15, "speech"), Event(0.01, 0.15, "speech"), Event(0.15, 1 / 3, "singing")]
  assert names(block_labels(Timeline(events, 1 / 3), CLOCK)) == ["singing"]


def test_a_block_has_the_label_that_covers_most_of_it():
  # Blocks end at 1/3, 2/3 and 1 s. Speech covers block 0 and 0.1 s of block 1; the rest is others.
  assert names(block_labels(Timeline([Event(0, 1 / 3 + 0.1, "speech")], 1.0), CLOCK)) == ["speech", "others", "others"]


def test_gap_counts_as_others():
  timeline = Timeline([Event(0, 1, "singing"), Event(2, 3, "singing")], 3)
  assert names(block_labels(timeline, CLOCK)) == ["singing"] * 3 + ["others"] * 3 + ["singing"] * 3


def test_overlap_of_events_does_not_hide_a_gap():
  # Two events over the first third of a 1 s block add up to 2/3 s, but leave two thirds unmarked.
  clock = Clock(block_rate_hz=1.0)
  timeline = Timeline([Event(0, 1 / 3, "speech"), Event(0, 1 / 3, "singing")], 1)
  np.testing.assert_allclose(overlap_s(timeline, clock, 1), [[0, 1 / 3, 1 / 3, 2 / 3]])


def test_an_event_inside_another_does_not_shorten_it():
  clock = Clock(block_rate_hz=1.0)
  timeline = Timeline([Event(0, 3, "singing"), Event(0.5, 0.9, "speech"), Event(2.9, 3, "speech")], 3)
  assert names(block_labels(timeline, clock)) == ["singing"] * 3


@pytest.mark.parametrize(
  ("first", "second", "winner"),
  [
    ("silence", "speech", "speech"),
    ("singing", "speech", "speech"),
    ("others", "singing", "singing"),
    ("silence", "others", "others"),
  ],
)
def test_ties_go_to_the_voice(first, second, winner):
  middle = 1 / 6
  for pair in itertools.permutations((first, second)):
    timeline = Timeline([Event(0, middle, pair[0]), Event(middle, 1 / 3, pair[1])], 1 / 3)
    assert names(block_labels(timeline, CLOCK)) == [winner]


def test_a_partly_empty_last_block_has_the_label_of_its_part_inside_the_recording():
  # The last block has only 0.05 s inside the recording, all of it speech.
  timeline = Timeline([Event(1.0, 1.05, "speech")], 1.05)
  assert names(block_labels(timeline, CLOCK)) == ["others"] * 3 + ["speech"]


def test_blocks_after_the_end_are_others():
  timeline = Timeline([Event(0, 1, "singing")], 1.0)
  assert names(block_labels(timeline, CLOCK, num_blocks=5)) == ["singing"] * 3 + ["others"] * 2


@pytest.mark.parametrize("step_s", [AUDIO_FRAME_S, IMAGE_PERIOD_S], ids=["audio frame", "image"])
@pytest.mark.parametrize("block", [0, 7, 10_799])
def test_a_shift_across_the_middle_of_a_block_changes_that_block_alone(step_s, block):
  duration_s = CLOCK.start_s(block + 20)
  before_s = CLOCK.start_s(block) + CLOCK.block_s / 2 - step_s / 2

  def labels(onset_s):
    return block_labels(Timeline([Event(onset_s, duration_s, "singing")], duration_s), CLOCK)

  early, late = labels(before_s), labels(before_s + step_s)
  assert np.flatnonzero(early != late).tolist() == [block]
  assert names([early[block], late[block]]) == ["singing", "others"]


@given(
  st.lists(
    st.tuples(st.integers(0, 4000), st.integers(0, 1500), st.sampled_from(EVENTS)).map(
      lambda t: Event(t[0] / 1000, (t[0] + t[1]) / 1000, t[2])
    ),
    max_size=6,
  )
)
def test_overlaps_equal_counting_milliseconds(events):
  # Blocks of 0.2 s have every edge at a whole millisecond.
  clock, duration_s = Clock(block_rate_hz=5.0), 4.7
  counted = np.zeros((24, 4))
  for ms in range(4800):
    active = {event.label for event in events if event.onset_s <= (ms + 0.5) / 1000 < event.offset_s}
    for label in active or ({"others"} if ms < 4700 else ()):
      counted[ms // 200, EVENTS.index(label)] += 0.001
  np.testing.assert_allclose(overlap_s(Timeline(events, duration_s), clock, 24), counted, atol=1e-6)


@given(label_lists)
def test_labels_survive_conversion_to_a_timeline_and_back(labels):
  timeline = labels_to_timeline(np.array(labels, int), CLOCK, len(labels) / 3)
  assert block_labels(timeline, CLOCK, len(labels)).tolist() == labels


# Labels and scores to timelines


def test_runs_become_events_with_the_mean_score_of_their_blocks():
  scores = np.zeros((4, 4))
  scores[:, SPEECH] = [0.6, 0.8, 0.1, 0.1]
  scores[:, OTHERS] = [0.0, 0.0, 0.5, 0.7]
  timeline = labels_to_timeline(np.array([SPEECH, SPEECH, OTHERS, OTHERS]), CLOCK, 1.2, scores)
  assert [(event.label, round(event.score, 9)) for event in timeline] == [("speech", 0.7), ("others", 0.6)]
  assert [event.onset_s for event in timeline] == [0.0, pytest.approx(2 / 3)]


def test_the_last_event_ends_with_the_recording():
  assert labels_to_timeline(np.array([SPEECH] * 4), CLOCK, 1.2).events[-1].offset_s == 1.2


def test_no_blocks_give_an_empty_timeline():
  assert scores_to_timeline(np.zeros((0, 4)), CLOCK, 0.0).events == ()


def slow_timeline(scores, smoothing):
  """`scores_to_timeline` by its definition, one block at a time."""
  half = smoothing.mean_blocks // 2
  labels = []
  for i in range(len(scores)):
    window = scores[max(0, i - half) : i + half + 1]
    means = [sum(row[e] for row in window) / len(window) for e in range(4)]
    minima = (0.0, smoothing.speech_threshold, smoothing.singing_threshold, 0.0)
    means = [0.0 if mean < least else mean for mean, least in zip(means, minima, strict=True)]
    labels.append(means.index(max(means)))
  while True:
    runs = [(label, len(list(group))) for label, group in itertools.groupby(labels)]
    lengths = [length for _, length in runs]
    if len(runs) < 2 or min(lengths) / CLOCK.block_rate_hz >= smoothing.min_duration_s - 1e-9:
      break
    short = lengths.index(min(lengths))
    min_blocks = math.ceil(smoothing.min_duration_s * CLOCK.block_rate_hz - 1e-9)
    before = min(lengths[short - 1], min_blocks) if short > 0 else 0
    after = min(lengths[short + 1], min_blocks) if short + 1 < len(runs) else 0
    runs[short] = (runs[short - 1 if before >= after else short + 1][0], lengths[short])
    labels = [label for label, length in runs for _ in range(length)]
  start, events = 0, []
  for label, group in itertools.groupby(labels):
    length = len(list(group))
    mean = sum(row[label] for row in scores[start : start + length]) / length
    events.append((start / 3, (start + length) / 3, EVENTS[label], mean))
    start += length
  return events


@given(
  score_rows,
  st.sampled_from([1, 3, 5]),
  st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.0]),
  st.sampled_from([0.0, 0.5, 1.0]),
  st.sampled_from([0.0, 0.3]),
)
@example([(0.5, 0.5, 0.5, 0.5)] * 3, 3, 0.5, 0.0, 0.0)
def test_scores_to_timeline_equals_the_slow_obvious_version(rows, mean_blocks, min_duration_s, speech, singing):
  smoothing = Smoothing(mean_blocks, min_duration_s, speech_threshold=speech, singing_threshold=singing)
  timeline = scores_to_timeline(np.array(rows).reshape(-1, 4), CLOCK, len(rows) / 3, smoothing)
  expected = slow_timeline(rows, smoothing)
  assert spans(timeline) == [(pytest.approx(a), pytest.approx(b), label) for a, b, label, _ in expected]
  assert [event.score for event in timeline] == pytest.approx([score for *_, score in expected])


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])] * 4), min_size=1, max_size=60))
def test_without_smoothing_each_block_is_its_most_likely_event(rows):
  # Saturated scores tie; much earlier scores must not break the tie.
  scores = np.array(rows)
  timeline = scores_to_timeline(scores, CLOCK, len(rows) / 3, Smoothing(1, 0.0))
  assert block_labels(timeline, CLOCK, len(rows)).tolist() == scores.argmax(axis=1).tolist()


@given(score_rows, st.sampled_from([0.5, 1.0]))
def test_no_event_is_shorter_than_the_minimum(rows, min_duration_s):
  timeline = scores_to_timeline(np.array(rows).reshape(-1, 4), CLOCK, len(rows) / 3, Smoothing(1, min_duration_s))
  assert len(timeline) <= 1 or min(event.duration_s for event in timeline) >= min_duration_s - 1e-6


def smoothed(labels, min_duration_s):
  timeline = scores_to_timeline(np.eye(4)[labels], CLOCK, len(labels) / 3, Smoothing(1, min_duration_s))
  return [(event.label, round(event.duration_s * 3)) for event in timeline]


def test_a_short_run_is_merged_into_the_longer_neighbor():
  # The minimum is four blocks: three of speech are too short, unless the block of singing is merged into them.
  labels = [SILENCE] * 6 + [SPEECH] * 3 + [SINGING] + [OTHERS] * 4
  assert smoothed(labels, 1.3) == [("silence", 9), ("others", 5)]
  labels = [SILENCE] * 6 + [SPEECH] * 3 + [SINGING] + [OTHERS] * 2
  assert smoothed(labels, 1.3) == [("silence", 6), ("speech", 6)]


def test_of_two_long_enough_neighbors_the_earlier_is_chosen():
  """The length of the later one does not matter, since a stream could not wait for its end."""
  assert smoothed([SPEECH] * 2 + [SINGING] + [OTHERS] * 50, 0.5) == [("speech", 3), ("others", 50)]


def test_an_hour_of_alternating_scores_takes_less_than_two_seconds():
  scores = np.tile(np.eye(4)[[SPEECH, SINGING]], (5400, 1))
  start_s = time.perf_counter()
  scores_to_timeline(scores, CLOCK, 3600.0, Smoothing(1, 0.5))
  assert time.perf_counter() - start_s < 2.0


@pytest.mark.parametrize(
  ("scores", "message"), [(np.zeros((3, 2)), "shape"), (np.full((3, 4), np.nan), "3 blocks are not finite")]
)
def test_invalid_scores_are_refused(scores, message):
  with pytest.raises(ValueError, match=message):
    scores_to_timeline(scores, CLOCK, 1.0)


@pytest.mark.parametrize(
  "setting",
  [
    {"mean_blocks": 2},
    {"mean_blocks": 0},
    {"min_duration_s": -1.0},
    {"speech_threshold": 1.5},
    {"singing_threshold": math.nan},
  ],
)
def test_invalid_smoothing_is_refused(setting):
  with pytest.raises(ValueError, match=next(iter(setting))):
    Smoothing(**setting)


def test_a_voice_below_its_threshold_is_the_better_of_silence_and_others():
  scores = np.array([[0.1, 0.6, 0.5, 0.2]] * 3)
  for thresholds, event in (((0.6, 0.0), "speech"), ((0.61, 0.0), "singing"), ((0.61, 0.51), "others")):
    smoothing = Smoothing(speech_threshold=thresholds[0], singing_threshold=thresholds[1])
    assert [found.label for found in scores_to_timeline(scores, CLOCK, 1.0, smoothing)] == [event]


class TestUnsureSpans:
  TIMELINE = Timeline([Event(0.0, 1.0, "speech"), Event(4 / 3, 2.2, "singing")], 2.2)

  def spans(self, speech, singing):
    """Spans for seven blocks in which speech and singing have these scores."""
    scores = np.stack([np.zeros(7), speech, singing, np.ones(7)], axis=1)
    return [
      (round(span.onset_s, 2), round(span.offset_s, 2), span.label, span.score)
      for span in unsure_spans(self.TIMELINE, scores, CLOCK)
    ]

  def test_only_the_score_of_the_event_itself_counts_and_gaps_are_never_unsure(self):
    assert self.spans([0.9, 0.5, 0.5, 0, 0, 0, 0], [0, 0, 0, 0, 0.5, 1, 1]) == []

  def test_spans_are_runs_of_low_scores_and_end_with_their_event(self):
    assert self.spans([0.3, 0.9, 0.4, 0, 0, 0, 0], [0, 0, 0, 0, 0.8, 0.25, 0.25]) == [
      (0.0, 0.33, "speech", pytest.approx(0.3)),
      (0.67, 1.0, "speech", pytest.approx(0.4)),
      (1.67, 2.2, "singing", pytest.approx(0.25)),
    ]


class TestTable:
  def test_has_a_row_for_each_event_and_numbers_for_scores(self):
    table = Timeline([Event(1.0, 2.5, "singing"), Event(0.0, 1.0, "speech", 0.75)], 3.0).to_dataframe()
    assert table.columns.tolist() == ["onset_s", "offset_s", "label", "score"]
    assert table.label.tolist() == ["speech", "singing"]
    assert (table.offset_s - table.onset_s).tolist() == [1.0, 1.5]
    assert table.score.isna().tolist() == [False, True]

  def test_without_events_has_the_same_columns_and_types(self):
    full = Timeline([Event(0.0, 1.0, "speech", 0.75)], 3.0).to_dataframe()
    empty = Timeline([], 3.0).to_dataframe()
    assert len(empty) == 0
    assert empty.columns.tolist() == full.columns.tolist()
    assert empty.onset_s.dtype == full.onset_s.dtype == float

  def test_without_pandas_says_what_to_install(self, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
      Timeline([], 3.0).to_dataframe()


@pytest.mark.parametrize(
  ("singing", "events"),
  [
    # Means over three blocks: 1/3, 2/3, 2/3, 1/3. Over five blocks, none would be above 1/2.
    ((0, 0, 0, 0, 1, 1, 0, 0, 0, 0), ["speech", "singing", "speech"]),
    # Means 0.4, 0.53, 0.4: one block of 1/3 s, which is shorter than 0.5 s.
    ((0, 0, 0, 0, 0.4, 0.8, 0.4, 0, 0, 0), ["speech"]),
  ],
)
def test_default_smoothing_is_three_blocks_and_half_a_second(singing, events):
  scores = np.array([[0, 1 - score, score, 0] for score in singing])
  assert [event.label for event in scores_to_timeline(scores, CLOCK, len(singing) / 3)] == events
