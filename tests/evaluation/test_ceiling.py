"""Scores of the reference itself, cut to blocks, against values computed by hand."""

import pytest

from attavvad_jax.evaluation import CLOSED, PAPER
from attavvad_jax.evaluation.ceiling import ceilings, cut_to_blocks
from attavvad_jax.timeline import Clock, Event, Timeline

CLOCK = Clock()


def overall(scores):
  counts = scores.event_based["overall"]
  return counts.reference, counts.estimate, counts.hits


def test_gaps_too_short_for_a_block_lower_the_open_ceiling_only():
  # Speech, singing and speech with gaps of 10 and 20 ms between them and 7 ms at the end: blocks can represent these
  # three events, but not the three of others. F is 2 * 3 / (6 + 3) = 66.7 %, or 100 % with the gaps closed.
  events = [Event(0, 10, "speech"), Event(10.01, 20, "singing"), Event(20.02, 29.993, "speech")]
  result = ceilings([Timeline(events, 30)], CLOCK, PAPER)
  assert overall(result.open) == (6, 3, 3)
  assert overall(result.closed) == (3, 3, 3)
  assert (result.open.protocol, result.closed.protocol) == (PAPER, CLOSED)
  assert str(result).splitlines() == [
    "best reachable at 333 ms a block (the reference itself, cut to blocks):",
    "  event-based, onset only, collar 0.5 s: F 66.7 %, 6 reference events",
    "  event-based, onset only, collar 0.5 s, gaps under 0.167 s closed: F 100.0 %, 3 reference events",
  ]


def test_short_marked_events_stay_in_the_reference():
  # Silence of 50 ms fills no block, so the singing around it is one event of the estimate but two of the reference.
  events = [Event(0, 5, "singing"), Event(5, 5.05, "silence"), Event(5.05, 9, "singing")]
  assert overall(ceilings([Timeline(events, 9)], CLOCK, CLOSED).closed) == (3, 1, 1)


def test_timeline_is_cut_at_the_blocks_of_the_clock():
  timeline = Timeline([Event(0.2, 1.0, "speech")], 1.2)
  assert [(event.onset_s, event.offset_s, event.label) for event in cut_to_blocks(timeline, CLOCK)] == [
    (0.0, pytest.approx(1 / 3), "others"),
    (pytest.approx(1 / 3), 1.0, "speech"),
    (1.0, 1.2, "others"),
  ]
