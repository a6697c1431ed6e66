"""Scores of label files of any tool against reference label files."""

import sys

import pytest

from attavvad_jax.annotations import AnnotationError, Reading, write
from attavvad_jax.evaluation.files import evaluate_files
from attavvad_jax.timeline import Event, Timeline

REFERENCE = [Event(1.0, 2.0, "speech"), Event(4.0, 6.0, "singing")]


def _write(folder, name, events, duration_s=8.0):
  folder.mkdir(parents=True, exist_ok=True)
  write(Timeline(events, duration_s), folder / name)


def _overall(evaluation):
  overall = evaluation.scores.event_based["overall"]
  return overall.reference, overall.estimate, overall.hits


def test_counts_equal_those_by_hand(tmp_path):
  # Both have others from 0, 2 and 6 s. Of the marked events, one estimated onset is 0.4 s off, the other 0.9 s.
  _write(tmp_path / "truth", "a.json", REFERENCE)
  _write(tmp_path / "found", "a.json", [Event(1.4, 2.0, "speech"), Event(4.9, 6.0, "singing")])
  evaluation = evaluate_files(tmp_path / "found", tmp_path / "truth", "paper")
  assert _overall(evaluation) == (5, 5, 4)
  assert "truth: 1 recording\n" in str(evaluation)


def test_formats_and_folders_are_paired_by_name(tmp_path):
  _write(tmp_path / "truth" / "day", "a.TextGrid", REFERENCE)
  _write(tmp_path / "truth" / "night", "a.tsv", REFERENCE)
  _write(tmp_path / "found" / "day", "a.json", REFERENCE)
  _write(tmp_path / "found" / "night", "a.rttm", REFERENCE)
  _write(tmp_path / "found" / "night", "b.rttm", REFERENCE)
  evaluation = evaluate_files(tmp_path / "found", tmp_path / "truth", "paper")
  assert list(evaluation.recordings) == ["day/a", "night/a"]
  assert evaluation.scores.event_based["overall"].f_score == 1
  assert "have no reference: b.rttm" in str(evaluation)


def test_recording_lasts_as_long_as_the_longer_of_its_files(tmp_path):
  # The TSV file ends with its last event at 6 s; the time after it is others in both.
  _write(tmp_path / "truth", "a.tsv", REFERENCE)
  _write(tmp_path / "found", "a.json", [*REFERENCE, Event(7.0, 8.0, "speech")])
  assert _overall(evaluate_files(tmp_path / "found", tmp_path / "truth", "paper")) == (5, 6, 5)


def test_reading_defines_the_meaning_of_labels(tmp_path):
  _write(tmp_path, "truth.json", REFERENCE)
  lines = ["SPEAKER x 1 1.0 1.0 <NA> <NA> SPEAKER_00 <NA> <NA>", "SPEAKER x 1 4.0 2.0 <NA> <NA> SPEAKER_01 <NA> <NA>"]
  (tmp_path / "found.rttm").write_text("".join(f"{line}\n" for line in lines))
  with pytest.raises(AnnotationError, match="SPEAKER_00"):
    evaluate_files(tmp_path / "found.rttm", tmp_path / "truth.json", "paper")
  reading = Reading.parse(["SPEAKER_00=speech", "SPEAKER_01=singing"])
  evaluation = evaluate_files(tmp_path / "found.rttm", tmp_path / "truth.json", "paper", reading)
  assert evaluation.scores.event_based["overall"].f_score == 1


def test_each_side_is_read_in_the_format_that_is_named_for_it(tmp_path):
  _write(tmp_path / "truth", "a.json", REFERENCE)
  _write(tmp_path / "found", "a.tsv", REFERENCE[:1])
  (tmp_path / "found" / "a.txt").write_text("1.0\t2.0\tspeech\n4.0\t6.0\tsinging\n")
  with pytest.raises(ValueError, match=r"a\.tsv, a\.txt"):
    evaluate_files(tmp_path / "found", tmp_path / "truth", "paper")
  formats = Reading(format="audacity"), Reading()
  assert _overall(evaluate_files(tmp_path / "found", tmp_path / "truth", "paper", *formats)) == (5, 5, 5)
  with pytest.raises(ValueError, match=r"truth.*\.txt"):
    evaluate_files(tmp_path / "found", tmp_path / "truth", "paper", formats[0])


def test_reference_without_estimate_is_an_error(tmp_path):
  _write(tmp_path / "truth", "a.json", REFERENCE)
  _write(tmp_path / "truth", "b.json", REFERENCE)
  _write(tmp_path / "found", "a.json", REFERENCE)
  with pytest.raises(ValueError, match=r"found: no label file for b;.* each of the 2"):
    evaluate_files(tmp_path / "found", tmp_path / "truth", "paper")


def test_files_of_one_recording_must_agree(tmp_path):
  _write(tmp_path / "truth", "a.json", REFERENCE)
  _write(tmp_path / "truth", "a.tsv", REFERENCE)
  _write(tmp_path / "found", "a.json", REFERENCE)
  evaluation = evaluate_files(tmp_path / "found", tmp_path / "truth", "paper")
  assert evaluation.scores.event_based["overall"].f_score == 1
  _write(tmp_path / "truth", "a.tsv", REFERENCE[:1])
  with pytest.raises(ValueError, match=r"a\.json, a\.tsv: .*disagree"):
    evaluate_files(tmp_path / "found", tmp_path / "truth", "paper")


def test_missing_folder_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match="none: no such file"):
    evaluate_files(tmp_path, tmp_path / "none", "paper")


def test_assumptions_are_reported(tmp_path):
  _write(tmp_path, "truth.json", REFERENCE)
  (tmp_path / "found.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nla\n")
  evaluation = evaluate_files(tmp_path / "found.srt", tmp_path / "truth.json", "paper")
  assert "warning: " in str(evaluation)


def test_sed_eval_counts_the_same(tmp_path):
  _write(tmp_path / "truth", "a.json", REFERENCE)
  _write(tmp_path / "found", "a.json", [Event(1.4, 2.0, "speech"), Event(4.9, 6.0, "speech")])
  ours, theirs = (
    evaluate_files(tmp_path / "found", tmp_path / "truth", "closed", metrics=metrics)
    for metrics in ("attavvad", "sed_eval")
  )
  assert str(ours) == str(theirs)


def test_sed_eval_is_needed_only_if_requested(tmp_path, monkeypatch):
  from attavvad_jax.evaluation import by_sed_eval

  by_sed_eval._sed_eval.cache_clear()
  monkeypatch.setitem(sys.modules, "sed_eval", None)
  monkeypatch.setitem(sys.modules, "pkg_resources", None)
  _write(tmp_path / "truth", "a.json", REFERENCE)
  assert evaluate_files(tmp_path / "truth", tmp_path / "truth", "paper").scores.event_based["overall"].f_score == 1
  with pytest.raises(ImportError, match=r"attavvad_jax\[sed_eval\]"):
    evaluate_files(tmp_path / "truth", tmp_path / "truth", "paper", metrics="sed_eval")


def test_unknown_metrics_are_an_error(tmp_path):
  _write(tmp_path / "truth", "a.json", REFERENCE)
  with pytest.raises(ValueError, match=r"'dcase'.*attavvad, sed_eval"):
    evaluate_files(tmp_path / "truth", tmp_path / "truth", "paper", metrics="dcase")
