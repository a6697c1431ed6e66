"""The decoder over time against all sequences, one by one."""

import itertools

import numpy as np
import pytest

from attavvad_jax.timeline import EVENTS, Clock, Smoothing, scores_to_timeline
from attavvad_jax.timeline.viterbi import MEAN_DURATION_S, NEXT, decode, log_transitions

RATE_HZ = 3.0


def test_transitions_have_the_stated_durations_and_followers():
  matrix = np.exp(log_transitions(RATE_HZ))
  np.testing.assert_allclose(matrix.sum(axis=1), 1)
  for i, event in enumerate(EVENTS):
    # A geometric distribution that is left with probability p lasts 1 / p blocks in the mean.
    assert 1 / (1 - matrix[i, i]) / RATE_HZ == pytest.approx(MEAN_DURATION_S[event])
    leaving = matrix[i] / (1 - matrix[i, i])
    assert {other: pytest.approx(leaving[j]) for j, other in enumerate(EVENTS) if j != i} == NEXT[event]
  assert np.exp(log_transitions(0.1))[0, 0] == pytest.approx(0.5)  # blocks longer than events


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("evidence", [0.3, 1.0])
def test_a_long_lag_gives_the_most_likely_of_all_sequences(seed, evidence):
  scores = np.random.default_rng(seed).uniform(0.0, 1.0, (6, 4))
  transitions, clipped = log_transitions(RATE_HZ), np.clip(scores, 1e-4, 1 - 1e-4)

  def log_probability(sequence):
    path = sum(transitions[one, other] for one, other in itertools.pairwise(sequence))
    for block, event in enumerate(sequence):
      others = [other for other in range(4) if other != event]
      path += evidence * (np.log(clipped[block, event]) + np.log1p(-clipped[block, others]).sum())
    return path

  best = max(itertools.product(range(4), repeat=6), key=log_probability)
  assert decode(scores, evidence, lag=6, block_rate_hz=RATE_HZ).tolist() == list(best)
  assert decode(scores, evidence, lag=99, block_rate_hz=RATE_HZ).tolist() == list(best)


@pytest.mark.parametrize("lag", [0, 1, 4])
def test_a_block_is_decided_by_the_blocks_within_its_lag_alone(lag):
  scores = np.random.default_rng(1).uniform(0.0, 1.0, (30, 4))
  events = decode(scores, 0.7, lag, RATE_HZ)
  for block in (0, 7, 20):
    assert decode(scores[: block + lag + 1], 0.7, lag, RATE_HZ)[block] == events[block]


def test_a_flicker_within_an_event_is_no_event_and_a_lasting_change_is_one():
  speech, others = np.full(4, 0.05), np.full(4, 0.05)
  speech[1], others[3] = 0.9, 0.9
  flicker = [speech] * 9 + [others] + [speech] * 9 + [others] * 9
  smoothing = Smoothing(1, 0.0, "hmm")
  timeline = scores_to_timeline(np.array(flicker), Clock(), 28 / 3, smoothing)
  assert [(event.label, round(event.onset_s * 3)) for event in timeline] == [("speech", 0), ("others", 19)]
  assert len(scores_to_timeline(np.array(flicker), Clock(), 28 / 3, Smoothing(1, 0.0))) == 4


def test_no_blocks_have_no_events():
  assert decode(np.zeros((0, 4)), 0.5, 3, RATE_HZ).shape == (0,)


@pytest.mark.parametrize(
  ("values", "message"),
  [
    (dict(decoder="crf"), "argmax, hmm"),
    (dict(evidence=0.0), r"evidence is 0\.0"),
    (dict(lag_s=-1.0), r"lag_s is -1\.0"),
  ],
)
def test_values_that_mean_nothing_are_refused(values, message):
  with pytest.raises(ValueError, match=message):
    Smoothing(**values)


def test_results_of_before_the_decoder_are_still_known():
  assert Smoothing().to_dict() == {"mean_blocks": 3, "min_duration_s": 0.5}
  assert Smoothing(1, 0.0, "hmm").to_dict() == {
    "mean_blocks": 1,
    "min_duration_s": 0.0,
    "decoder": "hmm",
    "evidence": 0.5,
    "lag_s": 3.0,
  }
