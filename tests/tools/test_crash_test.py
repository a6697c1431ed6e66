from pathlib import Path
import shutil
import subprocess

import numpy as np
import pytest

from tools import crash_test


@pytest.mark.slow
def test_nothing_is_lost(tmp_path):
  """The short form of `python -m tools.crash_test`, without the disk test if the system does not allow a small disk.

  Other tests kill sweeps, preparations and processes.
  """
  parts = ["kill", "disk"] if _may_mount() else ["kill"]
  outcomes = list(crash_test.crash(parts, tmp_path / "crashes", 1, seed=0, programs=["training"], epochs=2))
  assert len(outcomes) == 2 + len(parts) - 1
  for outcome in outcomes:
    assert (outcome.tried, outcome.lost) == (1, 0), outcome


def _may_mount():
  command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
  return shutil.which("unshare") and not subprocess.run(command, capture_output=True, check=False).returncode


def test_comparison_names_all_differences():
  expected = {"a": np.array([1.0, np.nan]), "b": [1, 2], "c": b"x"}
  crash_test._compare(expected, {"a": np.array([1.0, np.nan]), "b": [1, 2], "c": b"x"})
  with pytest.raises(RuntimeError, match="missing: c; extra: d; different: a, b"):
    crash_test._compare(expected, {"a": np.array([1.0, 2.0]), "b": [1], "d": 0})


def test_outcome_prints_lost_tries_and_notes():
  assert str(crash_test.Outcome("training SIGKILL", 30, 2, ["why"])) == (
    "training SIGKILL: tried 30, survived 28, lost 2\n  why"
  )


@pytest.mark.parametrize(
  ("parts", "tries", "message"),
  [(["kil"], 1, "--part.*: kil; expected some of kill"), (["kill"], 0, "--tries is 0; expected 1 or more")],
)
def test_wrong_arguments_are_refused(tmp_path, parts, tries, message):
  with pytest.raises(ValueError, match=message):
    next(crash_test.crash(parts, tmp_path / "crashes", tries, 0))
  assert not (tmp_path / "crashes").exists()


def test_existing_folder_is_refused(tmp_path):
  with pytest.raises(ValueError, match="exists; name a new folder"):
    next(crash_test.crash(["kill"], Path(tmp_path), 1, 0))
