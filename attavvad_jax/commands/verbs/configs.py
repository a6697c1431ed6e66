"""`attavvad configs` and `attavvad config`: the experiments that ship with the package."""

from collections.abc import Iterator, Mapping
from typing import Any

from attavvad_jax.commands.base import Command, Option


def list_configs() -> None:
  from attavvad_jax import configs

  width = max(map(len, configs.names()))
  for name in configs.names():
    print(f"{name:{width}}  {configs.summary(name)}")


def show_config(name: str, source: bool) -> None:
  from attavvad_jax import configs

  if source:
    print(configs.source(name), end="")
    return
  print(*_flat(configs.load(name).to_dict()), sep="\n")


def _flat(values: Mapping[str, Any], prefix: str = "config") -> Iterator[str]:
  """Yields a line for each value, with the name of its override on the command line."""
  for key, value in values.items():
    if isinstance(value, Mapping):
      yield from _flat(value, f"{prefix}.{key}")
    else:
      yield f"{prefix}.{key} = {value!r}"


COMMANDS = (
  Command(
    "configs",
    "list the experiments that ship with the package",
    "Lists the names that --config takes, with a summary of each experiment.",
    "attavvad configs",
    (),
    list_configs,
  ),
  Command(
    "config",
    "print the values or the source of an experiment",
    "Prints every key of an experiment with its value. --source prints the Python file; "
    "copy it to write your own experiment. attavvad_jax/settings.py documents each key.",
    "attavvad config att_avvad --source",
    (
      Option(
        "name",
        "a shipped name (see attavvad configs), a file or package.module",
        metavar="NAME",
        required=True,
        positional=True,
      ),
      Option("source", "print the Python file", "switch", default=False),
    ),
    show_config,
  ),
)
