"""Rules of tools.compare_smoothing, against worked examples."""

import numpy as np
import pytest

from attavvad_jax.timeline import Clock, scores_to_timeline
from tools.compare_smoothing import RULES, hysteresis, median

SPEECH, SINGING = 1, 2


def of(labels, probability=0.9):
  """Returns scores [B,E] in which each block's label has a probability, and the others share the rest."""
  scores = np.full((len(labels), 4), (1 - probability) / 3)
  scores[np.arange(len(labels)), labels] = probability
  return scores


def test_median_removes_a_single_block():
  assert median(of([1, 1, 2, 1, 1]), Clock(), 3).tolist() == [1, 1, 1, 1, 1]


def test_median_keeps_a_run_longer_than_half_its_width():
  assert median(of([1, 1, 2, 2, 1, 1]), Clock(), 3).tolist() == [1, 1, 2, 2, 1, 1]


@pytest.mark.parametrize(("margin", "label"), [(0.1, SINGING), (0.3, SPEECH)])
def test_hysteresis_changes_event_only_by_its_margin(margin, label):
  scores = np.array([[0, 0.9, 0.1, 0], [0, 0.4, 0.6, 0]])
  assert hysteresis(scores, Clock(), margin).tolist() == [SPEECH, label]


def test_every_rule_decodes_clear_scores_without_errors():
  labels = np.repeat([1, 2, 3], 12)
  for name, rule in RULES.items():
    timeline = scores_to_timeline(of(labels), Clock(), 12.0, rule)
    assert [event.label for event in timeline] == ["speech", "singing", "others"], name
