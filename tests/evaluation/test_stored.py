"""Stored and compared evaluations: invented counts, with metrics computed by hand or read by csv and json."""

import csv
import dataclasses
import io
import json

import pytest

from attavvad_jax.evaluation import CLOSED, PAPER, Counts, Scores, stored
from attavvad_jax.evaluation.ceiling import ceilings
from attavvad_jax.evaluation.run import Evaluation, Subject, comparison_table, evaluate_all
from attavvad_jax.timeline import EVENTS, Clock, Event, Timeline

SUBJECT = Subject("runs/mine", "c" * 64, "att_avvad", 12, "data", "test", "d" * 64, True, "0.1.0")
# Performers of the four recordings.
CONDITIONS = {f"r{i}": {"performer": "ab"[i // 2], "snr_db": 5.0} for i in range(4)}


def made(hits, conditions=CONDITIONS, protocol="paper", **subject):
  """Returns an evaluation of recordings with 10 reference and 10 estimated events of singing each."""
  recordings = {}
  for index, own in enumerate(hits):
    counts = Counts(10, 10, own, 10 - own, 0, 0, 30.0)
    table = {"overall": counts, **{label: Counts() for label in EVENTS}, "singing": counts}
    recordings[f"r{index}"] = Scores(PAPER, 1, 30.0, table, table)
  return Evaluation(dataclasses.replace(SUBJECT, **subject), protocol, {"audio_visual": recordings}, conditions)


def test_reading_returns_what_was_written(tmp_path):
  both = [made([8, 9, 7, 9]), made([1, 2, 1, 3], checkpoint="other", trained_here=None)]
  stored.write(both, tmp_path / "deep" / "scores", ["json"])
  assert stored.read(tmp_path / "deep" / "scores.json") == both


def test_json_has_metrics_support_digests_and_protocol(tmp_path):
  stored.write([made([8, 9, 7, 9])], tmp_path / "scores", ["json"])
  one = json.loads((tmp_path / "scores.json").read_text())["evaluations"][0]
  assert one["subject"]["checkpoint_digest"] == "c" * 64
  assert one["subject"]["data_digest"] == "d" * 64
  assert one["support"] == {"recordings": 4, "duration_s": 120.0}
  assert one["protocol"]["event_based"] == "event-based, onset only, collar 0.5 s"
  singing = one["outputs"]["audio_visual"]["event_based"]["singing"]
  assert singing["f_score"] == pytest.approx(2 * 33 / 80)
  assert (singing["reference"], singing["estimate"], singing["hits"]) == (40, 40, 33)
  assert one["outputs"]["audio_visual"]["event_based"]["speech"]["f_score"] is None  # nothing to count
  counts = dict(
    zip(
      one["fields_of_counts"], one["outputs"]["audio_visual"]["recordings"]["r1"]["event_based"]["overall"], strict=True
    )
  )
  assert counts["hits"] == 9


def test_csv_has_a_row_for_each_event_and_basis():
  rows = list(csv.DictReader(io.StringIO(stored.to_csv([made([8, 9, 7, 9])]))))
  assert [(row["basis"], row["event"]) for row in rows] == [
    (basis, event) for basis in ("event_based", "segment_based") for event in ("overall", *EVENTS)
  ]
  overall, speech = rows[0], rows[2]
  assert (float(overall["f_score"]), float(overall["error_rate"])) == (0.825, 0.175)
  assert (overall["checkpoint"], overall["data_digest"], overall["split"]) == ("runs/mine", "d" * 64, "test")
  assert speech["f_score"] == ""


def test_other_files_are_neither_replaced_nor_read(tmp_path):
  (tmp_path / "song.json").write_text('{"events": []}')
  (tmp_path / "song.csv").write_text("onset,offset\n")
  for name in ("json", "csv"):
    with pytest.raises(ValueError, match=rf"song\.{name}: .*--output"):
      stored.write([made([1])], tmp_path / "song", [name])
  with pytest.raises(ValueError, match=r"song\.json: not an evaluation .*--to=json"):
    stored.read(tmp_path / "song.json")
  stored.write([made([1])], tmp_path / "ours", ["json", "csv"])
  stored.write([made([2])], tmp_path / "ours", ["json", "csv"])
  assert stored.read(tmp_path / "ours.json") == [made([2])]


def test_an_unknown_format_is_named():
  with pytest.raises(ValueError, match=r"--to: .*'xml'.*json,csv"):
    stored.check_writable("scores", ["json", "xml"])


def test_stored_evaluations_need_no_data_and_checkpoints_do(tmp_path):
  one_recording = {"r0": CONDITIONS["r0"]}
  stored.write([made([1], one_recording), made([2], one_recording)], tmp_path / "two", ["json"])
  both = evaluate_all([str(tmp_path / "two.json")], None, "test", "paper", "snr_db")
  assert [one.by_condition["5.0"] for one in both] == [one.scores for one in both]
  with pytest.raises(ValueError, match=r"--data.*runs/mine"):
    evaluate_all([str(tmp_path / "two.json"), "runs/mine"], None, "test", "paper")


def test_a_comparison_says_which_system_is_ahead_and_by_how_much():
  text = comparison_table([made([4, 5, 3, 4]), made([8, 9, 7, 9], checkpoint="runs/other")])
  head, _, first, second, verdict = text.splitlines()
  assert "event-based, onset only, collar 0.5 s; 4 recordings of 2 performers" in head
  assert first.split()[:3] == ["1:", "runs/mine", "40.0"]
  assert second.split()[:3] == ["2:", "runs/other", "82.5"]
  # The differences by performer are 8 and 9 hits of 20.
  assert verdict.startswith("2: runs/other is ahead of 1: runs/mine in F by 42.5 points (95 % interval 40.0 to 45.0;")


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"data_digest": "e" * 64}, "runs/other: .*eeeeeeeeeeee, expected dddddddddddd.*runs/mine"),
    ({"protocol": "closed"}, "runs/other: protocol.*closed, expected paper"),
    ({"version": "9"}, r"runs/other: .*version.* 9, expected 0\.1\.0"),
  ],
)
def test_evaluations_of_other_data_protocol_or_version_are_not_compared(changes, message):
  with pytest.raises(ValueError, match=message):
    comparison_table([made([1, 2, 3, 4]), made([1, 2, 3, 4], checkpoint="runs/other", **changes)])


def test_other_training_data_are_reported_only_if_known():
  assert "trained on other data" in str(made([1], trained_here=False).subject)
  assert "trained" not in str(made([1], trained_here=True).subject) + str(made([1], trained_here=None).subject)


def test_ceilings_are_printed_before_the_scores_and_stored():
  # No block shows the 10 ms of others between two events, so 2 of 3 reference events are hit.
  reference = Timeline([Event(0, 5, "speech"), Event(5.01, 10, "singing")], 10.0)
  one = dataclasses.replace(made([8, 9, 7, 9]), ceilings=ceilings([reference], Clock(), PAPER))
  text = str(one)
  assert text.index("event-based, onset only, collar 0.5 s: F 80.0 %, 3 reference events") < text.index("-- ")
  best = json.loads(stored.to_json([one]))["evaluations"][0]["best_reachable"]
  assert [row["f_score"] for row in best] == [pytest.approx(0.8), 1.0]
  assert [row["protocol"] for row in best] == [PAPER.event_name, CLOSED.event_name]
