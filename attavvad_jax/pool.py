"""Applies a function to many items, in this process or in several."""

from collections.abc import Callable, Iterator, Sequence
import concurrent.futures
from concurrent.futures.process import BrokenProcessPool
import multiprocessing
import os
import threading
from typing import TypeVar

T = TypeVar("T")


def each(work: Callable[[T], object], things: Sequence[T], workers: int) -> Iterator[None]:
  """Applies a function to every item and yields after each. Worker processes end with this process, however it ends.

  Args:
    work: module-level function; its results are dropped.
    things: items, which must be picklable.
    workers: maximum number of simultaneous processes; with 1, no process is started.

  Raises:
    OSError: a worker process was killed.
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
      "a process was killed, maybe for memory; start again with fewer workers: finished items are kept"
    ) from None
  finally:
    pool.shutdown(cancel_futures=True)


def _begin() -> None:
  """Initializes a worker: it ends with its parent, and OpenCV uses one thread, since workers share the cores."""
  import cv2

  cv2.setNumThreads(1)
  threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
  parent = multiprocessing.parent_process()
  assert parent is not None
  parent.join()
  os._exit(1)
