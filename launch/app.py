"""What the launchers share: absl flags, and errors as one line with exit code 2."""

from collections.abc import Callable, Sequence
import os
import signal
import sys
import time
import traceback

from absl import app, flags, logging

from attavvad_jax.cli import guard

# Process 0 holds the service that the others need until they have said what is wrong.
_OTHERS_LEAVE_S = 3.0


def run(main: Callable[[], object]) -> None:
  """Parses the flags, calls `main` and exits."""
  app.run(lambda argv: _leave(lambda: guard(lambda: _call(main, argv))), flags_parser=_parse)


def _leave(run: Callable[[], int]) -> int:
  """The exit code, or, of a process that trains with others and failed, the exit itself.

  To end in order would be to wait for the others, which may have died or wait for this one.
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


def _call(main: Callable[[], object], argv: Sequence[str]) -> object:
  if len(argv) > 1:
    raise ValueError(f"{argv[1]!r} is not understood; options are given as --name=value, see --helpshort")
  return main()


def _parse(argv: Sequence[str]) -> list[str]:
  """Flags to values. A misspelt flag, config key or config file is bad input like any other."""
  try:
    rest = flags.FLAGS(list(argv))
    if flags.FLAGS["verbosity"].using_default_value:
      logging.set_verbosity(logging.WARNING)  # TFDS and Orbax report every file at INFO
    # With jaxlib before 0.11, grain warns everybody who imports it that profilers do not see its worker processes.
    logging.get_absl_logger().addFilter(lambda record: "multiprocess worker profiling" not in str(record.msg))
    return rest
  except AttributeError as error:  # of ml_collections, around the KeyError that says what was meant
    message = f"the config has no key {getattr(error.args[0], 'args', error.args)[0]}"
  except (flags.Error, TypeError, ValueError, OSError) as error:
    message = str(error)
  sys.exit(guard(lambda: _fail(message)))


def _fail(message: str) -> None:
  raise ValueError(message)
