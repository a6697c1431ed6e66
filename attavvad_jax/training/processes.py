"""Several processes that train together: how they find each other, and what one of them does for all.

Every process runs the same program on its own devices and reads its own part of the data. Process 0 alone writes logs;
checkpoints are written by all, into a folder that all see.
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

# Seconds in which a process that has died is noticed, and in which all must have started.
HEARTBEAT_S, START_S = 60, 300


def join(
  coordinator_address: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
  """Joins the processes that train together; before anything else is asked of jax.

  Args:
    coordinator_address: host:port of process 0. None for all three where the cluster tells: TPU pods, SLURM, Open MPI,
      and Kubernetes with an indexed job, as `jax.distributed.initialize` finds them.
    num_processes: of all hosts.
    process_id: this one's, from 0.

  Raises:
    ValueError: some are given and others not, they cannot be, or there is no cluster that tells.
  """
  given = {"coordinator_address": coordinator_address, "num_processes": num_processes, "process_id": process_id}
  missing = [name for name, value in given.items() if value is None]
  if 0 < len(missing) < len(given):
    raise ValueError(f"--{missing[0]} is not given; processes are joined by all of {', '.join(given)}, or by none")
  if num_processes is not None and process_id is not None and not 0 <= process_id < num_processes:
    raise ValueError(f"--process_id is {process_id}; expected 0 to {num_processes - 1}, as there are {num_processes}")
  initialize = functools.partial(jax.distributed.initialize, initialization_timeout=START_S)
  # jax 0.6 has no such option, and notices a lost process later.
  if "heartbeat_timeout_seconds" in inspect.signature(initialize).parameters:
    initialize = functools.partial(initialize, heartbeat_timeout_seconds=HEARTBEAT_S)
  try:
    initialize(coordinator_address, num_processes, process_id)
  except (ValueError, RuntimeError) as error:
    raise ValueError(
      f"the processes could not be joined ({str(error).splitlines()[0]}); give --coordinator_address, --num_processes "
      "and --process_id, each process its own"
    ) from error


def is_main() -> bool:
  """Whether this is the process that writes what all would write alike."""
  return jax.process_index() == 0


@contextlib.contextmanager
def holding(workdir: Path) -> Iterator[None]:
  """Holds a workdir, which is made, against other programs until the `with` block ends; process 0 does so for all.

  Raises:
    ValueError: another program holds it; in every process.
  """
  with contextlib.ExitStack() as stack:
    refusal = ""
    if is_main():
      try:
        stack.enter_context(locked(workdir))
      except ValueError as error:
        refusal = str(error)
    if _of_main(bool(refusal)):
      raise ValueError(refusal or f"{workdir}: process 0 was refused")
    yield


def wait_for_all(what: str) -> None:
  """Returns when every process has come here, for instance because process 0 has written something."""
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(what)


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
  """Gives a function that tells, after each step, whether to save and end: once this program was sent SIGTERM.

  Of several processes one need be sent it, and all are told to end after the same step.
  """
  if jax.process_count() > 1:
    yield multihost_utils.reached_preemption_sync_point
    return
  asked = threading.Event()
  if threading.current_thread() is not threading.main_thread():  # no other thread is sent signals
    yield lambda step: False
    return
  before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
  try:
    yield lambda step: asked.is_set()
  finally:
    signal.signal(signal.SIGTERM, before)


def _of_main(value: bool) -> bool:
  """What process 0 says."""
  return bool(multihost_utils.broadcast_one_to_all(np.asarray(value))) if jax.process_count() > 1 else value
