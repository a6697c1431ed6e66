"""Several processes that train together: how they join, and what process 0 does for all.

Every process runs the same program on its own devices and reads its own part of the data. Process 0 alone writes logs;
all processes write checkpoints, into a folder that all can access.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
import inspect
from pathlib import Path
import signal
import threading

import jax
from jax.experimental import multihost_utils
import numpy as np

from attavvad_jax.files import locked

# The time after which a dead process is noticed, and the time in which all processes must start.
HEARTBEAT_S, START_S = 60, 300


def join(
  coordinator_address: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
  """Joins the processes that train together. It must run before any other use of jax.

  Args:
    coordinator_address: host:port of process 0. All three are None on a cluster that `jax.distributed.initialize`
      detects: TPU pods, SLURM, Open MPI, and Kubernetes with an indexed job.
    num_processes: number of processes on all hosts.
    process_id: index of this process, from 0.

  Raises:
    ValueError: only some arguments are given, one is out of range, or no cluster is detected.
  """
  given = {"coordinator_address": coordinator_address, "num_processes": num_processes, "process_id": process_id}
  missing = [name for name, value in given.items() if value is None]
  if 0 < len(missing) < len(given):
    raise ValueError(f"--{missing[0]} is not given; expected all of {', '.join(given)}, or none of them")
  if num_processes is not None and process_id is not None and not 0 <= process_id < num_processes:
    raise ValueError(
      f"--process_id is {process_id}; expected 0 to {num_processes - 1} for --num_processes={num_processes}"
    )
  initialize = functools.partial(jax.distributed.initialize, initialization_timeout=START_S)
  # jax 0.6 lacks this option and notices a lost process later.
  if "heartbeat_timeout_seconds" in inspect.signature(initialize).parameters:
    initialize = functools.partial(initialize, heartbeat_timeout_seconds=HEARTBEAT_S)
  try:
    initialize(coordinator_address, num_processes, process_id)
  except (ValueError, RuntimeError) as error:
    raise ValueError(
      f"the processes could not be joined ({str(error).splitlines()[0]}); give every process --coordinator_address, "
      "--num_processes and its own --process_id"
    ) from error


def is_main() -> bool:
  """Returns whether this is process 0, which writes the files that would be the same in all processes."""
  return jax.process_index() == 0


@contextlib.contextmanager
def holding(workdir: Path) -> Iterator[None]:
  """Creates and locks a workdir until the `with` block ends; process 0 does so for all processes.

  Raises:
    ValueError: another program has locked it; raised in every process.
  """
  with contextlib.ExitStack() as stack:
    refusal = ""
    if is_main():
      try:
        stack.enter_context(locked(workdir))
      except ValueError as error:
        refusal = str(error)
    if _of_main(bool(refusal)):
      raise ValueError(refusal or f"{workdir}: process 0 could not lock it")
    yield


def wait_for_all(what: str) -> None:
  """Waits until every process has called this, for instance until process 0 has written a file."""
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(what)


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
  """Provides a function that, called with each finished step, returns whether to save and end because of SIGTERM.

  If one of several processes receives SIGTERM, the function returns True after the same step in all of them.
  """
  if jax.process_count() > 1:
    yield multihost_utils.reached_preemption_sync_point
    return
  asked = threading.Event()
  if threading.current_thread() is not threading.main_thread():  # Python handles signals only in the main thread
    yield lambda step: False
    return
  before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
  try:
    yield lambda step: asked.is_set()
  finally:
    signal.signal(signal.SIGTERM, before)


def _of_main(value: bool) -> bool:
  """Returns the value of process 0."""
  return bool(multihost_utils.broadcast_one_to_all(np.asarray(value))) if jax.process_count() > 1 else value
