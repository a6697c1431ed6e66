import math

from hypothesis import example, given, settings
from hypothesis import strategies as st
import pytest

from attavvad_jax.evaluation import (
  CLOSED,
  PAPER,
  SED_EVAL_DEFAULT,
  Counts,
  close_gaps,
  count,
  evaluate,
  fill_gaps,
)
from attavvad_jax.timeline import EVENTS, Event, Timeline

OVERALL = ("overall", *EVENTS)

# Example computed by hand. With gaps filled with others, the recording is
#   reference: others 0-1, speech 1-3, others 3-5, singing 5-9, others 9-10
#   estimate:  others 0-1.4, speech 1.4-3, others 3-6, singing 6-9, others 9-10
# Onsets within 0.5 s: others 0, speech 1 and 1.4, others 3, others 9. Singing is 1 s late, so missed and inserted.
REFERENCE = Timeline([Event(1, 3, "speech"), Event(5, 9, "singing")], 10)
ESTIMATE = Timeline([Event(1.4, 3, "speech"), Event(6, 9, "singing")], 10)


def spans(timeline):
  return [(event.onset_s, event.offset_s, event.label) for event in timeline]


def ratios(counts):
  return counts.precision, counts.recall, counts.f_score, counts.error_rate


def same(value):
  return pytest.approx(value, nan_ok=True)


# By hand


def test_event_counts_by_hand():
  result = evaluate([(REFERENCE, ESTIMATE)], PAPER).event_based
  assert result["overall"] == Counts(5, 5, 4, 0, 1, 1, 10.0)
  assert result["speech"] == Counts(1, 1, 1, 0, 0, 0, 2.0)
  assert result["singing"] == Counts(1, 1, 0, 0, 1, 1, 4.0)
  assert result["others"] == Counts(3, 3, 3, 0, 0, 0, 4.0)


def test_event_metrics_by_hand():
  result = evaluate([(REFERENCE, ESTIMATE)], PAPER).event_based
  assert ratios(result["overall"]) == same((4 / 5, 4 / 5, 4 / 5, 2 / 5))
  assert ratios(result["singing"]) == same((0.0, 0.0, 0.0, 2.0))


def test_segment_counts_by_hand():
  # Seconds that an event overlaps. Singing: 5-8 and 6-8. Others: 0, 3, 4, 9 and 0, 1, 3, 4, 5, 9.
  result = evaluate([(REFERENCE, ESTIMATE)], PAPER).segment_based
  assert result["speech"] == Counts(2, 2, 2, 0, 0, 0, 2.0)
  assert result["singing"] == Counts(4, 3, 3, 0, 1, 0, 4.0)
  assert result["others"] == Counts(4, 6, 4, 0, 0, 2, 4.0)
  # Second 5 has others instead of singing, a substitution; second 1 has others beside speech, an insertion.
  assert result["overall"] == Counts(10, 11, 9, 1, 0, 1, 10.0)


def test_wrong_label_at_the_right_time_is_a_substitution():
  result = evaluate([(Timeline([Event(0, 4, "speech")], 4), Timeline([Event(0, 4, "singing")], 4))], PAPER)
  assert result.event_based["overall"] == Counts(1, 1, 0, 1, 0, 0, 4.0)


@pytest.mark.parametrize(("late_s", "hits"), [(0.45, 1), (0.55, 0)])
def test_collar_of_the_paper_is_half_a_second(late_s, hits):
  reference, estimate = (Timeline([Event(t, 8, "speech")], 8) for t in (2, 2 + late_s))
  assert evaluate([(reference, estimate)], PAPER).event_based["speech"].hits == hits


@pytest.mark.parametrize(("protocol", "hits"), [(PAPER, 1), (SED_EVAL_DEFAULT, 0)])
def test_offsets_count_only_if_the_protocol_says_so(protocol, hits):
  reference, estimate = (Timeline([Event(2, offset_s, "speech")], 9) for offset_s in (8, 4))
  assert evaluate([(reference, estimate)], protocol).event_based["speech"].hits == hits


# Nothing to count


def test_event_absent_from_the_reference_has_nan_metrics():
  absent = evaluate([(REFERENCE, ESTIMATE)], PAPER).event_based["silence"]
  assert ratios(absent) == same((math.nan,) * 4)


def test_false_alarms_of_an_absent_event_have_only_a_precision():
  estimate = Timeline([Event(0, 4, "silence")], 10)
  result = evaluate([(REFERENCE, estimate)], PAPER).event_based["silence"]
  assert ratios(result) == same((0.0, math.nan, math.nan, math.nan))


def test_event_that_is_never_estimated_scores_zero_and_not_nan():
  result = evaluate([(REFERENCE, Timeline([], 10))], PAPER).event_based["speech"]
  assert ratios(result) == same((math.nan, 0.0, 0.0, 1.0))


def test_empty_estimate_is_others_throughout():
  result = evaluate([(REFERENCE, Timeline([], 10))], PAPER).event_based
  # The estimate is one event of others from 0, whose onset the reference shares.
  assert result["others"] == Counts(3, 1, 1, 0, 2, 0, 4.0)
  assert result["overall"] == Counts(5, 1, 1, 0, 4, 0, 10.0)


def test_recording_without_length_counts_nothing():
  assert count(Timeline([], 0), Timeline([], 0), PAPER).event_based["overall"] == Counts()


def test_no_pairs_are_an_error():
  with pytest.raises(ValueError, match="nothing to evaluate"):
    evaluate([], PAPER)


# Sums


def test_counts_are_summed_over_recordings_before_they_are_divided():
  perfect = Timeline([Event(0, 3, "speech")], 3)
  result = evaluate([(REFERENCE, ESTIMATE), (perfect, perfect)], PAPER)
  assert (result.recordings, result.duration_s) == (2, 13)
  # 4 of 5 and 1 of 1 hits give 5 of 6, not the mean of 0.8 and 1.
  assert result.event_based["overall"].f_score == pytest.approx(5 / 6)


def test_scores_of_two_protocols_cannot_be_added():
  with pytest.raises(ValueError, match="two protocols"):
    count(REFERENCE, ESTIMATE, PAPER) + count(REFERENCE, ESTIMATE, SED_EVAL_DEFAULT)


# Gaps


@pytest.mark.parametrize(
  ("events", "filled"),
  [
    ([], [(0, 4, "others")]),
    ([Event(1, 2, "speech")], [(0, 1, "others"), (1, 2, "speech"), (2, 4, "others")]),
    ([Event(1, 2, "others")], [(0, 4, "others")]),
    ([Event(0, 2, "others"), Event(1, 3, "others")], [(0, 4, "others")]),
    ([Event(0, 3, "speech"), Event(1, 2, "singing")], [(0, 3, "speech"), (1, 2, "singing"), (3, 4, "others")]),
    ([Event(0, 2, "speech"), Event(2.0009, 4, "singing")], [(0, 2, "speech"), (2.0009, 4, "singing")]),
    ([Event(0, 9, "speech"), Event(4, 5, "singing")], [(0, 4, "speech")]),
  ],
  ids=["empty", "around", "others touch", "others overlap", "nested", "rounding", "beyond the end"],
)
def test_gaps_are_filled_with_others(events, filled):
  assert spans(fill_gaps(Timeline(events, 9), 4)) == filled


def test_the_reference_defines_the_duration():
  longer = Timeline([*ESTIMATE, Event(10, 12, "speech")], 12)
  assert evaluate([(REFERENCE, longer)], PAPER) == evaluate([(REFERENCE, ESTIMATE)], PAPER)


# Short gaps


@pytest.mark.parametrize(
  ("events", "closed"),
  [
    ([Event(0, 2, "speech"), Event(2.02, 4, "singing")], [(0, 2, "speech"), (2.02, 4, "singing")]),
    ([Event(0.1, 2, "speech"), Event(2, 3.993, "singing")], [(0.1, 2, "speech"), (2, 3.993, "singing")]),
    ([Event(0, 2, "speech"), Event(2.02, 4, "speech")], [(0, 4, "speech")]),
    ([Event(0, 2, "speech"), Event(2, 3, "speech"), Event(2.5, 4, "speech")], [(0, 4, "speech")]),
    ([Event(0, 3, "speech"), Event(1, 2, "speech"), Event(3.1, 4, "speech")], [(0, 4, "speech")]),
    (
      [Event(0, 2, "speech"), Event(2.1, 2.15, "others"), Event(2.15, 4, "singing")],
      [(0, 2, "speech"), (2.15, 4, "singing")],
    ),
    (
      [Event(0, 2, "speech"), Event(2, 2.02, "silence"), Event(2.02, 4, "speech")],
      [(0, 2, "speech"), (2, 2.02, "silence"), (2.02, 4, "speech")],
    ),
    (
      [Event(0, 2, "speech"), Event(2 + 1 / 6, 4, "singing")],
      [(0, 2, "speech"), (2, 2 + 1 / 6, "others"), (2 + 1 / 6, 4, "singing")],
    ),
    ([Event(0, 4, "others"), Event(0, 2, "speech"), Event(2.02, 4, "speech")], [(0, 4, "others"), (0, 4, "speech")]),
    ([], [(0, 4, "others")]),
  ],
  ids=[
    "between",
    "at both ends",
    "one label",
    "one label touches and overlaps",
    "after a nested event",
    "others marked",
    "another label between",
    "half a block",
    "over others",
    "no events",
  ],
)
def test_gaps_under_half_a_block_are_closed(events, closed):
  assert spans(close_gaps(fill_gaps(Timeline(events, 4), 4), 1 / 6)) == closed


def test_recording_shorter_than_a_gap_is_still_one_event():
  assert spans(close_gaps(fill_gaps(Timeline([], 0.1), 0.1), 1 / 6)) == [(0, 0.1, "others")]


def test_gaps_stay_if_the_shortest_gap_is_0():
  filled = fill_gaps(Timeline([Event(0, 2, "speech"), Event(2.01, 4, "speech")], 4), 4)
  assert close_gaps(filled, 0.0) == filled


@given(st.lists(st.tuples(st.integers(1, 500), st.sampled_from([None, *EVENTS])), min_size=1, max_size=9))
@example([(500, None), (500, None), (1, "silence")])
def test_closing_equals_counting_milliseconds(parts):
  """Without overlaps, short runs of others vanish, and runs of a label that then touch are merged."""
  events, at = [], 0
  for length, label in parts:
    if label is not None:
      events.append(Event(at / 1000, (at + length) / 1000, label))
    at += length
  runs = []
  for length, label in parts:
    if runs and runs[-1][0] == (label or "others"):
      runs[-1][1] += length
    else:
      runs.append([label or "others", length])
  expected, start = [], 0
  for label, length in runs:
    if label != "others" or length >= 167 or {name for name, _ in runs} == {"others"}:
      if expected and expected[-1][2] == label and start - expected[-1][1] < 167:
        expected[-1][1] = start + length
      else:
        expected.append([start, start + length, label])
    start += length
  result = close_gaps(fill_gaps(Timeline(events, at / 1000), at / 1000), 1 / 6)
  assert [(round(1000 * onset), round(1000 * offset), label) for onset, offset, label in spans(result)] == [
    tuple(event) for event in expected
  ]


@pytest.mark.parametrize(("gap_s", "events"), [(0.16, 2), (0.17, 3)])
def test_closed_protocol_closes_gaps_under_half_a_block_at_three_blocks_per_second(gap_s, events):
  timeline = Timeline([Event(0, 2, "speech"), Event(2 + gap_s, 4, "singing")], 4)
  assert count(timeline, timeline, CLOSED).event_based["overall"].reference == events


def test_protocol_closes_gaps_of_references_and_of_estimates():
  reference = Timeline([Event(0, 2, "speech"), Event(2.01, 4, "singing"), Event(4.02, 9.993, "speech")], 10)
  estimate = Timeline([Event(0, 2, "speech"), Event(2, 4, "singing"), Event(4, 9.9, "speech")], 10)
  # Others of 10, 20 and 7 ms are three of the six reference events; the estimate has one of 100 ms.
  assert evaluate([(reference, estimate)], PAPER).event_based["overall"] == Counts(6, 4, 4, 0, 2, 0, 10.0)
  closed = evaluate([(reference, estimate)], CLOSED).event_based["overall"]
  assert (closed.reference, closed.estimate, closed.hits) == (3, 3, 3)


# Against sed_eval called directly

full_timelines = st.lists(st.tuples(st.integers(1, 30), st.sampled_from(EVENTS)), min_size=1, max_size=6).map(
  lambda parts: [(length / 10, label) for length, label in parts]
)


def to_timeline(parts, duration_s):
  """Returns a timeline of consecutive parts from 0 to the duration; the last is stretched or cut to fit."""
  events, onset_s = [], 0.0
  for i, (length_s, label) in enumerate(parts):
    offset_s = duration_s if i == len(parts) - 1 else min(round(onset_s + length_s, 1), duration_s)
    if offset_s > onset_s:
      events.append(Event(onset_s, offset_s, label))
    onset_s = offset_s
  return Timeline(events, duration_s)


@pytest.mark.parametrize("protocol", [PAPER, SED_EVAL_DEFAULT], ids=["paper", "sed_eval_default"])
@settings(max_examples=25)
@given(recordings=st.lists(st.tuples(full_timelines, full_timelines), min_size=1, max_size=3))
def test_metrics_equal_sed_eval_called_directly(protocol, recordings):
  import sed_eval

  events = sed_eval.sound_event.EventBasedMetrics(
    list(EVENTS),
    evaluate_onset=True,
    evaluate_offset=protocol is SED_EVAL_DEFAULT,
    t_collar=0.5 if protocol is PAPER else 0.2,
    percentage_of_length=0.5,
  )
  segments = sed_eval.sound_event.SegmentBasedMetrics(list(EVENTS), time_resolution=1.0)
  pairs = []
  for i, parts in enumerate(recordings):
    pair = [to_timeline(side, 8.0) for side in parts]
    # Adjacent events of others are one event here but two for sed_eval, so such recordings are left out.
    if any(spans(fill_gaps(timeline, 8.0)) != spans(timeline) for timeline in pair):
      continue
    pairs.append(pair)
    lists = [
      [{"file": f"{i}.wav", "onset": e.onset_s, "offset": e.offset_s, "event_label": e.label} for e in timeline]
      for timeline in pair
    ]
    events.evaluate(*lists)
    segments.evaluate(*lists, evaluated_length_seconds=8.0)
  if not pairs:
    return
  scores = evaluate(pairs, protocol)
  for ours, theirs in ((scores.event_based, events), (scores.segment_based, segments)):
    for name in OVERALL:
      if name == "overall":
        f, er = theirs.overall_f_measure(), theirs.overall_error_rate()
      else:
        f, er = theirs.class_wise_f_measure(name), theirs.class_wise_error_rate(name)
      counts = ours[name]
      assert (counts.precision, counts.recall) == same((f["precision"], f["recall"]))
      if counts.reference:  # otherwise sed_eval divides by a tiny number
        assert counts.error_rate == pytest.approx(er["error_rate"])
      if counts.reference and counts.estimate:  # otherwise sed_eval gives NaN
        assert counts.f_score == pytest.approx(f["f_measure"])
