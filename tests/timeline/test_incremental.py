"""Incremental smoothing against the offline rule."""

import functools

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
from jax import lax
import numpy as np
import pytest

from attavvad_jax.timeline import EVENTS, Clock, Smoothing, scores_to_timeline
from attavvad_jax.timeline.incremental import advance, initial_state, lookahead_blocks

CLOCK = Clock()
MOST = 40
# Sums of sixty-fourths are exact in every precision, so that ties are ties.
score_rows = st.lists(st.tuples(*[st.integers(0, 64).map(lambda n: n / 64)] * 4), min_size=1, max_size=MOST)
runs = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=MOST // 6)


@functools.cache
def scanner(smoothing):
  """Compiles the steps for `MOST` blocks and those after the end, once."""

  def scan(scores, is_block):
    return lax.scan(lambda state, inputs: advance(state, *inputs), initial_state(smoothing, CLOCK), (scores, is_block))

  return jax.jit(scan)


def settle(rows, smoothing):
  """Labels and scores of all steps, of which the first `lookahead_blocks` settle nothing."""
  ahead = lookahead_blocks(smoothing, CLOCK)
  scores = np.zeros((MOST + ahead, 4), np.float32)
  scores[: len(rows)] = rows
  settled = scanner(smoothing)(scores, np.arange(MOST + ahead) < len(rows))[1]
  return np.asarray(settled.label), np.asarray(settled.scores)


def offline_labels(rows, smoothing):
  timeline = scores_to_timeline(np.array(rows), CLOCK, len(rows) / 3, smoothing)
  return [EVENTS.index(event.label) for event in timeline for _ in range(round(event.duration_s * 3))]


def check(rows, smoothing):
  ahead = lookahead_blocks(smoothing, CLOCK)
  labels, scores = settle(rows, smoothing)
  assert labels[ahead : ahead + len(rows)].tolist() == offline_labels(rows, smoothing)
  assert (labels[:ahead] < 0).all()
  assert (labels[ahead + len(rows) :] < 0).all()
  np.testing.assert_array_equal(scores[ahead : ahead + len(rows)], np.float32(rows))


SMOOTHINGS = [
  *(Smoothing(*setting) for setting in ((1, 0.0), (3, 0.5), (1, 1.0), (5, 0.6), (1, 1.6))),
  *(Smoothing(*setting, "hmm", *more) for setting, more in (((1, 0.0), (0.5, 2.0)), ((3, 0.5), (0.9, 0.5)))),
  Smoothing(1, 0.0, "hmm", 0.7, 0.0),
  Smoothing(1, 0.0, speech_threshold=0.5, singing_threshold=0.25),
  Smoothing(1, 0.5, "hmm", speech_threshold=0.75),
]


@settings(deadline=None, max_examples=60)
@given(score_rows, st.sampled_from(SMOOTHINGS))
def test_any_scores_are_settled_as_offline(rows, smoothing):
  check(rows, smoothing)


@settings(deadline=None, max_examples=60)
@given(runs, st.sampled_from(SMOOTHINGS))
def test_runs_of_all_lengths_are_settled_as_offline(labels, smoothing):
  check(np.eye(4)[[label for label, length in labels for _ in range(length)]], smoothing)


@pytest.mark.parametrize(
  ("smoothing", "blocks"),
  [
    (Smoothing(1, 0.0), 0),
    (Smoothing(3, 0.0), 1),
    (Smoothing(3, 0.5), 2),
    (Smoothing(1, 1.0), 5),
    (Smoothing(3, 0.5, "hmm", 0.5, 3.0), 11),
  ],
)
def test_lookahead_by_hand(smoothing, blocks):
  assert lookahead_blocks(smoothing, CLOCK) == blocks


def test_the_default_lookahead_is_needed():
  """The last block of the look-ahead can still change a label."""
  smoothing = Smoothing()
  ahead = lookahead_blocks(smoothing, CLOCK)
  speech, singing = np.eye(4)[1], np.eye(4)[2]
  rows = [0.9 * speech] * 6 + [0.8 * singing, 0.6 * singing + 0.4 * speech]
  settled = {offline_labels([*rows, last], smoothing)[len(rows) - ahead] for last in (singing, 2 * speech)}
  assert settled == {1, 2}


def test_a_minimum_that_is_too_long_for_a_stream_is_refused():
  with pytest.raises(ValueError, match="min_duration_s is 60"):
    lookahead_blocks(Smoothing(3, 60.0), CLOCK)
