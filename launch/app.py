"""What the launchers share: absl flags, and errors as one line with exit code 2."""

from collections.abc import Callable, Sequence
import sys

from absl import app, flags, logging

from attavvad_jax.cli import guard


def run(main: Callable[[], object]) -> None:
  """Parses the flags, calls `main` and exits."""
  app.run(lambda argv: guard(lambda: _call(main, argv)), flags_parser=_parse)


def _call(main: Callable[[], object], argv: Sequence[str]) -> None:
  if len(argv) > 1:
    raise ValueError(f"{argv[1]!r} is not understood; options are given as --name=value, see --helpshort")
  main()


def _parse(argv: Sequence[str]) -> list[str]:
  """Flags to values. A misspelt flag, config key or config file is bad input like any other."""
  try:
    rest = flags.FLAGS(list(argv))
    if flags.FLAGS["verbosity"].using_default_value:
      logging.set_verbosity(logging.WARNING)  # TFDS and Orbax report every file at INFO
    return rest
  except AttributeError as error:  # of ml_collections, around the KeyError that says what was meant
    message = f"the config has no key {getattr(error.args[0], 'args', error.args)[0]}"
  except (flags.Error, TypeError, ValueError, OSError) as error:
    message = str(error)
  sys.exit(guard(lambda: _fail(message)))


def _fail(message: str) -> None:
  raise ValueError(message)
