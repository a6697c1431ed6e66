"""What checks the shapes and types of arrays in tests."""

from beartype import beartype


def check(function):
  """Checks functions and methods at every call, by their annotations.

  Dataclasses may be made of anything: jax fills those that are pytrees with shapes and other leaves, too, and flax's
  modules take the lists of a config for tuples.
  """
  return function if function.__name__ == "__init__" else beartype(function)
