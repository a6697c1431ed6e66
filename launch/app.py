"""Runs a verb of `attavvad` with absl flags, which are defined from the table of verbs."""

from collections.abc import Sequence
import sys
from typing import Any

from absl import app, flags

from attavvad_jax.commands.base import Command, Option
from attavvad_jax.commands.guard import guard, leave
from attavvad_jax.commands.main import run as run_command
from attavvad_jax.commands.options import COMMON
from attavvad_jax.commands.parser import split_overrides
from attavvad_jax.commands.table import COMMANDS


def run(name: str) -> None:
  """Parses the flags of a verb, calls it and exits."""
  command, overrides = COMMANDS[name], []
  define(command, flags.FLAGS)
  sys.modules["__main__"].__doc__ = f"{command.description}\n\nThe same as: {command.example}"

  def parse(argv: Sequence[str]) -> list[str]:
    """Parses flags; reports a misspelled one like other bad input."""
    try:
      rest, found_overrides = split_overrides(flags.FLAGS.read_flags_from_files(argv, force_gnu=False))
      overrides.extend(found_overrides)
      rest = flags.FLAGS(rest)
      if not flags.FLAGS["verbosity"].using_default_value:  # absl's own flag stands for --verbose if given
        flags.FLAGS["verbose"].value = True
      return rest
    except (flags.Error, TypeError, ValueError) as error:
      message = str(error)
    sys.exit(guard(lambda: _fail(message)))

  app.run(lambda argv: leave(lambda: _call(command, argv, overrides)), flags_parser=parse)


def define(command: Command, flag_values: flags.FlagValues) -> None:
  """Defines the flags of a verb."""
  for option in (*command.options, *COMMON):
    name = option.flag or option.name
    settings: dict[str, Any] = {"flag_values": flag_values, "module_name": sys.argv[0], "required": option.required}
    if option.kind == "switch":
      flags.DEFINE_boolean(name, option.default, option.help, **settings)
    elif option.repeated:
      default = list(option.default or ()) or None
      flags.DEFINE_multi(_Parser(option), flags.ArgumentSerializer[Any](), name, default, option.help, **settings)
    else:
      flags.DEFINE(_Parser(option), name, option.default, option.help, **settings)


def values_of(command: Command, flag_values: flags.FlagValues) -> dict[str, Any]:
  """Returns the value of each option after the flags have been parsed."""
  values = {}
  for option in (*command.options, *COMMON):
    value = flag_values[option.flag or option.name].value
    values[option.name] = tuple(value or ()) if option.repeated else value
  return values


class _Parser(flags.ArgumentParser):  # type: ignore[type-arg]
  """Parses the text of a flag as the console command does."""

  def __init__(self, option: Option):
    super().__init__()
    self._option = option

  def parse(self, argument: Any) -> Any:
    return self._option.parse(argument) if isinstance(argument, str) else argument

  def flag_type(self) -> str:
    return self._option.kind


def _call(command: Command, argv: Sequence[str], overrides: Sequence[str]) -> int:
  if len(argv) > 1:
    message = f"{argv[1]!r} is not understood; expected options given as --name=value, see --helpshort"
    return guard(lambda: _fail(message))
  return run_command(command, values_of(command, flags.FLAGS), overrides)


def _fail(message: str) -> None:
  raise ValueError(message)
