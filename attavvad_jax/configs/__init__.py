"""Experiments: one module each, whose `get_config` gives all that `attavvad train` needs but the data.

`load("att_avvad_small")` gives one of them, by its name, by the path of a Python file or as package.module.
"""

from collections.abc import Sequence
import dataclasses
import importlib
import importlib.util
import inspect
from pathlib import Path
import pkgutil
import sys
from types import ModuleType
import typing
from typing import Any

from absl import flags
import ml_collections
from ml_collections import config_dict, config_flags


def to_config_dict(group: Any) -> ml_collections.ConfigDict:
  """A `settings.Config`, or a group of its keys, to be changed by experiments and on command lines.

  A key that is None takes a value of its type, which is not lost.
  """
  types = typing.get_type_hints(type(group))
  config = ml_collections.ConfigDict()
  for key, value in vars(group).items():
    if dataclasses.is_dataclass(value):
      config[key] = to_config_dict(value)
    elif value is None:
      (kind,) = (kind for kind in typing.get_args(types[key]) if kind is not type(None))
      config[key] = config_dict.placeholder(typing.get_origin(kind) or kind)
    else:
      config[key] = value
  return config


def names() -> list[str]:
  """The experiments that ship with the package."""
  return [module.name for module in pkgutil.iter_modules(__path__)]


def summary(name: str) -> str:
  """The first line that a shipped experiment says of itself."""
  return (find(name).__doc__ or "").partition("\n")[0]


def source(reference: str) -> str:
  """The Python file of an experiment, as `load` takes it."""
  return inspect.getsource(find(reference.partition(":")[0]))


def load(reference: str, overrides: Sequence[str] = ()) -> ml_collections.ConfigDict:
  """Loads an experiment. No key can be added to what it returns.

  Args:
    reference: a name of `names`, the path of a Python file, or package.module. What follows a colon is handed to its
      `get_config`.
    overrides: of keys, as on a command line: "--config.batch_size=16".

  Raises:
    ValueError: there is no such experiment, it cannot be run, or an override names no key or has a value of another
      type.
  """
  name, colon, argument = reference.partition(":")
  module = find(name)
  if not hasattr(module, "get_config"):
    raise ValueError(f"config {name}: has no function get_config, which returns an ml_collections.ConfigDict")
  try:
    config = module.get_config(*[argument] if colon else [])
  except Exception as error:  # whatever an experiment of one's own does wrong
    raise _failed(name, error) from error
  if not isinstance(config, ml_collections.ConfigDict):
    raise ValueError(f"config {name}: get_config returned a {type(config).__name__}; expected a ConfigDict")
  return _override(config, overrides)


def find(reference: str) -> ModuleType:
  """The module of an experiment, as `load` takes it without a colon.

  Raises:
    ValueError: there is none, or it cannot be run.
  """
  is_path = reference.endswith(".py") or "/" in reference
  if is_path and not Path(reference).is_file():
    raise ValueError(f"config {reference}: no such file; expected a file, package.module or {', '.join(names())}")
  name = f"{__name__}.{reference}" if reference in names() else reference
  try:
    return _run_file(Path(reference)) if is_path else importlib.import_module(name)
  except ModuleNotFoundError as error:
    # What cannot be found may also be something that the module imports.
    if is_path or error.name is None or not f"{name}.".startswith(f"{error.name}."):
      raise _failed(reference, error) from error
    raise ValueError(
      f"config {reference!r} is unknown; expected {', '.join(names())}, the path of a Python file or package.module"
    ) from None
  except Exception as error:
    raise _failed(reference, error) from error


def _run_file(path: Path) -> ModuleType:
  spec = importlib.util.spec_from_file_location("attavvad_config", path)
  assert spec is not None
  assert spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  sys.modules[spec.name] = module  # where its own dataclasses look for it
  spec.loader.exec_module(module)
  return module


def _failed(reference: str, error: Exception) -> ValueError:
  return ValueError(f"config {reference}: {type(error).__name__}: {error}")


def _override(config: ml_collections.ConfigDict, overrides: Sequence[str]) -> ml_collections.ConfigDict:
  """Lets ml_collections read the overrides, so that types and errors are its own."""
  argv, values = ["attavvad", *overrides], flags.FlagValues()
  try:
    holder = config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=argv)
    rest = values(argv)[1:]
    if rest:
      raise ValueError(f"{rest[0]!r} is not understood; keys of the config are given as --config.KEY=VALUE")
    return holder.value
  except (AttributeError, KeyError) as error:  # around the KeyError that says what was meant
    raise ValueError(f"the config has no key {getattr(error.args[0], 'args', error.args)[0]}") from None
  except (flags.Error, TypeError) as error:
    raise ValueError(str(error)) from None
