"""How a command ends: errors as one line, exit codes, and processes that train together."""

from collections.abc import Callable
import os
import signal
import sys
import time
import traceback

from attavvad_jax.errors import one_line
from attavvad_jax.machine import prepare_xla

# Process 0 holds the service that the others need until they have said what is wrong.
_OTHERS_LEAVE_S = 3.0


def guard(run: Callable[[], object], *, verbose: bool = False) -> int:
  """Runs a command, which may return its exit code.

  Bad input becomes one clear line on standard error and exit code 2, after a traceback if `verbose`. With
  ATTAVVAD_TRACEBACK set, errors are raised.
  """
  prepare_xla()
  try:
    code = run()
    sys.stdout.flush()
  except KeyboardInterrupt:
    print("attavvad: interrupted", file=sys.stderr)
    return 130
  except BrokenPipeError:  # whoever read the output, such as `head`, has read enough
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest is flushed to where it is lost
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

  An orderly exit would wait for the others, which may have died or wait for this one.
  """
  try:
    code = run()
  except Exception:
    if not _has_joined_others():
      raise
    traceback.print_exc()
    code = 1
  finally:
    # Its work is saved, or has failed: asked to end in its last second, it ends with the code that says which.
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
