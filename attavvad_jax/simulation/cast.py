"""Who takes part: a finite cast for each split, and the rule by which splits share nothing.

Every identity (a voice, a face, a tune, a place) belongs to exactly one split: a hash of its coarse form says which.
A split draws until what it has drawn is its own. So whatever can be learnt by heart in training is of no use in a
test, even across data sets of different seeds.
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
# Even, so that every cast has as many women as men.
PEOPLE = {"train": 400, "validation": 60, "test": 120}
# Part of all identities that belongs to each split.
_SHARES = {"train": 0.6, "validation": 0.15, "test": 0.25}


@dataclasses.dataclass(frozen=True)
class Person:
  """One member of a cast.

  Attributes:
    name: split and number, unique for a seed.
    sex: female or male.
    voice: speaks and sings.
    face: is seen where the person performs.
  """

  name: str
  sex: str
  voice: Voice
  face: Face


def split_of(identity: tuple) -> str:
  """The split that an identity belongs to. A tuple of plain numbers and texts."""
  number = int.from_bytes(hashlib.blake2b(repr(identity).encode(), digest_size=8).digest(), "big") / 2**64
  for split, share in _SHARES.items():
    number -= share
    if number < 0:
      return split
  return SPLITS[-1]


def draw_for(split: str, draw: Callable[[], T], identity: Callable[[T], tuple]) -> T:
  """Draws until the identity of what is drawn belongs to the split."""
  while True:
    drawn = draw()
    if split_of(identity(drawn)) == split:
      return drawn


@functools.lru_cache(maxsize=1024)
def person(split: str, seed: int, number: int) -> Person:
  """A member of a split's cast, counted from 0 and round again. Women and men alternate."""
  number %= PEOPLE[split]
  rng = np.random.default_rng([seed, SPLITS.index(split), number, 1])
  sex = SEXES[number % 2]
  return Person(
    name=f"{split}_{number:04d}",
    sex=sex,
    voice=draw_for(split, lambda: Voice.draw(rng, sex), lambda voice: voice.identity),
    face=draw_for(split, lambda: Face.draw(rng, sex), lambda face: face.identity),
  )
