"""Mutation check: tests whether the tests notice a changed constant or condition.

python -m tools.mutants
python -m tools.mutants --only=collar

The check applies each of `MUTANTS` to a temporary copy of the checkout and runs the tests that should notice it. A
mutant is killed if these tests fail; without a mutant they must pass. The exit code is 1 if fewer than `LEAST_KILLED`
of all mutants are killed. The check takes about five minutes on two cores, so it is not part of CI.
"""

from collections.abc import Iterable, Iterator
import contextlib
import dataclasses
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import time

from attavvad_jax.commands.base import Command, Option
from tools import app

ROOT = Path(__file__).parent.parent
LEAST_KILLED = 27
# A test that runs longer counts as hanging.
_LONGEST_S = 600.0
_PASSED, _FAILED = 0, 1


@dataclasses.dataclass(frozen=True)
class Mutant:
  """A change that tests should notice.

  Attributes:
    name: description of the changed constant or condition.
    path: file below `attavvad_jax`.
    old: text that occurs exactly once in the file.
    new: replacement text.
    tests: files below `tests`, or tests in them, that should fail.
  """

  name: str
  path: str
  old: str
  new: str
  tests: tuple[str, ...]


_TRACKER = ("faces/test_tracker.py",)
_TRACKS = ("faces/test_face_tracks.py",)
_METRICS = ("evaluation/test_metrics.py",)
_LAYERS = ("models/test_layers.py",)
_ADAPTIVE = ("loss_weights/test_adaptive.py",)
_EVENTS = ("timeline/test_events.py",)
_CONFIGS = ("configs/test_configs.py",)
_LOG_MEL = ("features/test_log_mel.py",)
_DECODE = ("media/test_decode.py",)

MUTANTS = (
  Mutant("minimum overlap of a face with its track", "faces/tracks.py", "_MIN_IOU = 0.2", "_MIN_IOU = 0.5", _TRACKS),
  Mutant(
    "correlation below which there is a cut", "faces/cuts.py", "_CORRELATION = 0.5", "_CORRELATION = 0.8", _TRACKER
  ),
  Mutant(
    "gap over which boxes are interpolated", "faces/tracks.py", "\nMAX_GAP_S = 1.0", "\nMAX_GAP_S = 2.0", _TRACKER
  ),
  Mutant(
    "time after which a face starts a new track", "faces/tracks.py", "_RESUME_S = 5.0", "_RESUME_S = 8.0", _TRACKS
  ),
  Mutant(
    "score ratio by which another face takes over", "faces/tracks.py", "_TAKEOVER = 1.5", "_TAKEOVER = 1.1", _TRACKS
  ),
  Mutant("maximum jump of a head", "faces/tracks.py", "_MAX_JUMP = 1.0", "_MAX_JUMP = 1.5", _TRACKS),
  Mutant("maximum growth of a head", "faces/boxes.py", "_MAX_GROWTH = 1.6", "_MAX_GROWTH = 2.5", _TRACKS),
  Mutant(
    "gap of labels that is closed", "evaluation/protocols.py", "HALF_BLOCK_S = 1 / 6", "HALF_BLOCK_S = 1 / 4", _METRICS
  ),
  Mutant("gap that counts as rounding", "evaluation/metrics.py", "_ROUNDING_S = 1e-3", "_ROUNDING_S = 3e-3", _METRICS),
  Mutant("collar of the paper", "evaluation/protocols.py", "False, collar_s=0.5", "False, collar_s=0.4", _METRICS),
  Mutant(
    "offset collar by event length",
    "evaluation/protocols.py",
    "collar_s=0.2, length_fraction=0.5",
    "collar_s=0.2, length_fraction=0.3",
    _METRICS,
  ),
  Mutant(
    "collar, inclusive",
    "evaluation/metrics.py",
    "<= protocol.collar_s",
    "< protocol.collar_s",
    ("evaluation/test_counting.py",),
  ),
  Mutant(
    "level of confidence intervals",
    "evaluation/bootstrap.py",
    "_LEVEL = 0.95",
    "_LEVEL = 0.9",
    ("evaluation/test_bootstrap.py",),
  ),
  Mutant("momentum of batch normalization", "models/layers.py", "MOMENTUM = 0.9", "MOMENTUM = 0.99", _LAYERS),
  Mutant("epsilon of batch normalization", "models/layers.py", "EPSILON = 1e-5", "EPSILON = 1e-3", _LAYERS),
  Mutant("scale after dropout", "models/layers.py", "x / (1.0 - self.rate), 0.0", "x, 0.0", _LAYERS),
  Mutant("GradNorm's rate", "loss_weights/adaptive.py", "adam(0.025)", "adam(0.05)", _ADAPTIVE),
  Mutant("GradNorm's alpha", "loss_weights/adaptive.py", "alpha: float = 1.5", "alpha: float = 0.5", _ADAPTIVE),
  Mutant(
    "dynamic average's temperature",
    "loss_weights/adaptive.py",
    "temperature: float = 2.0",
    "temperature: float = 1.0",
    _ADAPTIVE,
  ),
  Mutant(
    "drift window of live input",
    "inference/streaming.py",
    "PATIENCE_S = 1.0",
    "PATIENCE_S = 2.0",
    ("inference/test_streaming.py",),
  ),
  Mutant(
    "minimum duration of an event",
    "timeline/smoothing.py",
    "min_duration_s: float = 0.5",
    "min_duration_s: float = 0.3",
    _EVENTS,
  ),
  Mutant(
    "width of the moving average", "timeline/smoothing.py", "mean_blocks: int = 3", "mean_blocks: int = 5", _EVENTS
  ),
  Mutant(
    "learning rate of the paper", "settings.py", "learning_rate: float = 1e-3", "learning_rate: float = 1e-2", _CONFIGS
  ),
  Mutant(
    "upper end of the mel range",
    "features/log_mel.py",
    "_hz_to_mel(sample_rate_hz / 2)",
    "_hz_to_mel(sample_rate_hz / 2.1)",
    _LOG_MEL,
  ),
  Mutant("floor of the log-mel", "features/log_mel.py", "_MIN_POWER = 1e-10", "_MIN_POWER = 1e-9", _LOG_MEL),
  Mutant("jitter of time stamps", "media/joiner.py", "GAP = Fraction(1, 100)", "GAP = Fraction(1, 1000)", _DECODE),
  Mutant("time for which a frame is held", "media/frame.py", "HOLD_S = 0.5", "HOLD_S = 1.0", _DECODE),
  Mutant(
    "frames per second that lips need",
    "recordings/assembler.py",
    "FRAMES_PER_SECOND = 4.5",
    "FRAMES_PER_SECOND = 3.5",
    ("recordings/test_blocks.py",),
  ),
  Mutant(
    "fraction that a mix loses suddenly",
    "media/mixing.py",
    "_SUDDEN = 0.2, 0.75",
    "_SUDDEN = 0.2, 0.95",
    ("media/test_mixing.py",),
  ),
  Mutant(
    "level of audible background",
    "features/augmentation.py",
    "_AUDIBLE_DBFS = -50.0",
    "_AUDIBLE_DBFS = -70.0",
    ("features/test_augmentation.py::test_voices_padding_and_quiet_blocks_are_never_mixed_in",),
  ),
)


def run(only: str) -> int:
  mutants = [mutant for mutant in MUTANTS if only in mutant.name]
  if not mutants:
    raise ValueError(f"no mutant is named {only!r}; expected a part of: {', '.join(mutant.name for mutant in MUTANTS)}")
  for mutant in mutants:
    _check(mutant)
  with tempfile.TemporaryDirectory(prefix="mutants_") as folder:
    copy = Path(folder)
    _copy_checkout(copy)
    for tests in dict.fromkeys(mutant.tests for mutant in mutants):
      if _test(copy, tests) != _PASSED:
        raise ValueError(
          f"{' '.join(tests)}: fails without a mutant or takes over {_LONGEST_S:g} s; make it pass first"
        )
    killed = 0
    for number, mutant in enumerate(mutants, 1):
      start_s = time.monotonic()
      with _applied(mutant, copy):
        is_killed = _test(copy, mutant.tests) == _FAILED
      killed += is_killed
      took_s = time.monotonic() - start_s
      print(f"{number:2} {'killed  ' if is_killed else 'SURVIVED'} {took_s:4.0f} s  {mutant.name}", flush=True)
  least = min(LEAST_KILLED, len(mutants))
  print(f"{killed} of {len(mutants)} killed; at least {least} are expected")
  return 0 if killed >= least else 1


def _check(mutant: Mutant) -> None:
  """Checks that the old text of a mutant occurs exactly once in the source."""
  path = ROOT / "attavvad_jax" / mutant.path
  if (count := path.read_text(encoding="utf-8").count(mutant.old)) != 1:
    raise ValueError(
      f"{path}: contains {mutant.old!r} {count} times, expected once; update `MUTANTS` in tools/mutants.py"
    )


def _copy_checkout(copy: Path) -> None:
  """Copies the files that tests need; the copy shares the cache of compiled programs with the checkout."""
  for name in ("attavvad_jax", "tests", "tools", "launch", "configs", "pyproject.toml"):
    source = ROOT / name
    if source.is_dir():
      shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
      shutil.copy(source, copy / name)
  compiled = ROOT / ".pytest_cache" / "xla"
  compiled.mkdir(parents=True, exist_ok=True)
  (copy / ".pytest_cache").mkdir()
  (copy / ".pytest_cache" / "xla").symlink_to(compiled)


@contextlib.contextmanager
def _applied(mutant: Mutant, copy: Path) -> Iterator[None]:
  path = copy / "attavvad_jax" / mutant.path
  text = path.read_text(encoding="utf-8")
  path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
  try:
    yield
  finally:
    path.write_text(text, encoding="utf-8")


def _test(copy: Path, tests: Iterable[str]) -> int:
  """Runs tests and returns the exit code of pytest, passed or failed. Hanging tests count as failed."""
  command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow"]
  command += [f"tests/{test}" for test in tests]
  # No bytecode files: Python would not notice a source that changes twice within a second.
  environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
  try:
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_LONGEST_S)
  except subprocess.TimeoutExpired:
    return _FAILED
  if done.returncode not in (_PASSED, _FAILED):
    raise ValueError(f"pytest ended with exit code {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
  return done.returncode


COMMAND = Command(
  "mutants",
  "check that the tests notice changed constants and conditions",
  "Changes one constant or condition at a time in a copy of the checkout and runs the tests that should notice it.",
  "python -m tools.mutants",
  (Option("only", "run the mutants whose name contains this text", default=""),),
  run,
)


if __name__ == "__main__":
  app.run(COMMAND)
