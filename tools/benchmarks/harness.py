"""Runs cases in alternation and reports medians, first calls (compilation) and peak memory.

Each case has its own child process, which gives it a separate peak memory and separate settings of XLA. The parent asks
the children in turn for one run at a time, so that a drift in the machine's speed affects all cases equally.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import json
import multiprocessing
from multiprocessing.connection import Connection
import os
import resource
import statistics
import sys
import time
from typing import Any

# Does the work once and returns when it is done.
Timed = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Case:
  """One thing to time.

  Attributes:
    name: name of the result.
    prepare: a module-level function that returns the function to time; called in the child, not timed.
    arguments: arguments of `prepare`, which are sent to the child.
    work: amount and unit of the work of one run, for example a number of blocks.
    environment: variables of the child, set before any import; None removes a variable.
  """

  name: str
  prepare: Callable[..., Timed]
  arguments: tuple[Any, ...] = ()
  work: tuple[float, str] = (1, "runs")
  environment: Mapping[str, str | None] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Result:
  """Measurements of one case: seconds of the first call and of each later call, and the child's peak memory."""

  case: Case
  first_s: float
  runs_s: Sequence[float]
  peak_mb: float

  @property
  def median_s(self) -> float:
    return statistics.median(self.runs_s)

  def to_dict(self) -> dict[str, Any]:
    """Returns the values for a line of JSON."""
    amount, unit = self.case.work
    return {
      "case": self.case.name,
      "median_s": round(self.median_s, 5),
      "min_s": round(min(self.runs_s), 5),
      "max_s": round(max(self.runs_s), 5),
      "first_call_s": round(self.first_s, 3),
      "runs": len(self.runs_s),
      f"{unit}_per_s": round(amount / self.median_s, 2),
      "peak_memory_mb": round(self.peak_mb),
    }


def alternate(cases: Sequence[Case], runs: int) -> list[Result]:
  """Times every case `runs` times, in turn.

  Raises:
    RuntimeError: a case failed in its child, whose error is on standard error.
  """
  context = multiprocessing.get_context("spawn")
  children = []
  for case in cases:
    ours, theirs = context.Pipe()
    # A child inherits the environment that the parent has when it starts the child.
    with _environment(case.environment):
      child = context.Process(target=_serve, args=(theirs, case.prepare, case.arguments), daemon=True)
      child.start()
    theirs.close()
    children.append((case, child, ours))
  try:
    firsts = [_ask(case, pipe) for case, _, pipe in children]
    seconds: list[list[float]] = [[] for _ in children]
    for _ in range(runs):
      for (case, _, pipe), times_s in zip(children, seconds, strict=True):
        times_s.append(_ask(case, pipe))
    peaks = [_ask(case, pipe, "peak") for case, _, pipe in children]
  finally:
    for _, child, _ in children:
      child.terminate()
  return [Result(*row) for row in zip(cases, firsts, seconds, peaks, strict=True)]


def report(suite: str, results: Sequence[Result], ours: str) -> str:
  """Returns one JSON object per line, then a table; `ratio` is a case's median over that of the case named `ours`."""
  reference = next(result for result in results if result.case.name == ours).median_s
  rows = [{"suite": suite, **result.to_dict(), "ratio": round(result.median_s / reference, 3)} for result in results]
  lines = [json.dumps(row) for row in rows]
  header = ("case", "median s", "ratio", "units/s", "first call s", "peak MB")
  table = [header]
  for row, result in zip(rows, results, strict=True):
    unit = result.case.work[1]
    table.append(
      (
        row["case"],
        f"{row['median_s']:.4f}",
        f"{row['ratio']:.2f}",
        f"{row[f'{unit}_per_s']:.1f} {unit}",
        f"{row['first_call_s']:.2f}",
        f"{row['peak_memory_mb']}",
      )
    )
  widths = [max(len(row[i]) for row in table) for i in range(len(header))]
  lines.append("")
  lines += [
    "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
    for row in table
  ]
  return "\n".join(lines)


def _serve(pipe: Connection, prepare: Callable[..., Timed], arguments: tuple[Any, ...]) -> None:
  """Serves as the child: prepares once, then runs on each request."""
  run = prepare(*arguments)
  while True:
    if pipe.recv() == "peak":
      # Linux reports kB, macOS bytes.
      pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6))
      continue
    start_s = time.perf_counter()
    run()
    pipe.send(time.perf_counter() - start_s)


def _ask(case: Case, pipe: Connection, question: str = "run") -> float:
  pipe.send(question)
  try:
    return pipe.recv()
  except EOFError as error:
    raise RuntimeError(f"benchmark case {case.name!r} failed; see its error above") from error


class _environment:
  """Sets environment variables during a `with` block."""

  def __init__(self, changes: Mapping[str, str | None]):
    self._changes = changes

  def __enter__(self) -> None:
    self._before = {name: os.environ.get(name) for name in self._changes}
    _set(self._changes)

  def __exit__(self, *_: object) -> None:
    _set(self._before)


def _set(variables: Mapping[str, str | None]) -> None:
  for name, value in variables.items():
    if value is None:
      os.environ.pop(name, None)
    else:
      os.environ[name] = value
