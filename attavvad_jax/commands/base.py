"""What a verb is: a name, help, options, and the function that it calls. Imports neither jax nor numpy."""

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
    name: as the verb's function takes it. On the command line `_` and `-` are the same.
    help: what the option means.
    kind: how its text is read. A "list" is separated by commas, "seconds" are finite and not negative, and a "config"
      is an experiment as `configs.load` takes it, whose keys may be overridden by --config.KEY=VALUE.
    default: the value of an option that is not given.
    choices: all values that are allowed, where there are few.
    metavar: what stands for the value in the help.
    required: whether it must be given.
    positional: whether it is given without its name.
    repeated: whether it may be given several times; its value is then a tuple.
    flag: its name as an absl flag, where that is not `name`.
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
    """What it is called on the command line."""
    return f"--{self.name.replace('_', '-')}"

  @property
  def help_with_default(self) -> str:
    if self.default in (None, False, ()):
      return self.help
    return f"{self.help} (default: {self.text(self.default)})"

  def text(self, value: Any) -> str:
    """A value as it is given on a command line."""
    return ",".join(value) if self.kind == "list" else str(value)

  def parse(self, text: str) -> Any:
    """The value of one text.

    Raises:
      ValueError: it is none of this kind, or none of the choices.
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
    summary: one line, for the list of verbs.
    description: what it does, for its own help.
    example: a command line that works as it stands.
    options: what it takes.
    run: called with the value of every option by its name; may return an exit code. It imports what it needs, so that
      the help of a verb is shown at once.
  """

  name: str
  summary: str
  description: str
  example: str
  options: Sequence[Option]
  run: Callable[..., int | None]

  @functools.cached_property
  def config(self) -> Option | None:
    """The option that names an experiment, if there is one."""
    return next((option for option in self.options if option.kind == "config"), None)

  def call(self, values: dict[str, Any], overrides: Sequence[str] = ()) -> int | None:
    """Runs it.

    Args:
      values: of its options; the config by its reference.
      overrides: of keys of the config, as `--config.batch_size=16`.

    Raises:
      ValueError: the config or an override cannot be used, or there is no config to override.
    """
    if self.config is not None:
      from attavvad_jax import configs

      values = {**values, self.config.name: configs.load(values[self.config.name], overrides)}
    elif overrides:
      raise ValueError(f"attavvad {self.name} takes no config; got {overrides[0]}")
    return self.run(**values)

  def line(self, values: dict[str, Any]) -> str:
    """The command line that gives these values, without those that are defaults."""
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
