"""The parser of `attavvad`, built from the table of verbs."""

import argparse
from collections.abc import Callable, Mapping, Sequence
import difflib
import re
import textwrap
from typing import Any, NoReturn

from attavvad_jax import __version__
from attavvad_jax.commands.base import Command, Option
from attavvad_jax.commands.options import COMMON

SHELLS = ("bash", "zsh", "tcsh")

# Matches an override of a config key in the syntax of ml_collections: --config.batch_size=16, --noconfig.remat.
_OVERRIDE = re.compile(r"--?(no)?config\.[^=]+(=.*)?", re.DOTALL)
_OPTION = re.compile(r"(--[A-Za-z][\w-]*)(=.*)?", re.DOTALL)


class Parser(argparse.ArgumentParser):
  """A parser whose errors are one line."""

  def error(self, message: str) -> NoReturn:
    self.exit(2, f"attavvad: {message}; see {self.prog} --help\n")


def build(commands: Mapping[str, Command]) -> Parser:
  """Returns the parser of all verbs. It parses the verb as `command`, and the value of each of its options."""
  parser = Parser(
    prog="attavvad",
    description="Detects when the performer on camera speaks, sings or is silent, and when audio has another source.",
  )
  parser.add_argument("--version", action="version", version=__version__)
  parser.add_argument(
    "--completion",
    action=_Completion,
    choices=SHELLS,
    help='print the shell\'s completion script, for example: eval "$(attavvad --completion=bash)"',
  )
  verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
  for command in commands.values():
    add_options(verbs.add_parser(command.name, help=command.summary, **texts(command)), command)
  return parser


def parse(
  parser: Parser, commands: Mapping[str, Command], argv: Sequence[str]
) -> tuple[Command, dict[str, Any], list[str]]:
  """Parses a command line.

  Returns:
    The verb, the values of its own and of the common options, and the overrides of its config.

  Raises:
    SystemExit: with code 2 after a one-line error; with 0 after --help, --version and --completion.
  """
  rest, overrides = split_overrides(argv)
  namespace, unknown = parser.parse_known_args([_with_dashes(word) for word in rest])
  values = vars(namespace)
  values.pop("completion")
  command = commands[values.pop("command")]
  if unknown:
    parser.error(_explain(unknown[0], command))
  return (
    command,
    {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()},
    overrides,
  )


def split_overrides(argv: Sequence[str]) -> tuple[list[str], list[str]]:
  """Separates the overrides of a config, with their values, from the other words of a command line."""
  rest: list[str] = []
  overrides: list[str] = []
  lacks_value = False
  for word in argv:
    match = _OVERRIDE.fullmatch(word)
    is_value = lacks_value and not word.startswith("--")
    (overrides if match or is_value else rest).append(word)
    lacks_value = match is not None and match[2] is None
  return rest, overrides


def add_options(parser: argparse.ArgumentParser, command: Command) -> None:
  """Adds the options of a verb to a parser."""
  for option in (*command.options, *COMMON):
    settings: dict[str, Any] = {"help": option.help_with_default.replace("%", "%%")}
    if option.kind == "switch":
      action = parser.add_argument(option.option, dest=option.name, action="store_true", **settings)
      continue
    settings |= {"type": _type(option), "metavar": _metavar(option)}
    if option.choices:
      settings |= {"choices": option.choices, "metavar": None}
    if option.positional:
      action = parser.add_argument(option.name, nargs="+" if option.repeated else None, **settings)
    else:
      action = parser.add_argument(
        option.option,
        dest=option.name,
        default=list(option.default or ()) if option.repeated else option.default,
        required=option.required,
        action="append" if option.repeated else "store",
        **settings,
      )
    if option.kind in _COMPLETED:
      action.complete = _COMPLETED[option.kind]  # type: ignore[attr-defined]


_EXAMPLE = "example:\n  "

# What completes the values of an option of each kind, by shell. Paths have the values of shtab.FILE, as parsing should
# not import shtab; configs have the functions of `_EXPERIMENTS`.
_COMPLETED = {
  "path": {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"},
  "config": {"bash": "_attavvad_experiments", "zsh": "_attavvad_experiments", "tcsh": "f"},
}
# Offers the shipped experiments and files. tcsh has no functions.
_EXPERIMENTS = {
  "bash": '_attavvad_experiments() {{ compgen -W "{names}" -- "$1"; _shtab_compgen_files "$1"; }}',
  "zsh": "_attavvad_experiments() {{ compadd -- {names}; _files; }}",
}


class _Completion(argparse.Action):
  """Prints a completion script and exits."""

  def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> None:
    import shtab

    from attavvad_jax import configs

    shell = arguments[1]
    preamble = _EXPERIMENTS.get(shell, "").format(names=" ".join(configs.names()))
    print(shtab.complete(parser, shell=shell, preamble=preamble))
    parser.exit()


class _Formatter(argparse.HelpFormatter):
  """Keeps the example unwrapped, and does not break options at hyphens."""

  def _fill_text(self, text: str, width: int, indent: str) -> str:
    return text if text.startswith(_EXAMPLE) else textwrap.fill(text, width, break_on_hyphens=False)


def texts(command: Command) -> dict[str, Any]:
  """Returns the help of a verb as arguments of a parser's constructor."""
  return {
    "description": command.description,
    "epilog": f"{_EXAMPLE}{command.example}",
    "formatter_class": _Formatter,
  }


def _type(option: Option) -> Callable[[str], Any]:
  def parse(text: str) -> Any:
    try:
      return option.parse(text)
    except ValueError as error:
      raise argparse.ArgumentTypeError(str(error)) from None

  return parse


def _metavar(option: Option) -> str | None:
  if option.metavar is not None or option.positional:
    return option.metavar or option.name.upper()
  return {"integer": "N", "number": "NUMBER", "seconds": "SECONDS", "path": "PATH", "config": "EXPERIMENT"}.get(
    option.kind
  )


def _with_dashes(word: str) -> str:
  """Replaces `_` by `-` in the name of an option; returns any other word unchanged."""
  match = _OPTION.fullmatch(word)
  return word if match is None else match[1].replace("_", "-") + (match[2] or "")


def _explain(word: str, command: Command) -> str:
  name = word.partition("=")[0]
  if not name.startswith("-"):
    return f"attavvad {command.name} does not expect {word!r}"
  names = [option.option for option in (*command.options, *COMMON) if not option.positional]
  close = difflib.get_close_matches(name, names, 1)
  return f"attavvad {command.name} has no option {name}" + (f"; did you mean {close[0]}?" if close else "")
