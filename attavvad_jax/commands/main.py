"""Entry point of the console command `attavvad` and of `python -m attavvad_jax`."""

from collections.abc import Sequence
import os
import sys
from typing import Any, NoReturn

from attavvad_jax.commands import parser as parser_lib
from attavvad_jax.commands.base import Command
from attavvad_jax.commands.guard import guard, leave
from attavvad_jax.commands.table import COMMANDS


def entry() -> NoReturn:
  """Runs the verb on the command line and ends the process."""
  sys.exit(leave(main))


def main(argv: Sequence[str] | None = None) -> int:
  """Runs one verb.

  Returns:
    The exit code: 0 for success, 1 if some of many files failed, 2 for bad input.
  """
  return run(*parser_lib.parse(parser_lib.build(COMMANDS), COMMANDS, sys.argv[1:] if argv is None else argv))


def run(command: Command, values: dict[str, Any], overrides: Sequence[str] = ()) -> int:
  """Runs a verb with the values of its own and of the common options; returns the exit code."""
  values = dict(values)
  quiet, verbose = values.pop("quiet"), values.pop("verbose")
  _find_modules_here()

  def call() -> int | None:
    from attavvad_jax.commands.loudness import loudness

    with loudness(quiet=quiet, verbose=verbose):
      return command.call(values, overrides)

  return guard(call, verbose=verbose and not quiet)


def _find_modules_here() -> None:
  """Lets `package.module` name a module in the current folder, as for `python -m`; installed modules come first."""
  here = os.getcwd()
  if not sys.flags.safe_path and not {"", here} & set(sys.path):
    sys.path.append(here)
