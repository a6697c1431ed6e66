"""Runs cases in alternation and reports medians, first calls (compilation) and peak memory.

Each case lives in a child process of its own: its peak memory is its own, and it can have other settings of XLA. The
parent asks one child at a time for one run, in turn, so that a drifting machine is fair to all.
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

# A run: does the work once and returns when it is done.
Timed = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Case:
  """One thing to time.

  Attributes:
    name: what the result is called.
    prepare: a module-level function that returns the run; called in the child, not timed.
    arguments: of `prepare`; they travel to the child.
    work: units that one run does, for example blocks, and what they are called.
    environment: variables of the child, set before anything is imported; None removes one.
  """

  name: str
  prepare: Callable[..., Timed]
  arguments: tuple[Any, ...] = ()
  work: tuple[float, str] = (1, "runs")
  environment: Mapping[str, str | None] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Result:
  """Figures of one case: seconds of the first call and of each later one, and the child's peak memory."""

  case: Case
  first_s: float
  runs_s: Sequence[float]
  peak_mb: float

  @property
  def median_s(self) -> float:
    return statistics.median(self.runs_s)

  def to_dict(self) -> dict[str, Any]:
    """Plain figures for a line of JSON."""
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
  """Times every case `runs` times, one after another in turn.

  Raises:
    RuntimeError: a case failed in its child, whose error is on standard error.
  """
  context = multiprocessing.get_context("spawn")
  children = []
  for case in cases:
    ours, theirs = context.Pipe()
    # A child takes its environment from the parent as it is when it starts.
    with _environment(case.environment):
      child = context.Process(target=_serve, args=(theirs, case.prepare, case.arguments), daemon=True)
      child.start()
    theirs.close()
    children.append((case, child, ours))
  try:
    firsts = [_ask(case, pipe) for case, _, pipe in children]
    seconds: list[list[float]] = [[] for _ in children]
    for _ in range(runs):
      for (case, _, pipe), found in zip(children, seconds, strict=True):
        found.append(_ask(case, pipe))
    peaks = [_ask(case, pipe, "peak") for case, _, pipe in children]
  finally:
    for _, child, _ in children:
      child.terminate()
  return [Result(*row) for row in zip(cases, firsts, seconds, peaks, strict=True)]


def report(suite: str, results: Sequence[Result], ours: str) -> str:
  """One JSON object a line, then a table; `ratio` is a case's median by that of the case called `ours`."""
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
  """The child: prepares once, then runs whenever it is asked to."""
  run = prepare(*arguments)
  while True:
    if pipe.recv() == "peak":
      # Linux counts in kB, macOS in bytes.
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
    raise RuntimeError(f"benchmark case {case.name!r} failed; its error stands above") from error


class _environment:
  """Variables of the environment for the time of a `with` block."""

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
