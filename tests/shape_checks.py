"""Checks of the shapes and types of arrays in tests."""

from beartype import beartype


def check(function):
  """Adds a check of every call against the annotations to a function or method.

  Constructors stay unchecked: jax fills dataclasses that are pytrees with shapes and other leaves, and flax modules
  take the lists of a config for tuples.
  """
  return function if function.__name__ == "__init__" else beartype(function)
