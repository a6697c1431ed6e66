"""Tables and findings from invented counts."""

import pytest

from attavvad_jax.evaluation import PAPER, Counts, Scores
from attavvad_jax.experiments import plan
from attavvad_jax.experiments.results import Result, method, section
from attavvad_jax.experiments.scores import RunScores
from attavvad_jax.timeline import EVENTS


def run(hits):
  """Returns scores of recordings with 10 reference and 10 estimated events each, all singing."""
  recordings = {}
  for index, own in enumerate(hits):
    counts = Counts(10, 10, own, 10 - own, 0, 0, 30.0)
    table = {label: Counts() for label in EVENTS} | {"overall": counts, "singing": counts}
    recordings[f"r{index}"] = Scores(PAPER, 1, 30.0, table, table)
  return RunScores(12, "audio_visual", recordings)


def result(*seeds, failures=None):
  return Result({1024 + index: run(hits) for index, hits in enumerate(seeds)}, failures or {})


LOW, MIDDLE, HIGH = [1, 2, 1, 3], [4, 5, 3, 4], [8, 9, 7, 9]
RESULTS = {
  "base_a": result(LOW, LOW),
  "base_av": result(MIDDLE, MIDDLE),
  "att_avvad": result(HIGH, [9, 10, 8, 10]),
}


def made(results=RESULTS, conditions=None):
  return section(plan.TABLES["2"], results, conditions or {}, "simulated:live")


def cells(table, name):
  return dict(zip(table.header, next(row for row in table.rows if row.cells[0] == name).cells, strict=True))


def test_metrics_stand_beside_the_papers():
  row = made().tables[0].rows[-1]
  # F of the seeds: 33 and 37 hits of 40.
  assert row.cells[:3] == ["ATT-AVVAD", "2 of 2", "87.5"]
  assert row.cells[4:6] == ["82.5 to 92.5", "77.81"]
  found = cells(made().tables[0], "ATT-AVVAD")
  assert (found["ER"], found["paper ER"], found["P %"], found["paper P %"]) == ("0.12", "0.39", "87.5", "85.24")
  assert row.bar.value == pytest.approx(87.5)
  assert row.bar.low < 87.5 < row.bar.high
  assert row.bar.paper == 77.81


def test_protocol_and_data_are_named_at_every_table():
  conditions = {f"r{i}": {"snr_db": float(i)} for i in range(4)}
  tables = made(conditions=conditions).tables
  assert len(tables) == 3
  for table in tables:
    text = " ".join(table.notes)
    assert PAPER.event_name in text
    assert "simulated:live, test split: 4 recordings, 2.0 min, 40 reference events" in text


def test_better_first_system_is_reported_as_ahead():
  first, second = made().findings
  # Means over the seeds: 35 hits of 40 against 16.
  assert first.startswith("ATT-AVVAD is ahead of Base-AV in F by 47.5 points (95 % interval ")
  assert "their own intervals do not overlap" in first
  assert "ATT-AVVAD is ahead of Base-AV in ER by 0.4" in first
  assert second.startswith("Base-AV is ahead of Base-A in F by 22.5 points")


def test_better_second_system_is_reported_as_ahead():
  turned = {**RESULTS, "base_av": RESULTS["att_avvad"], "att_avvad": RESULTS["base_av"]}
  first, _ = made(turned).findings
  assert first.startswith("Base-AV is ahead of ATT-AVVAD in F by 47.5 points")
  assert "Base-AV is ahead of ATT-AVVAD in ER" in first


def test_similar_systems_do_not_differ_significantly():
  first, _ = made({**RESULTS, "base_av": result([8, 9, 7, 9][::-1])}).findings
  assert "ATT-AVVAD and Base-AV do not differ significantly in F: +5.0 points (95 % interval " in first
  assert "do not differ significantly in ER" in first


def test_failed_runs_are_marked_and_the_others_are_shown():
  results = {
    **RESULTS,
    "base_a": result(failures={1024: "the loss is not finite at step 3"}),
    "base_av": result(MIDDLE, failures={1025: "no checkpoint"}),
  }
  found = made(results)
  table = found.tables[0]
  assert table.rows[0].is_marked
  assert table.rows[0].cells == ["Base-A", "failed; seed 1024: the loss is not finite at step 3"]
  assert table.notes[0] == "Base-AV: 1 of 2 runs; seed 1025: no checkpoint."
  assert table.rows[1].cells[:3] == ["Base-AV", "1 of 2", "40.0"]
  assert found.findings[0].startswith("ATT-AVVAD is ahead")
  assert found.findings[1] == "Base-AV and Base-A cannot be compared: Base-A failed."


def test_table_shows_failures_if_all_runs_failed():
  results = {name: result(failures={1024: "broken"}) for name in RESULTS}
  found = made(results)
  assert [row.is_marked for row in found.tables[0].rows] == [True] * 3


def test_per_event_metrics_have_their_support():
  table = made().tables[1]
  assert table.header == ["", "silence (0)", "speech (0)", "singing (40)", "others (0)"]
  assert table.rows[0].cells == ["Base-A", "–", "–", "17.5", "–"]


def test_per_condition_metrics_are_of_its_recordings():
  conditions = {"r0": {"snr_db": 5.0}, "r1": {"snr_db": 5.0}, "r2": {"snr_db": 9.0}, "r3": {"snr_db": 9.0}}
  table = made(conditions=conditions).tables[2]
  assert table.header == ["snr_db", "recordings", "reference events", "Base-A", "Base-AV", "ATT-AVVAD"]
  assert table.rows[0].cells == ["5.0", "2", "20", "15.0", "45.0", "90.0"]


def test_conditions_not_described_for_all_recordings_are_left_out():
  assert len(made(conditions={"r0": {"snr_db": 5.0}}).tables) == 2


def test_recordings_of_one_performer_are_resampled_together_and_the_page_says_so():
  conditions = {f"r{i}": {"performer": "ab"[i // 2]} for i in range(4)}
  alone, together = made().tables[0].rows[-1].bar, made(conditions=conditions).tables[0].rows[-1].bar
  assert (together.low, together.high) != (alone.low, alone.high)
  note = " ".join(made(conditions=conditions).tables[0].notes)
  assert "test split: 4 recordings of 2 performers, which the intervals resample, 2.0 min" in note
  assert "percentile bootstrap over performers, each drawn as a whole" in method(conditions)
  assert "percentile bootstrap over recordings, 2000 resamples" in method({"r0": {}})
