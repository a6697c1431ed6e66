"""The log of a run: one JSON object per line in log.jsonl, and the same values for TensorBoard."""

from collections.abc import Mapping
import contextlib
import json
import os
from pathlib import Path
import time
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from attavvad_jax.files import write_text
from attavvad_jax.loss_weights import Weights
from attavvad_jax.losses import Terms
from attavvad_jax.training.step import StepLog

_NO_STEP = jnp.iinfo(jnp.int32).max


@struct.dataclass
class Interval:
  """The sums over the steps between two lines of the log; they stay on the device until `metrics` reads them.

  Attributes:
    terms: the losses.
    weighted: each loss times its weight, summed over the steps.
    weights: each of the nine weights, summed over the steps.
    steps: number of steps, int32 [].
    first_bad_step: first step whose total was not finite, or the largest int32, int32 [].
  """

  terms: Terms
  weighted: dict[str, jax.Array]
  weights: Weights
  steps: jax.Array
  first_bad_step: jax.Array

  @classmethod
  def of(cls, log: StepLog, step: jax.Array | int) -> "Interval":
    """Returns the interval of a single step with this number."""
    weighted = {name: log.weights[name] * total for name, total in log.terms.sums.items()}
    bad = jnp.where(jnp.isfinite(log.total), _NO_STEP, jnp.asarray(step, jnp.int32))
    return cls(log.terms, weighted, log.weights, jnp.ones((), jnp.int32), bad)

  def __add__(self, other: "Interval") -> "Interval":
    added = jax.tree.map(jnp.add, self, other)
    return added.replace(first_bad_step=jnp.minimum(self.first_bad_step, other.first_bad_step))

  @property
  def diverged_at(self) -> int | None:
    """The first step whose total was not finite, or None."""
    step = int(self.first_bad_step)
    return None if step == _NO_STEP else step


def metrics(interval: Interval) -> dict[str, float]:
  """Returns the losses, their weights as `weight_<term>`, and the total of an interval.

  A loss is the mean over the counted blocks, NaN if there are none. Its weight is the mean over the steps, each step
  weighted by its loss, so that loss times weight is the mean weighted loss; a constant weight keeps its value. The
  total is the sum of these products: Eq. 2 on the logged values. The weight of a term without a loss, or with a loss of
  0, is the plain mean over the steps.
  """
  interval = jax.device_get(interval)
  losses: dict[str, float] = {}
  weights = {name: float(weight) / int(interval.steps) for name, weight in interval.weights.items()}
  total = 0.0
  for name, sums in interval.terms.sums.items():
    count = float(interval.terms.counts[name])
    losses[name] = float(sums) / count if count else float("nan")
    if sums:
      weights[name] = float(interval.weighted[name]) / float(sums)
      total += weights[name] * losses[name]
  return {**losses, **{f"weight_{name}": weight for name, weight in weights.items()}, "total": total}


class RunLog:
  """Appends metrics to `<workdir>/log.jsonl` and `<workdir>/tensorboard`.

  A run that resumes from step s first drops the lines after s, which it writes again.
  """

  def __init__(self, workdir: Path, step: int):
    self._path = workdir / "log.jsonl"
    if self._path.exists():
      kept = [line for line in self._path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
      write_text(self._path, "".join(line + "\n" for line in kept))
    self._file = self._path.open("a", encoding="utf-8")
    board = workdir / "tensorboard"
    board.mkdir(exist_ok=True)
    # The thread of SummaryWriter would print a traceback when the disk is full.
    self._board = EventsWriter(str(board / "events"), f".{os.getpid()}.{step}")
    self._add(step + 1, session_log=SessionLog(status=SessionLog.START))  # hides events after the step

  def write(self, step: int, split: str, metrics: Mapping[str, float]) -> None:
    """Writes one line; a NaN, the value of a metric that counted nothing, becomes null."""
    finite = {name: value if value == value else None for name, value in metrics.items()}
    values = [
      Summary.Value(tag=f"{split}/{name}", simple_value=value) for name, value in finite.items() if value is not None
    ]
    try:
      self._file.write(json.dumps({"step": step, "split": split, **finite}) + "\n")
      self._file.flush()
      self._add(step, summary=Summary(value=values))
    except OSError as error:
      raise OSError(error.errno, error.strerror, str(self._path)) from error

  def _add(self, step: int, **content: Any) -> None:
    self._board.write_event(Event(wall_time=time.time(), step=step, **content))
    self._board.flush()

  def close(self) -> None:
    with contextlib.suppress(OSError):  # `write` has already raised it
      self._file.close()
    with contextlib.suppress(OSError):
      self._board.close()


def _step_of(line: str) -> float:
  """Returns the step of a line; infinity for a line that a crash cut short, so that it is dropped."""
  try:
    return json.loads(line)["step"]
  except (json.JSONDecodeError, KeyError, TypeError):
    return float("inf")
