"""The base builder of all data sets: the files are the same for every way to make them and after interruptions."""

import dataclasses
import os
from pathlib import Path
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
from prepared import (
  AUDIO_TIMELINE,
  BOTH_SETS,
  NUM_BLOCKS,
  SPEC,
  TIMELINE,
  Drawn,
  DrawnRecording,
  drawn_blocks,
  prepare_data,
  recordings,
)
import pytest

from attavvad_jax.datasets import builder as builder_lib
from attavvad_jax.datasets import records as records_lib
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.datasets.summary import FILE, Summary
from attavvad_jax.timeline import EVENTS

COUNTS = {"train": 3, "validation": 1, "test": 2}


def _prepare(output, drawn=None, *, beam=None, spec=BOTH_SETS, **kwargs):
  return prepare_data(Drawn(drawn or recordings(COUNTS), spec, data_dir=str(output), **kwargs), beam=beam)


def _files(folder):
  return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """The output folder of an uninterrupted preparation."""
  output = tmp_path_factory.mktemp("whole")
  _prepare(output)
  return output


def test_records_are_read_as_they_were_written(whole):
  data = PreparedData(whole)
  source = data.source("train")
  written = [
    (name, block, record)
    for name in ("train0", "train1", "train2")
    for block, record in zip(
      drawn_blocks(name),
      records_lib.to_records(
        drawn_blocks(name),
        TIMELINE,
        name,
        SPEC.clock,
        audio_timeline=AUDIO_TIMELINE,
        conditions={"clip": name, "snr_db": 3.5},
      ),
      strict=True,
    )
  ]
  assert len(source) == len(written)
  for position, (name, block, record) in enumerate(written):
    found = source[position]
    assert set(found) == set(record)
    assert (found["recording"].decode(), found["block"], found["duration_s"]) == (name, block.index, 8.0)
    np.testing.assert_array_equal(found["waveform"], block.waveform)
    assert list(found["images"]) == list(record["images"])
    np.testing.assert_array_equal(found["image_mask"], record["image_mask"])
    for key in ("", "audio_"):
      assert EVENTS[found[f"{key}label"]] == record[f"{key}label"]
      np.testing.assert_array_equal(found[f"{key}events"], record[f"{key}events"])
    assert records_lib.conditions(found) == {"clip": name, "snr_db": 3.5}


def test_both_label_sets_are_read_as_timelines(whole):
  data = PreparedData(whole)
  assert data.spec.label_sets == ("audio_visual", "audio")
  source, positions = data.source("test"), data.recordings("test")["test1"]
  found = [source[position] for position in positions]
  assert records_lib.to_timeline(found) == TIMELINE
  assert records_lib.to_audio_timeline(found) == AUDIO_TIMELINE


def test_unknown_audio_labels_repeat_the_performers(tmp_path):
  _prepare(tmp_path, recordings({"train": 1}), spec=SPEC)
  data = PreparedData(tmp_path)
  assert data.spec.label_sets == ("audio_visual",)
  source = data.source("train")
  assert all(source[i]["audio_label"] == source[i]["label"] for i in range(NUM_BLOCKS))


def test_two_preparations_write_identical_files(whole, tmp_path):
  _prepare(tmp_path)
  assert _files(tmp_path) == _files(whole)


def test_preparation_leaves_only_the_data_set(whole):
  assert [path.name for path in whole.iterdir()] == ["drawn"]
  assert [path.name for path in (whole / "drawn" / "default").iterdir()] == ["2.0.0"]


def test_several_processes_write_the_same_files(whole, tmp_path):
  _prepare(tmp_path, workers=2)
  assert _files(tmp_path) == _files(whole)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["", "--direct_num_workers=3 --direct_running_mode=multi_threading"])
def test_apache_beam_writes_the_same_files(whole, tmp_path, workers):
  pytest.importorskip("apache_beam")
  _prepare(tmp_path, beam=f"--runner=FnApiRunner {workers}")
  assert _files(tmp_path) == _files(whole)


def test_missing_beam_error_says_how_to_install_it(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
  with pytest.raises(ImportError, match=r"pip install 'attavvad_jax\[beam\]'"):
    _prepare(tmp_path, beam="--runner=FnApiRunner")


def test_shards_hold_the_records_in_order(whole, tmp_path, monkeypatch):
  monkeypatch.setattr(builder_lib, "_SHARD_BYTES", 1000)
  path = _prepare(tmp_path).path
  assert len(list(path.glob("drawn-train.array_record-*-of-00003"))) == 3
  source, expected = PreparedData(path).source("train"), PreparedData(whole).source("train")
  assert [record["waveform"].tobytes() for record in source] == [r["waveform"].tobytes() for r in expected]


def test_recording_that_fails_midway_is_left_out_entirely(tmp_path):
  broken = DrawnRecording("bad", "train", breaks=True)
  summary = _prepare(tmp_path, [*recordings({"train": 1}), broken])
  assert [str(entry) for entry in summary.left_out] == ["bad.mp4: broken"]
  assert Summary.read(summary.path) == summary
  assert PreparedData(tmp_path).recordings("train") == {"train0": list(range(NUM_BLOCKS))}


def test_split_without_usable_recordings_is_refused_and_leaves_no_data_set(tmp_path):
  broken = DrawnRecording("bad", "test", breaks=True)
  with pytest.raises(ValueError, match=r"none of the 1 recordings of split 'test' can be used; the last: bad.mp4: bro"):
    _prepare(tmp_path, [*recordings({"train": 1}), broken])
  assert not list(tmp_path.rglob("dataset_info.json"))
  # Once the cause is fixed, only the broken recording is opened again.
  log = tmp_path / "log"
  _prepare(tmp_path, [DrawnRecording("train0", "train", log=log), DrawnRecording("bad", "test", log=log)])
  assert log.read_text().split() == ["bad"]


def test_summary_has_durations_of_both_label_sets(whole):
  summary = Summary.read(PreparedData(whole).path)
  assert summary.recordings == COUNTS
  assert summary.blocks == {"train": 72, "validation": 24, "test": 48}
  assert summary.seconds["test"] == {
    "audio_visual": {"silence": 4.0, "speech": 4.0, "singing": 4.0, "others": 4.0},
    "audio": {"silence": 4.0, "speech": 4.0, "singing": pytest.approx(7.8), "others": pytest.approx(0.2)},
  }
  assert summary.num_events["test"]["audio"] == {"silence": 2, "speech": 2, "singing": 4, "others": 0}
  assert "any voice: silence 4 s (2), speech 4 s (2), singing 8 s (4), others 0 s (0)" in str(summary)
  assert "warning: test1: drawn" in str(summary)
  assert str(whole) not in (summary.path / FILE).read_text()


def test_existing_data_set_is_not_changed(whole):
  before = _files(whole)
  with pytest.raises(ValueError, match="exists already; remove it or choose another --name"):
    _prepare(whole)
  assert _files(whole) == before


def test_two_recordings_with_one_name_are_refused(tmp_path):
  with pytest.raises(ValueError, match=r"a.mp4 and a.mp4 are both named 'a'"):
    _prepare(tmp_path, [DrawnRecording("a", "train"), DrawnRecording("a", "train")])
  assert not list(tmp_path.iterdir())


@dataclasses.dataclass(frozen=True)
class _Deadly(DrawnRecording):
  """A recording that kills its process, as the kernel does when memory runs out."""

  def open(self, spec):
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_process_is_reported_in_one_line(tmp_path):
  with pytest.raises(OSError, match="a process was killed, maybe for memory; start again with fewer workers"):
    _prepare(tmp_path, [_Deadly("a", "train"), _Deadly("b", "train")], workers=2)
  assert not list(tmp_path.rglob("dataset_info.json"))


def test_many_warnings_are_counted(whole):
  summary = dataclasses.replace(Summary.read(PreparedData(whole).path), warnings=[f"w{i}" for i in range(25)])
  assert "warning: w19\n  warning: 5 more, see preparation.json" in str(summary)


_CHILD = """
import dataclasses, sys, time
from pathlib import Path
from prepared import BOTH_SETS, Drawn, prepare_data, recordings
from attavvad_jax.datasets import finished
output, stage = Path(sys.argv[1]), sys.argv[2]
if stage == "joining":
  write = finished.write_records
  def write_and_wait(path, records):
    write(path, records)
    if "incomplete." in str(path):
      (output / "joining").touch()
      time.sleep(600)
  finished.write_records = write_and_wait
drawn = recordings({"train": 3, "validation": 1, "test": 2}, log=output / "log")
if stage == "reading":
  drawn[2] = dataclasses.replace(drawn[2], pause_s=600.0)  # is in progress until the process is killed
prepare_data(Drawn(drawn, BOTH_SETS, data_dir=sys.argv[1]))
"""


def _start(output, stage):
  tests = Path(__file__).parents[1]
  environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}
  command = [sys.executable, "-c", textwrap.dedent(_CHILD), str(output), stage]
  return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def _wait_for(condition, process):
  end_s = time.monotonic() + 60
  while not condition():
    assert process.poll() is None, process.stderr.read()
    assert time.monotonic() < end_s
    time.sleep(0.02)


@pytest.mark.parametrize("stage", ["reading", "joining"])
def test_killed_preparation_looks_incomplete_and_resumes_where_it_stopped(whole, tmp_path, stage):
  log = tmp_path / "log"
  with _start(tmp_path, stage) as process:
    if stage == "reading":
      _wait_for(lambda: log.exists() and "train2" in log.read_text(), process)
    else:
      _wait_for((tmp_path / "joining").exists, process)
    with pytest.raises(ValueError, match="another program is at work in it"):
      _prepare(tmp_path)
    process.send_signal(signal.SIGKILL)
  with pytest.raises(ValueError, match="no prepared data set"):
    PreparedData(tmp_path)
  _prepare(tmp_path, recordings(COUNTS, log=log))
  opened = log.read_text().split()
  assert opened[0] == "train0"
  if stage == "reading":
    # Only the recording in progress is opened twice.
    assert len(set(opened)) == 6
    assert len(opened) == 7
    assert opened.count("train2") == 2
  else:
    assert len(opened) == 6
  assert _files(tmp_path / "drawn") == _files(whole / "drawn")
