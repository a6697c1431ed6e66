"""Resolves names in configs and options: keys of a table, or package.module:Name of the user's own object."""

from collections.abc import Callable, Mapping
import importlib
import inspect
from typing import Any, TypeVar

T = TypeVar("T")

_OWN = "package.module:Name"


def is_own(reference: object) -> bool:
  """Returns whether a reference has the form package.module:Name."""
  return isinstance(reference, str) and ":" in reference


def resolve(reference: str, table: Mapping[str, Any], what: str) -> Any:
  """Returns the object that a reference names.

  >>> resolve("math:sqrt", {}, "function")
  <built-in function sqrt>

  Args:
    reference: a key of `table`, or package.module:Name for an attribute of a module that can be imported.
    table: objects by name.
    what: kind of object, for error messages.

  Raises:
    ValueError: the name is not in the table, or the module or its attribute cannot be loaded.
  """
  if reference in table:
    return table[reference]
  if not is_own(reference):
    known = f"one of {', '.join(table)}, or {_OWN}" if table else _OWN
    raise ValueError(f"unknown {what} {reference!r}; expected {known}")
  module, _, name = reference.partition(":")
  try:
    return getattr(importlib.import_module(module), name)
  except Exception as error:  # importing a user's module can raise anything
    raise ValueError(
      f"{what} is {reference!r}, which cannot be loaded ({error}); expected {_OWN} in a module that python -m finds "
      "from here"
    ) from error


def call(reference: str, table: Mapping[str, Any], what: str, kind: type[T], *args: Any, **kwargs: Any) -> T:
  """Calls the object that a reference names, and returns the result.

  Args:
    reference: as for `resolve`.
    table: as for `resolve`.
    what: as for `resolve`.
    kind: the type of the result.
    *args: arguments of the call.
    **kwargs: keyword arguments of the call.

  Raises:
    ValueError: as `resolve`, or the object does not take these arguments, or the result has another type.
  """
  function: Callable[..., Any] = resolve(reference, table, what)
  try:
    inspect.signature(function).bind(*args, **kwargs)
  except (TypeError, ValueError) as error:
    expected = ", ".join([*(type(arg).__name__ for arg in args), *kwargs])
    raise ValueError(
      f"{what} is {reference!r}, which cannot be called ({error}); expected "
      + (f"a function of {expected}" if expected else "a function without arguments")
    ) from error
  result = function(*args, **kwargs)
  if not isinstance(result, kind):
    raise ValueError(f"{what} is {reference!r}, which gives a {type(result).__name__}; expected a {kind.__name__}")
  return result
