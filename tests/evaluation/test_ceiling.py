"""What the reference itself reaches when it is cut to blocks: worked by hand."""

import pytest

from attavvad_jax.evaluation import CLOSED, PAPER
from attavvad_jax.evaluation.ceiling import ceilings, cut_to_blocks
from attavvad_jax.timeline import Clock, Event, Timeline

CLOCK = Clock()


def overall(scores):
  counts = scores.event_based["overall"]
  return counts.reference, counts.estimate, counts.hits


def test_gaps_and_an_end_that_no_block_can_show():
  # Speech, singing and speech with 10 and 20 ms between them, 7 ms before the end: three events that blocks can show,
  # and three of others that they cannot. 2 * 3 / (6 + 3) = 66.7 %; without those, all.
  events = [Event(0, 10, "speech"), Event(10.01, 20, "singing"), Event(20.02, 29.993, "speech")]
  found = ceilings([Timeline(events, 30)], CLOCK, PAPER)
  assert overall(found.open) == (6, 3, 3)
  assert overall(found.closed) == (3, 3, 3)
  assert (found.open.protocol, found.closed.protocol) == (PAPER, CLOSED)
  assert str(found).splitlines() == [
    "best reachable at 333 ms a block (the reference itself, cut to blocks):",
    "  event-based, onset only, collar 0.5 s: F 66.7 %, 6 reference events",
    "  event-based, onset only, collar 0.5 s, gaps under 0.167 s closed: F 100.0 %, 3 reference events",
  ]


def test_short_events_that_were_marked_stay_out_of_reach():
  # Silence of 50 ms fills no block: the singing around it is one event of the estimate, two of the reference.
  events = [Event(0, 5, "singing"), Event(5, 5.05, "silence"), Event(5.05, 9, "singing")]
  assert overall(ceilings([Timeline(events, 9)], CLOCK, CLOSED).closed) == (3, 1, 1)


def test_blocks_are_those_of_the_clock():
  timeline = Timeline([Event(0.2, 1.0, "speech")], 1.2)
  assert [(event.onset_s, event.offset_s, event.label) for event in cut_to_blocks(timeline, CLOCK)] == [
    (0.0, pytest.approx(1 / 3), "others"),
    (pytest.approx(1 / 3), 1.0, "speech"),
    (1.0, 1.2, "others"),
  ]
