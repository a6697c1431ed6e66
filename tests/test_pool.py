"""Functions that run in several processes."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from attavvad_jax import pool


def _square(path):
  path.with_suffix(".squared").write_text(str(int(path.stem) ** 2))


def _die(path):
  os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
def test_function_is_applied_to_every_item(tmp_path, workers):
  things = [tmp_path / f"{i}.txt" for i in range(3)]
  assert len(list(pool.each(_square, things, workers))) == 3
  assert [int((tmp_path / f"{i}.squared").read_text()) for i in range(3)] == [0, 1, 4]


def test_killed_worker_is_an_error(tmp_path):
  with pytest.raises(OSError, match="a process was killed, maybe for memory; start again with fewer workers"):
    list(pool.each(_die, [tmp_path, tmp_path], 2))


def test_workers_end_with_their_parent(tmp_path):
  script = (
    f"import test_pool, pathlib; list(test_pool.pool.each(test_pool._wait, [pathlib.Path({str(tmp_path)!r})] * 2, 2))"
  )
  environment = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])]),
  }
  with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
    _until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    process.kill()
  pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
  _until(lambda: not any(_is_running(pid) for pid in pids))


def _wait(folder):
  (folder / f"{os.getpid()}.pid").touch()
  time.sleep(600)


def _is_running(pid):
  try:
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
  except OSError:
    return False


def _until(condition):
  end_s = time.monotonic() + 60
  while not condition():
    assert time.monotonic() < end_s
    time.sleep(0.05)
