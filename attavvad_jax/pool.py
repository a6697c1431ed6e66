"""The same work for many things, in this process or in several."""

from collections.abc import Callable, Iterator, Sequence
import concurrent.futures
from concurrent.futures.process import BrokenProcessPool
import multiprocessing
import os
import threading
from typing import TypeVar

T = TypeVar("T")


def each(work: Callable[[T], object], things: Sequence[T], workers: int) -> Iterator[None]:
  """Does the work for everything; yields as each is done. Its processes end with this one, however it ends.

  Args:
    work: a module-level function; what it gives is dropped.
    things: that travel to the processes.
    workers: processes side by side; with 1, no process is started.

  Raises:
    OSError: a process was killed.
  """
  if workers == 1 or len(things) < 2:
    for thing in things:
      work(thing)
      yield
    return
  context = multiprocessing.get_context("spawn")
  pool = concurrent.futures.ProcessPoolExecutor(min(workers, len(things)), context, initializer=_begin)
  try:
    for future in concurrent.futures.as_completed([pool.submit(work, thing) for thing in things]):
      future.result()
      yield
  except BrokenProcessPool:
    raise OSError(
      "a process was killed, maybe for memory; start again with fewer workers, what is finished is kept"
    ) from None
  finally:
    pool.shutdown(cancel_futures=True)


def _begin() -> None:
  """What a process does first: it shares the cores with the others, and watches the one that started it."""
  import cv2

  cv2.setNumThreads(1)
  threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
  parent = multiprocessing.parent_process()
  assert parent is not None
  parent.join()
  os._exit(1)
