"""A finite cast for each split, and the rule that keeps splits disjoint.

Every identity (a voice, a face, a tune, a place) belongs to exactly one split, which a hash of its coarse form
determines. A split repeats a draw until the drawn identity belongs to it. A model that memorizes identities in training
therefore gains nothing in a test, even across data sets of different seeds.
"""

from collections.abc import Callable
import dataclasses
import functools
import hashlib
from typing import TypeVar

import numpy as np

from attavvad_jax.simulation.portraits import Face
from attavvad_jax.simulation.voices import SEXES, Voice

T = TypeVar("T")

SPLITS = ("train", "validation", "test")
# People in each cast: even numbers, so that every cast has as many women as men.
PEOPLE = {"train": 400, "validation": 60, "test": 120}
# Fraction of all identities that belongs to each split.
_FRACTIONS = {"train": 0.6, "validation": 0.15, "test": 0.25}


@dataclasses.dataclass(frozen=True)
class Person:
  """One member of a cast.

  Attributes:
    name: split and number, unique for a seed.
    sex: female or male.
    voice: voice of the person's speech and singing.
    face: face that the camera shows when the person performs.
  """

  name: str
  sex: str
  voice: Voice
  face: Face

  @property
  def split(self) -> str:
    return self.name.split("_")[0]

  @property
  def number(self) -> int:
    """The person's number in the cast."""
    return int(self.name.split("_")[1])


def split_of(identity: tuple) -> str:
  """Returns the split of an identity, which is a tuple of numbers and strings."""
  number = int.from_bytes(hashlib.blake2b(repr(identity).encode(), digest_size=8).digest(), "big") / 2**64
  for split, fraction in _FRACTIONS.items():
    number -= fraction
    if number < 0:
      return split
  return SPLITS[-1]


def draw_for(split: str, draw: Callable[[], T], identity: Callable[[T], tuple]) -> T:
  """Repeats a draw until its identity belongs to the split, and returns it."""
  while True:
    drawn = draw()
    if split_of(identity(drawn)) == split:
      return drawn


@functools.lru_cache(maxsize=1024)
def person(split: str, seed: int, number: int) -> Person:
  """Returns a member of a split's cast; numbers start at 0 and wrap around. Women and men alternate."""
  number %= PEOPLE[split]
  rng = np.random.default_rng([seed, SPLITS.index(split), number, 1])
  sex = SEXES[number % 2]
  return Person(
    name=f"{split}_{number:04d}",
    sex=sex,
    voice=draw_for(split, lambda: Voice.draw(rng, sex), lambda voice: voice.identity),
    face=draw_for(split, lambda: Face.draw(rng, sex), lambda face: face.identity),
  )
