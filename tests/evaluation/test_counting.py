"""This package's counts equal sed_eval's exactly."""

import dataclasses

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from attavvad_jax.evaluation import PROTOCOLS, Counts, count
from attavvad_jax.evaluation.by_sed_eval import count_by_sed_eval
from attavvad_jax.evaluation.matching import maximum_matching
from attavvad_jax.evaluation.metrics import count_events, reference_seconds
from attavvad_jax.timeline import EVENTS, Event, Timeline

DURATION_S = 6.0
# Multiples of 0.1 s meet collars of 0.2 and 0.5 s exactly, or miss them by rounding.
ticks = st.integers(0, round(10 * DURATION_S) + 20)
events = st.builds(
  lambda a, b, label: Event(min(a, b) / 10, max(a, b) / 10, label), ticks, ticks, st.sampled_from(EVENTS)
)
timelines = st.lists(events, max_size=12).map(lambda parts: Timeline(parts, DURATION_S + 2))


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@settings(max_examples=40, deadline=None)
@given(reference=timelines, estimate=timelines)
def test_counts_equal_sed_eval(protocol, reference, estimate):
  """Events of any labels may overlap, nest, repeat, have no length and exceed the reference's end."""
  reference = Timeline([e for e in reference if e.offset_s <= DURATION_S], DURATION_S)
  assert count(reference, estimate, protocol) == count_by_sed_eval(reference, estimate, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_counts_of_crowded_timelines_equal_sed_eval(protocol):
  """With many events within a collar, the matching determines how many substitutions remain."""
  rng = np.random.default_rng(0)
  protocol = dataclasses.replace(protocol, segment_s=0.7)
  substitutions = 0
  for _ in range(20):
    reference, estimate = (
      Timeline(
        [
          Event(onset, onset + rng.exponential(0.4), EVENTS[rng.integers(4)])
          for onset in rng.uniform(0, 4, rng.integers(5, 40))
        ],
        8.0,
      )
      for _ in range(2)
    )
    counts = count(reference, estimate, protocol)
    assert counts == count_by_sed_eval(reference, estimate, protocol)
    substitutions += counts.event_based["overall"].substitutions
  assert substitutions > 20


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.6))
@example(0, 0.3)
def test_matching_equals_sed_eval(seed, density):
  from sed_eval.util import bipartite_match

  rng = np.random.default_rng(seed)
  hits = rng.random(rng.integers(0, 12, 2)) < density
  graph = {}
  for reference, estimate in zip(*np.nonzero(hits), strict=True):
    graph.setdefault(estimate, []).append(reference)
  assert maximum_matching(graph) == bipartite_match(graph)


def test_greedy_matching_is_augmented():
  # The greedy start matches the first estimate with the first reference, the only one that the second estimate hits.
  assert maximum_matching({0: [0, 1], 1: [0]}) == {0: 1, 1: 0}


def test_substitution_takes_the_first_estimate_left_over():
  # Only the labels are wrong, except that an onset 0.6 s away has no match.
  reference = Timeline([Event(1, 2, "speech"), Event(1.1, 2, "speech")], 4)
  estimate = Timeline([Event(1.2, 2, "singing"), Event(1.7, 2, "singing")], 4)
  result = count_events(reference, estimate, PROTOCOLS["paper"], reference_seconds(reference))
  # The reference at 1 s takes the estimate at 1.2 s, so only 1.7 s is left for 1.1 s, beyond the collar of 0.5 s.
  assert result["overall"] == Counts(2, 2, 0, 1, 1, 1, 1.0)
