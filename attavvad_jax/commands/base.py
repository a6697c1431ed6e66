"""Defines a verb: its name, help, options, and the function that it calls. Imports neither jax nor numpy."""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import math
import shlex
from typing import Any, Literal, TypeVar

Kind = Literal["text", "path", "integer", "number", "seconds", "list", "switch", "config"]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Option:
  """One option of a verb, or a positional argument.

  Attributes:
    name: name of the parameter of the verb's function. On the command line `_` and `-` are the same.
    help: what the option means.
    kind: how its text is parsed. A "list" is separated by commas, "seconds" are finite and not negative, and a "config"
      is an experiment as `configs.load` takes it, whose keys --config.KEY=VALUE overrides.
    default: value if the option is not given.
    choices: all allowed values; empty if any value of the kind is allowed.
    metavar: placeholder of the value in the help.
    required: whether the option must be given.
    positional: whether the value is given without the option's name.
    repeated: whether it may be given several times; its value is then a tuple.
    flag: name of the absl flag, if it differs from `name`.
  """

  name: str
  help: str
  kind: Kind = "text"
  default: Any = None
  choices: Sequence[str] = ()
  metavar: str | None = None
  required: bool = False
  positional: bool = False
  repeated: bool = False
  flag: str | None = None

  @property
  def option(self) -> str:
    """The option's name on the command line."""
    return f"--{self.name.replace('_', '-')}"

  @property
  def help_with_default(self) -> str:
    if self.default in (None, False, ()):
      return self.help
    return f"{self.help} (default: {self.text(self.default)})"

  def text(self, value: Any) -> str:
    """Formats a value for a command line."""
    return ",".join(value) if self.kind == "list" else str(value)

  def parse(self, text: str) -> Any:
    """Parses the text of one value.

    Raises:
      ValueError: the text is not of this kind, or not one of the choices.
    """
    value = _PARSERS.get(self.kind, str)(text)
    if self.choices and value not in self.choices:
      raise ValueError(f"{text!r}: expected one of {', '.join(self.choices)}")
    return value


@dataclasses.dataclass(frozen=True)
class Command:
  """A verb of `attavvad`.

  Attributes:
    name: the verb.
    summary: one line for the list of verbs.
    description: what the verb does, for its own help.
    example: a complete command line.
    options: its options, without those of every verb.
    run: function that is called with the value of every option by name; may return an exit code. It imports its
      dependencies itself, so that the help of a verb appears at once.
  """

  name: str
  summary: str
  description: str
  example: str
  options: Sequence[Option]
  run: Callable[..., int | None]

  @functools.cached_property
  def config(self) -> Option | None:
    """The option that names an experiment, or None."""
    return next((option for option in self.options if option.kind == "config"), None)

  def call(self, values: dict[str, Any], overrides: Sequence[str] = ()) -> int | None:
    """Runs the verb.

    Args:
      values: values of its options; the config is given by its name.
      overrides: overrides of keys of the config, such as `--config.batch_size=16`.

    Raises:
      ValueError: the config or an override is invalid, or the verb takes no config.
    """
    if self.config is not None:
      from attavvad_jax import configs

      values = {**values, self.config.name: configs.load(values[self.config.name], overrides)}
    elif overrides:
      raise ValueError(f"attavvad {self.name} takes no config; got {overrides[0]}")
    return self.run(**values)

  def line(self, values: dict[str, Any]) -> str:
    """Returns the command line that gives these values; it omits defaults."""
    words = ["attavvad", self.name]
    for option in self.options:
      value = values[option.name]
      if value == option.default:
        continue
      if option.kind == "switch":
        words.append(option.option)
        continue
      for text in map(option.text, value if option.repeated else [value]):
        words.append(text if option.positional else f"{option.option}={text}")
    return shlex.join(words)


def _list(text: str) -> tuple[str, ...]:
  return tuple(part.strip() for part in text.split(",")) if text else ()


def _number(kind: Callable[[str], T], expected: str, text: str) -> T:
  try:
    return kind(text)
  except ValueError:
    raise ValueError(f"{text!r}: expected {expected}") from None


def _seconds(text: str) -> float:
  expected = "seconds, 0 or more"
  seconds = _number(float, expected, text)
  if not 0 <= seconds < math.inf:
    raise ValueError(f"{text!r}: expected {expected}")
  return seconds


_PARSERS: dict[Kind, Callable[[str], Any]] = {
  "integer": functools.partial(_number, int, "a whole number"),
  "number": functools.partial(_number, float, "a number"),
  "seconds": _seconds,
  "list": _list,
}
