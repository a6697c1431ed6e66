"""Crash tests: checks that nothing is lost when programs or processes are killed or the disk is full.

python -m tools.crash_test --part=kill,processes,disk --tries=30 --folder=/tmp/crashes

The tests run the verbs of `attavvad` as a user does, on a small simulated data set. They interrupt a program at random
moments and restart it with the same command until it ends. The outputs must equal those of an uninterrupted program:
the same files, bit-identical arrays, the same validation scores, and nothing else.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import functools
import json
from pathlib import Path
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any, TypeVar

import numpy as np

from attavvad_jax.commands.base import Command, Option
from tools import app

PARTS = ("kill", "processes", "disk")
PROGRAMS = ("training", "preparation", "sweep")

# Time in which a program must save and end after SIGTERM.
STOP_S = 15.0
# Time in which the other processes must end after one was killed: the timeout of `training.processes` and a margin.
LOSS_S = 90.0
# Longer than any program here takes.
_LONGEST_S = 600.0
_NUM_PROCESSES = 4
_DISK_MB = 64
_CONFIG = "--config=tools/crash_config.py"

Contents = dict[str, Any]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Outcome:
  """The result of crashing one program.

  Attributes:
    name: name of the program and the interruption.
    tried: number of tries.
    lost: number of tries in which data was lost, the program did not resume, or its error was unclear.
    notes: observations and failures.
  """

  name: str
  tried: int
  lost: int
  notes: Sequence[str]

  def __str__(self) -> str:
    head = f"{self.name}: tried {self.tried}, survived {self.tried - self.lost}, lost {self.lost}"
    return "\n  ".join([head, *self.notes])


@dataclasses.dataclass(frozen=True)
class Job:
  """A program that writes into a folder.

  Attributes:
    name: name of the program.
    arguments: function from a folder to the arguments of `attavvad`.
    at_work: text in its output that shows that it is at work.
    contents: function from a folder to the outputs to compare.
    saves_on_sigterm: whether the program saves and ends on SIGTERM.
  """

  name: str
  arguments: Callable[[Path], Sequence[str]]
  at_work: str
  contents: Callable[[Path], Contents]
  saves_on_sigterm: bool = False

  def start(self, folder: Path, more: Sequence[str] = (), log: Path | None = None) -> "Program":
    return Program([*self.arguments(folder), *more], log or folder.with_name(f"{folder.name}.log"))

  def finish(self, folder: Path, log: Path | None = None) -> None:
    """Runs the program to its end.

    Raises:
      RuntimeError: the exit code is not 0.
    """
    with self.start(folder, log=log) as program:
      program.wait_to_end()
    if program.code != 0:
      raise RuntimeError(f"{self.name} ended with code {program.code}: {program.output[-500:]}")


class Program:
  """A running verb of `attavvad`, killed at the end of the `with` block; its output goes to a file."""

  def __init__(self, arguments: Sequence[str], log: Path):
    self._log = log
    with log.open("w") as file:
      command, root = [sys.executable, "-m", "attavvad_jax", *arguments], Path(__file__).parents[1]
      self._process = subprocess.Popen(command, cwd=root, stdout=file, stderr=subprocess.STDOUT)

  def __enter__(self) -> "Program":
    return self

  def __exit__(self, *error: Any) -> None:
    self.send(signal.SIGKILL)
    self._process.wait()

  @property
  def output(self) -> str:
    return self._log.read_text(encoding="utf-8", errors="replace")

  @property
  def code(self) -> int | None:
    """The exit code; negative after a signal, None while the program runs."""
    return self._process.poll()

  def send(self, signal_number: int) -> None:
    self._process.send_signal(signal_number)

  def wait_for(self, text: str) -> bool:
    """Waits until the program has printed a text. Returns False if it has ended before."""
    return _wait(lambda: True if text in self.output else False if self.code is not None else None, _LONGEST_S)

  def wait_to_end(self, seconds: float = _LONGEST_S) -> float:
    """Waits until the program has ended and returns the seconds waited.

    Raises:
      TimeoutError: the program has not ended in time.
    """
    start = time.monotonic()
    _wait(lambda: self.code is not None or None, seconds)
    return time.monotonic() - start


def crash(
  parts: Sequence[str],
  folder: Path,
  tries: int,
  seed: int,
  programs: Sequence[str] = PROGRAMS,
  epochs: int = 4,
) -> Iterator[Outcome]:
  """Crashes programs and yields the outcome of each.

  Args:
    parts: some of `PARTS`.
    folder: output folder of the programs; it is created and must not exist.
    tries: number of interruptions of each program.
    seed: seed of the random moments.
    programs: programs to kill, some of `PROGRAMS`.
    epochs: number of epochs of a training run.

  Raises:
    ValueError: a part or program is unknown, the folder exists, or the system does not allow a small disk.
  """
  for flag, given, known in (("part", parts, PARTS), ("programs", programs, PROGRAMS)):
    if unknown := sorted(set(given) - set(known)):
      raise ValueError(f"--{flag} contains unknown values: {', '.join(unknown)}; expected some of {', '.join(known)}")
  if tries < 1:
    raise ValueError(f"--tries is {tries}; expected 1 or more")
  if folder.exists():
    raise ValueError(f"{folder}: exists; name a new folder")
  folder.mkdir(parents=True)
  rng = np.random.default_rng(seed)
  data = folder / "data"
  preparing = Job("preparation", _prepare, "preparing:", _files)
  preparing.finish(data)
  training = Job("training", lambda output: _train(data, output, epochs), "training:", _run_of, saves_on_sigterm=True)
  sweeping = Job(
    "sweep", lambda output: _sweep(data, output, epochs), "training 2 runs:", _runs_of, saves_on_sigterm=True
  )
  if "kill" in parts:
    for job in (job for job in (training, preparing, sweeping) if job.name in programs):
      yield _kill(job, folder, tries, rng, signal.SIGKILL)
      if job.saves_on_sigterm:
        yield _kill(job, folder, tries, rng, signal.SIGTERM)
  if "processes" in parts:
    yield _lose_processes(training, folder, tries, rng)
  if "disk" in parts:
    yield _fill_disk(training, folder, tries, rng)


def _prepare(output: Path) -> list[str]:
  minutes = ["--train_minutes=1.5", "--validation_minutes=0.5", "--test_minutes=0.5"]
  data = ["--dataset=simulated", "--preset=clean", "--workers=2"]
  return ["prepare", _CONFIG, *data, *minutes, f"--output={output}"]


def _train(data: Path, output: Path, epochs: int) -> list[str]:
  return ["train", _CONFIG, f"--config.data={data}", f"--config.num_epochs={epochs}", f"--workdir={output}"]


def _sweep(data: Path, output: Path, epochs: int) -> list[str]:
  _, *flags = _train(data, output, epochs)
  return ["sweep", *flags, "--settings=1/1/1,dynamic_average", "--seeds=1"]


def _kill(job: Job, folder: Path, tries: int, rng: np.random.Generator, signal_number: signal.Signals) -> Outcome:
  """Sends a program a signal at random moments of its work, restarts it, and compares its final outputs."""
  name = f"{job.name} {signal_number.name}"
  expected, work_s = _reference(job, folder)
  tried = lost = saving = unbroken = 0
  notes, waits_s = [], []
  while tried < tries or unbroken:
    output = folder / f"{job.name}_{signal_number.name}_{tried}"
    unbroken = 0
    try:
      while tried < tries:
        with job.start(output) as program:
          if not program.wait_for(job.at_work):
            break
          time.sleep(rng.uniform(0, work_s / 3))
          if program.code is not None:
            break
          program.send(signal_number)
          tried, unbroken = tried + 1, unbroken + 1
          waits_s.append(program.wait_to_end())
          if signal_number == signal.SIGTERM and (program.code != 0 or waits_s[-1] > STOP_S):
            raise RuntimeError(f"ended with code {program.code} after {waits_s[-1]:.1f} s: {program.output[-500:]}")
          saving += any(output.glob("**/*orbax-checkpoint-tmp*"))
      job.finish(output)
      _compare(expected, job.contents(output))
    except (RuntimeError, ValueError) as error:
      lost += max(unbroken, 1)
      notes.append(f"{output.name}: {error}")
    unbroken = 0
  if job.saves_on_sigterm and signal_number == signal.SIGKILL:
    notes.insert(0, f"{saving} of them during a checkpoint write")
  if signal_number == signal.SIGTERM:
    notes.insert(0, f"ended at most {max(waits_s):.1f} s later, with code 0")
  return Outcome(name, tried, lost, notes)


def _lose_processes(job: Job, folder: Path, tries: int, rng: np.random.Generator) -> Outcome:
  """Kills one of several processes at a random moment; the others must report it and end, and all must resume."""
  expected, work_s = _reference(job, folder, _NUM_PROCESSES)
  lost, notes, waits_s = 0, [], []
  output = folder / "processes"
  for _ in range(tries):
    try:
      with _together(job, output, _NUM_PROCESSES) as programs:
        if not programs[0].wait_for(job.at_work):
          raise RuntimeError(f"did not start: {programs[0].output[-500:]}")
        time.sleep(rng.uniform(0, work_s / (tries + 1)))
        victim = int(rng.integers(_NUM_PROCESSES))
        programs[victim].send(signal.SIGKILL)
        waits_s.append(max(program.wait_to_end(LOSS_S) for program in programs))
        for index, program in enumerate(programs):
          # The package reports the loss; if process 0 is lost, which runs jax's coordinator, jax reports it.
          clear = re.search(r"lost another of the|another task died", program.output)
          if index != victim and (program.code == 0 or not clear):
            raise RuntimeError(f"process {index} ended with code {program.code}: {program.output[-500:]}")
    except (RuntimeError, TimeoutError, ValueError) as error:
      lost += 1
      notes.append(str(error))
  try:
    _finish_together(job, output, _NUM_PROCESSES)
    _compare(expected, job.contents(output))
  except (RuntimeError, ValueError) as error:
    lost = tries
    notes.append(str(error))
  if waits_s:
    notes.insert(0, f"the others ended at most {max(waits_s):.1f} s later")
  return Outcome(f"{job.name}, one of {_NUM_PROCESSES} processes SIGKILL", tries, lost, notes)


def _fill_disk(job: Job, folder: Path, tries: int, rng: np.random.Generator) -> Outcome:
  """Fills the disk at a random moment of the work; the program must report it, and resume when there is space."""
  expected, work_s = _reference(job, folder)
  tried = lost = 0
  notes: list[str] = []
  with _small_disk(folder / "disk") as disk:
    output, filler, log = disk / "run", disk / "filler", folder / "disk.log"
    while tried < tries:
      try:
        with job.start(output, log=log) as program:
          if program.wait_for(job.at_work):
            time.sleep(rng.uniform(0, work_s / 10))
          if program.code == 0:
            shutil.rmtree(output)  # the program ended before the disk was full: start anew
            continue
          tried += 1
          _fill(filler, room_bytes=int(rng.integers(0, 200_000)))
          program.wait_to_end()
          text = program.output.strip().splitlines()[-1]
          if program.code != 2 or not re.search(r"^attavvad: .*no space left on device", text):
            raise RuntimeError(f"ended with code {program.code}: {program.output[-500:]}")
          if not notes:
            notes.append(f"error: {text}")
        filler.unlink()
      except (RuntimeError, ValueError) as error:
        lost += 1
        notes.append(str(error))
        filler.unlink(missing_ok=True)
    try:
      job.finish(output, log)
      _compare(expected, job.contents(output))
    except (RuntimeError, ValueError) as error:
      lost = tried
      notes.append(str(error))
  return Outcome(f"{job.name}, disk full", tried, lost, notes)


@functools.cache
def _reference(job: Job, folder: Path, num_processes: int = 1) -> tuple[Contents, float]:
  """Returns the outputs of an uninterrupted run and the seconds of its work."""
  output = folder / f"{job.name}_alone_{num_processes}"
  if num_processes > 1:
    with _together(job, output, num_processes) as programs:
      return _work(job, programs, output)
  with job.start(output) as program:
    return _work(job, [program], output)


def _work(job: Job, programs: Sequence[Program], output: Path) -> tuple[Contents, float]:
  programs[0].wait_for(job.at_work)
  work_s = max(program.wait_to_end() for program in programs)
  for program in programs:
    if program.code != 0:
      raise RuntimeError(f"{job.name} ended with code {program.code}: {program.output[-500:]}")
  return job.contents(output), work_s


@contextlib.contextmanager
def _together(job: Job, output: Path, num_processes: int) -> Iterator[list[Program]]:
  """Starts processes that train together on this machine."""
  with socket.socket() as free, contextlib.ExitStack() as stack:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    joined = ["--distributed", f"--coordinator_address=127.0.0.1:{port}", f"--num_processes={num_processes}"]
    yield [
      stack.enter_context(
        job.start(output, [*joined, f"--process_id={index}"], output.with_name(f"{output.name}.{index}.log"))
      )
      for index in range(num_processes)
    ]


def _finish_together(job: Job, output: Path, num_processes: int) -> None:
  with _together(job, output, num_processes) as programs:
    _work(job, programs, output)


@contextlib.contextmanager
def _small_disk(mount: Path) -> Iterator[Path]:
  """Mounts a disk of `_DISK_MB` in memory, in a namespace that disappears with the process that holds it."""
  mount.mkdir()
  script = f'mount -t tmpfs -o size={_DISK_MB}m tmpfs "$0" && echo made && exec sleep infinity'
  command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(mount)]
  try:
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
  except FileNotFoundError as error:
    raise ValueError("part disk needs the command unshare; install util-linux") from error
  with holder:
    try:
      assert holder.stdout is not None
      assert holder.stderr is not None
      if holder.stdout.readline() != "made\n":
        raise ValueError(f"part disk needs a Linux that lets users mount file systems: {holder.stderr.read().strip()}")
      yield Path(f"/proc/{holder.pid}/root{mount.absolute()}")
    finally:
      holder.kill()


def _fill(path: Path, room_bytes: int) -> None:
  """Writes a file that leaves `room_bytes` of free space."""
  with path.open("wb", buffering=0) as file:
    with contextlib.suppress(OSError):
      while file.write(bytes(2**16)):
        pass
    file.truncate(max(0, file.tell() - room_bytes))


def _files(folder: Path) -> Contents:
  """Returns the bytes of every file by path."""
  return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _runs_of(folder: Path) -> Contents:
  """Returns the outputs of all members of a sweep."""
  return {f"{run.name}/{name}": value for run in sorted(folder.iterdir()) for name, value in _run_of(run).items()}


def _run_of(workdir: Path) -> Contents:
  """Returns the outputs of a run: file names, files and arrays of its checkpoints, and the validations of its log."""
  import jax

  from attavvad_jax.checkpoints import leaf_name, read_meta, restore_item
  from attavvad_jax.training.checkpoints import KINDS

  contents: Contents = {"files": sorted(path.name for path in workdir.iterdir())}
  for kind in KINDS:
    steps = sorted(path.name for path in (workdir / "checkpoints" / kind).iterdir())
    contents[f"checkpoints/{kind}"] = steps
    for step in steps:
      folder = workdir / "checkpoints" / kind / step
      contents[f"{kind} files"] = sorted(path.name for path in folder.iterdir())
      contents[f"{kind} meta"] = {name: value for name, value in read_meta(folder).items() if name != "versions"}
      for item in ("variables", "optimizer"):
        leaves, _ = jax.tree_util.tree_flatten_with_path(restore_item(folder.absolute(), item))
        contents.update({f"{kind} {item} {leaf_name(path)}": np.asarray(leaf) for path, leaf in leaves})
  lines = [json.loads(line) for line in (workdir / "log.jsonl").read_text(encoding="utf-8").splitlines()]
  # The steps that a training line covers depend on the moment of SIGTERM, so only validations are compared.
  contents["log"] = [line for line in lines if line["split"] == "validation"]
  return contents


def _compare(expected: Contents, actual: Contents) -> None:
  """Raises a RuntimeError that names missing, extra and different contents."""
  missing, extra = sorted(expected.keys() - actual.keys()), sorted(actual.keys() - expected.keys())
  different = [name for name in expected.keys() & actual.keys() if not _same(expected[name], actual[name])]
  problems = {"missing": missing, "extra": extra, "different": sorted(different)}
  if any(problems.values()):
    listed = "; ".join(f"{what}: {', '.join(names[:5])}" for what, names in problems.items() if names)
    raise RuntimeError(f"outputs differ from those of an uninterrupted program: {listed}")


def _same(a: Any, b: Any) -> bool:
  return np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b


def _wait(poll: Callable[[], T | None], seconds: float) -> T:
  """Waits until a function returns a value other than None, and returns it."""
  end_s = time.monotonic() + seconds
  while (value := poll()) is None:
    if time.monotonic() > end_s:
      raise TimeoutError(f"timed out after {seconds:.0f} s")
    time.sleep(0.02)
  return value


def run(part: Sequence[str], programs: Sequence[str], tries: int, seed: int, folder: str) -> int:
  """Prints the outcome of each program. Returns the exit code, 1 if anything was lost."""
  lost = 0
  for outcome in crash(part, Path(folder), tries, seed, programs):
    print(outcome, flush=True)
    lost += outcome.lost
  return 1 if lost else 0


COMMAND = Command(
  "crash_test",
  "kill programs, lose processes, fill disks, and count what is lost",
  "Kills programs, loses processes and fills disks, and counts whether anything is lost (exit code 1).",
  "python -m tools.crash_test --folder=/tmp/crashes --tries=30",
  (
    Option("part", "tests to run: some of kill,processes,disk", "list", default=PARTS, metavar="PART,…"),
    Option(
      "programs",
      "programs to kill in the part kill: some of training,preparation,sweep",
      "list",
      default=PROGRAMS,
      metavar="PROGRAM,…",
    ),
    Option("tries", "number of interruptions of each program", "integer", default=30),
    Option("seed", "seed of the random moments", "integer", default=0),
    Option("folder", "output folder of the programs; must not exist", "path", required=True),
  ),
  run,
)

if __name__ == "__main__":
  app.run(COMMAND)
