"""Runs a tool that a `Command` describes, like the verbs of `attavvad`."""

import sys
from typing import NoReturn

from attavvad_jax.commands.base import Command
from attavvad_jax.commands.guard import leave
from attavvad_jax.commands.main import run as run_command
from attavvad_jax.commands.parser import Parser, add_options, texts


def run(command: Command) -> NoReturn:
  """Parses the options of a tool, calls it and exits."""
  parser = Parser(prog=f"python -m tools.{command.name}", **texts(command))
  add_options(parser, command)
  sys.exit(leave(lambda: run_command(command, vars(parser.parse_args()))))
