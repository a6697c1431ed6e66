"""Launchers as processes: exit codes and output."""

from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]
LAUNCHERS = sorted(path.stem for path in (ROOT / "launch").glob("*.py") if path.stem not in ("__init__", "app"))
# Further cases of a launcher are slow: each takes seconds to import its verb.
AGAIN = pytest.mark.slow


def _run(launcher, *flags):
  command = [sys.executable, "-m", f"launch.{launcher}", *flags]
  return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
  ("launcher", "flags", "message"),
  [
    (
      "train",
      ["--config=configs/att_avvad.py", "--config.batchsize=3", "--workdir=x"],
      "config has no key 'batchsize'",
    ),
    ("train", ["--config=configs/none.py", "--workdir=x"], "configs/none.py"),
    ("train", ["--config=configs/att_avvad.py", "--workdir=x"], "config.data is not set"),
    pytest.param(
      "train",
      ["--config=configs/att_avvad.py", "--workdir=x", "--config.data=none"],
      "no prepared data set",
      marks=AGAIN,
    ),
    ("train", ["--config=configs/att_avvad.py"], "workdir"),
    pytest.param(
      "train", ["--config=configs/att_avvad.py", "--workdir=x", "--num_processes=2"], "need --distributed", marks=AGAIN
    ),
    pytest.param(
      "train",
      ["--config=configs/att_avvad.py", "--workdir=x", "--distributed", "--num_processes=2"],
      "--coordinator_address is not given",
      marks=AGAIN,
    ),
    ("train", ["--config=configs/att_avvad.py", "--workdr=x"], "workdr"),
    (
      "sweep",
      ["--config=configs/att_avvad.py", "--workdir=x", "--settings=1/1/1,1/1/1", "--seeds=1"],
      "settings: 1/1/1 and 1/1/1 are the same; give each once",
    ),
    pytest.param(
      "sweep",
      ["--config=configs/att_avvad.py", "--workdir=x", "--settings=1/1/1", "--seeds=1,two"],
      "seeds: 'two'; expected whole numbers",
      marks=AGAIN,
    ),
    ("prepare", ["--input=none", "--output=x"], "none: not a folder"),
    pytest.param(
      "prepare",
      ["--input=x", "--output=x", "--map=a=hum"],
      "map: 'a=hum'; expected LABEL=EVENT",
      marks=AGAIN,
    ),
    ("evaluate", ["--checkpoint=none", "--data=x"], "no such checkpoint"),
    pytest.param(
      "evaluate", ["--data=x"], "expected --checkpoint and --data, or --estimate and --reference", marks=AGAIN
    ),
    pytest.param("evaluate", ["--estimate=none", "--reference=none"], "none: no such file or folder", marks=AGAIN),
    pytest.param(
      "evaluate",
      ["--checkpoint=none", "--data=x", "--protocol=mine"],
      "unknown protocol 'mine'; expected one of paper",
      marks=AGAIN,
    ),
    ("export", ["--checkpoint=none", "--output=x"], "none: no such checkpoint"),
    ("simulate", ["--output=x", "--train_minutes=-1"], "expected 0 or more"),
    ("stream", ["--source=none.mp4", "--checkpoint=none", "--output=x"], "no such checkpoint"),
    ("detect", ["clip.mp4", "--video=a.mp4", "--checkpoint=none"], "expected options given as --name=value"),
  ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, launcher, flags, message):
  flags = [flag.replace("=x", f"={tmp_path / 'x'}") for flag in flags]
  result = _run(launcher, *flags)
  assert result.returncode == 2, result.stderr
  lines = [line for line in result.stderr.splitlines() if line.strip()]
  assert len(lines) == 1, result.stderr
  assert lines[0].startswith("attavvad: ")
  assert message in lines[0]
  assert result.stdout == ""
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_launcher_is_thin(launcher):
  source = (ROOT / "launch" / f"{launcher}.py").read_text(encoding="utf-8")
  assert len(source.splitlines()) < 10


def test_sigterm_during_exit_keeps_the_exit_code():
  """Exit takes a second; a scheduler that sends SIGTERM meanwhile must not see a failure."""
  program = """
import atexit, sys, time
from attavvad_jax.commands import guard
def leave():
  print("leaves", flush=True)
  time.sleep(1.0)
atexit.register(leave)
sys.exit(guard.leave(lambda: 0))
"""
  with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
    assert process.stdout is not None
    assert process.stdout.readline() == "leaves\n"
    process.terminate()
    assert process.wait(30) == 0
