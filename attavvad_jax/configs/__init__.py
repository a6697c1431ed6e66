"""Experiments: one module each, whose `get_config` returns a complete config for `attavvad train` except the data.

`load("att_avvad_small")` loads one of them; a reference is a name, the path of a Python file, or package.module.
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
  """Converts a `settings.Config`, or a group of its keys, so that experiments and command lines can change it.

  A key that is None keeps its type and accepts only values of it.
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
  """Returns the names of the experiments that ship with the package."""
  return [module.name for module in pkgutil.iter_modules(__path__)]


def summary(name: str) -> str:
  """Returns the first line of a shipped experiment's docstring."""
  return (find(name).__doc__ or "").partition("\n")[0]


def source(reference: str) -> str:
  """Returns the source of an experiment's module; `reference` is that of `load`."""
  return inspect.getsource(find(reference.partition(":")[0]))


def load(reference: str, overrides: Sequence[str] = ()) -> ml_collections.ConfigDict:
  """Loads the config of an experiment. No keys can be added to it.

  Args:
    reference: a name of `names`, the path of a Python file, or package.module; text after a colon is passed to
      `get_config`.
    overrides: overrides of keys as on a command line, such as "--config.batch_size=16".

  Raises:
    ValueError: the experiment is unknown or fails, or an override has an unknown key or a value of another type.
  """
  name, colon, argument = reference.partition(":")
  module = find(name)
  if not hasattr(module, "get_config"):
    raise ValueError(f"config {name}: has no function get_config; define one that returns an ml_collections.ConfigDict")
  try:
    config = module.get_config(*[argument] if colon else [])
  except Exception as error:  # a user's experiment can raise anything
    raise _failed(name, error) from error
  if not isinstance(config, ml_collections.ConfigDict):
    raise ValueError(f"config {name}: get_config returned a {type(config).__name__}; expected a ConfigDict")
  return _override(config, overrides)


def find(reference: str) -> ModuleType:
  """Returns the module of an experiment; `reference` is that of `load`, without a colon.

  Raises:
    ValueError: the experiment is unknown, or its module fails.
  """
  is_path = reference.endswith(".py") or "/" in reference
  if is_path and not Path(reference).is_file():
    raise ValueError(f"config {reference}: no such file; expected a file, package.module or {', '.join(names())}")
  name = f"{__name__}.{reference}" if reference in names() else reference
  try:
    return _run_file(Path(reference)) if is_path else importlib.import_module(name)
  except ModuleNotFoundError as error:
    # The missing module may also be one that the experiment imports.
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
  sys.modules[spec.name] = module  # dataclasses look up their module here
  spec.loader.exec_module(module)
  return module


def _failed(reference: str, error: Exception) -> ValueError:
  return ValueError(f"config {reference}: {type(error).__name__}: {error}")


def _override(config: ml_collections.ConfigDict, overrides: Sequence[str]) -> ml_collections.ConfigDict:
  """Applies overrides with the parser of ml_collections, which checks keys and types."""
  argv, values = ["attavvad", *overrides], flags.FlagValues()
  try:
    holder = config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=argv)
    rest = values(argv)[1:]
    if rest:
      raise ValueError(f"unexpected argument {rest[0]!r}; set keys of the config with --config.KEY=VALUE")
    return holder.value
  except (AttributeError, KeyError) as error:  # may wrap a KeyError whose message suggests a key
    raise ValueError(f"the config has no key {getattr(error.args[0], 'args', error.args)[0]}") from None
  except (flags.Error, TypeError) as error:
    raise ValueError(str(error)) from None
