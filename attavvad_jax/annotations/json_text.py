"""Parses JSON into values that know their line, for errors.

Library: Python's own json, which gives the line of a syntax error, but not of an unexpected value.
"""

import bisect
from collections.abc import Iterator
import dataclasses
import functools
import json
import re
from typing import Any

from attavvad_jax.annotations.base import AnnotationError

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def load(text: str, name: str) -> "Node":
  """Returns the outermost value of a JSON document; `name` is the file, for errors.

  Raises:
    AnnotationError: the text is not JSON, or an object has a duplicate key.
  """
  try:
    value = json.loads(text, object_pairs_hook=_object)
  except AnnotationError as error:
    raise AnnotationError(f"{name}: {error}") from None
  except json.JSONDecodeError as error:
    raise AnnotationError(f"{name}:{error.lineno}: not JSON: {error.msg}") from None
  except (RecursionError, ValueError) as error:  # too deeply nested, or a number of thousands of digits
    raise AnnotationError(f"{name}: not JSON that can be read: {error}") from None
  return Node(value, _skip_space(text, 0), _Source(text, name))


@dataclasses.dataclass(frozen=True)
class _Source:
  text: str
  name: str

  @functools.cached_property
  def breaks(self) -> list[int]:
    return [match.start() for match in re.finditer("\n", self.text)]


@dataclasses.dataclass(frozen=True)
class Node:
  """A value and its start in a JSON document that is known to be valid."""

  value: Any
  at: int
  source: _Source

  @property
  def line(self) -> int:
    return bisect.bisect_left(self.source.breaks, self.at) + 1

  @property
  def where(self) -> str:
    return f"{self.source.name}:{self.line}"

  def member(self, key: str) -> "Node":
    """Returns the value of a key that the object has."""
    text = self.source.text
    at = _skip_space(text, self.at + 1)
    while True:
      found, at = _DECODER.raw_decode(text, at)
      at = _skip_space(text, _skip_space(text, at) + 1)  # the colon
      if found == key:
        return Node(self.value[key], at, self.source)
      at = _skip_space(text, _skip_space(text, _DECODER.raw_decode(text, at)[1]) + 1)  # the comma

  def elements(self) -> Iterator["Node"]:
    """Yields the values of a list."""
    text = self.source.text
    at = self.at
    for value in self.value:
      at = _skip_space(text, at + 1)  # the bracket or the comma
      yield Node(value, at, self.source)
      at = _skip_space(text, _DECODER.raw_decode(text, at)[1])

  def number(self, key: str) -> float:
    """Returns the value of a key that the object has, which must be a number."""
    value = self.value[key]
    # In Python, bool is an int.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
      raise AnnotationError(f"{self.where}: {key} is {value!r}; expected a number without quotes")
    try:
      return float(value)
    except OverflowError:
      raise AnnotationError(f"{self.where}: {key} has {len(str(value))} digits; expected seconds or a score") from None

  def number_or_none(self, key: str) -> float | None:
    """Returns the value of a key, which must be a number, null (None) or missing (None)."""
    return None if self.value.get(key) is None else self.number(key)

  def text(self, key: str) -> str:
    """Returns the value of a key that the object has, which must be a string."""
    if not isinstance(self.value[key], str):
      raise AnnotationError(f"{self.where}: {key} is {self.value[key]!r}; expected a name in quotes")
    return self.value[key]

  def require(self, *keys: str) -> None:
    """Raises an error unless the value is an object with these keys."""
    if not isinstance(self.value, dict):
      raise AnnotationError(f"{self.where}: event is {self.value!r:.60}; expected an object with {_listed(keys)}")
    if missing := [key for key in keys if key not in self.value]:
      raise AnnotationError(f"{self.where}: event without {', '.join(missing)}; expected {_listed(keys)}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  """Returns an object; a duplicate key, which would hide an earlier value, is an error."""
  items: dict[str, Any] = {}
  for key, value in pairs:
    if key in items:
      raise AnnotationError(f"duplicate key {key!r} in one object; expected each key once")
    items[key] = value
  return items


def _listed(keys: tuple[str, ...]) -> str:
  *others, last = keys
  return f"{', '.join(others)} and {last}" if others else last


def _skip_space(text: str, at: int) -> int:
  match = _SPACE.match(text, at)
  assert match is not None  # the pattern also matches the empty string
  return match.end()
