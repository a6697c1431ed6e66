"""Ends a command: prints errors as one line, returns exit codes, and stops processes that train together."""

from collections.abc import Callable
import os
import signal
import sys
import time
import traceback

from attavvad_jax.errors import one_line
from attavvad_jax.machine import prepare_xla

# Process 0 hosts the coordination service. The others need it until they have printed their errors.
_OTHERS_LEAVE_S = 3.0


def guard(run: Callable[[], object], *, verbose: bool = False) -> int:
  """Runs a command, which may return its exit code.

  Bad input gives one line on standard error and exit code 2, after a traceback if `verbose`. If the environment
  variable ATTAVVAD_TRACEBACK is set, errors are raised instead.
  """
  prepare_xla()
  try:
    code = run()
    sys.stdout.flush()
  except KeyboardInterrupt:
    print("attavvad: interrupted", file=sys.stderr)
    return 130
  except BrokenPipeError:  # the reader of the output, such as `head`, has closed it
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discards the buffered rest
    return 128 + signal.SIGPIPE
  except (ValueError, OSError, ImportError) as error:
    if os.environ.get("ATTAVVAD_TRACEBACK"):
      raise
    if verbose:
      traceback.print_exception(error)
    print(f"attavvad: {one_line(error)}", file=sys.stderr)
    return 2
  return code if isinstance(code, int) else 0


def leave(run: Callable[[], int]) -> int:
  """Returns the exit code of a process, or exits at once if it trains with others and has failed.

  A normal exit would wait for the others, which may have died or may wait for this one.
  """
  try:
    code = run()
  except Exception:
    if not _has_joined_others():
      raise
    traceback.print_exc()
    code = 1
  finally:
    # The work is saved or has failed: a late SIGTERM must not replace the exit code that reports which.
    if not _has_joined_others():
      signal.signal(signal.SIGTERM, signal.SIG_IGN)
  if code and _has_joined_others():
    if sys.modules["jax"].process_index() == 0:
      time.sleep(_OTHERS_LEAVE_S)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
  return code


def _has_joined_others() -> bool:
  return "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized()
