import pytest

from attavvad_jax.evaluation import (
  CLOSED,
  PAPER,
  SED_EVAL_DEFAULT,
  Protocol,
  condition_table,
  evaluate,
  markdown_table,
  text_table,
)
from attavvad_jax.timeline import Event, Timeline

REFERENCE = Timeline([Event(1, 3, "speech"), Event(5, 9, "singing")], 70)
ESTIMATE = Timeline([Event(1.4, 3, "speech"), Event(6, 9, "singing")], 70)


@pytest.fixture(scope="module")
def scores():
  return evaluate([(REFERENCE, ESTIMATE)], PAPER)


def test_protocol_names_have_one_line():
  assert PAPER.event_name == "event-based, onset only, collar 0.5 s"
  assert PAPER.segment_name == "segment-based, segments of 1 s"
  assert CLOSED.event_name == "event-based, onset only, collar 0.5 s, gaps under 0.167 s closed"
  assert CLOSED.segment_name == "segment-based, segments of 1 s, gaps under 0.167 s closed"
  assert SED_EVAL_DEFAULT.event_name == "event-based, onset and offset, collar 0.2 s or 50% of the event"


@pytest.mark.parametrize(
  "setting", [{"collar_s": 0.0}, {"length_fraction": 1.5}, {"segment_s": -1.0}, {"shortest_gap_s": -0.1}]
)
def test_invalid_protocol_is_an_error(setting):
  good = {"offsets_count": True, "collar_s": 0.2, "length_fraction": 0.5, "segment_s": 1.0}
  with pytest.raises(ValueError, match=next(iter(setting))):
    Protocol(**{**good, **setting})


@pytest.mark.parametrize("table", [text_table, markdown_table])
def test_protocol_recordings_and_duration_are_printed(scores, table):
  text = table(scores)
  assert "1 recording, 1 min 10 s" in text
  assert PAPER.event_name in text
  assert PAPER.segment_name in text


def test_metrics_and_support_of_each_event(scores):
  rows = [line.split() for line in text_table(scores).splitlines()]
  assert ["speech", "0.00", "100.0", "100.0", "100.0", "1", "2.0"] in rows
  assert ["singing", "2.00", "0.0", "0.0", "0.0", "1", "4.0"] in rows
  assert ["silence", "–", "–", "–", "–", "0", "0.0"] in rows


def test_text_columns_line_up(scores):
  _, events, segments = text_table(scores).split("\n\n")
  for table in (events, segments):
    assert len({len(line) for line in table.splitlines()[1:]}) == 1


def test_markdown_rows_have_the_columns_of_the_header(scores):
  rows = [line for line in markdown_table(scores).splitlines() if line.startswith("|")]
  assert {row.count("|") for row in rows} == {8}
  assert "| speech | 0.00 | 100.0 | 100.0 | 100.0 | 1 | 2.0 |" in rows


def test_scores_by_condition(scores):
  missed = evaluate([(REFERENCE, Timeline([], 70))], PAPER)
  groups = {"none": {"audio_visual": scores, "audio": missed}, "opus": {"audio_visual": missed, "audio": scores}}
  rows = [line.split() for line in condition_table("codec", groups).splitlines()]
  assert " ".join(rows[0]) == PAPER.event_name
  overall = scores.event_based["overall"]
  f_score = f"{100 * overall.f_score:.1f}"
  assert rows[2] == ["none", "1", str(overall.reference), f_score, f"{100 * missed.event_based['overall'].f_score:.1f}"]
  assert rows[3][-1] == f_score
