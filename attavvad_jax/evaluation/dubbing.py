"""Sounds laid under faces: how often is a voice taken for that of a face that did not utter it?

Axes: B blocks, E events.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import itertools
from pathlib import Path

import numpy as np

from attavvad_jax.blocks import Block
from attavvad_jax.faces import FaceDetector
from attavvad_jax.inference.detector import Detector
from attavvad_jax.recordings import read_blocks
from attavvad_jax.timeline import EVENTS, block_labels, scores_to_timeline

# A block below this level is not counted: nothing of the voice is heard in it.
HEARD_DBFS = -40.0
OWN = "its own"


@dataclasses.dataclass(frozen=True)
class Dub:
  """What was found of one sound under one face.

  Attributes:
    face: name of the video.
    sound: name of the sound, or `OWN`.
    blocks: those in which the sound is heard.
    shares: of these blocks, the fraction that each of `EVENTS` was found in; NaN without blocks.
  """

  face: str
  sound: str
  blocks: int
  shares: tuple[float, ...]


def dub(detector: Detector, faces: Sequence[str | Path], sounds: Sequence[str | Path]) -> Iterator[Dub]:
  """Detects in every face with its own sound, and with each of the sounds in its place.

  A face that ends before the sound is seen again from its beginning. Events are those of the detector's timeline,
  smoothing included.

  Args:
    detector: whose events.
    faces: videos with one face each.
    sounds: files with sound.

  Raises:
    ValueError: a file cannot be used.
  """
  with contextlib.ExitStack() as stack:
    find_faces = stack.enter_context(FaceDetector()) if faces else None
    read = lambda path: list(read_blocks(path, detector.spec.clock, detector.spec.crop, detect=find_faces))  # noqa: E731
    heard = [(Path(path).name, read(path)) for path in sounds]
    for path in faces:
      seen = read(path)
      for name, sound in [(OWN, seen), *heard]:
        yield Dub(Path(path).name, name, *_shares(detector, list(lay_under(seen, sound))))


def lay_under(faces: Sequence[Block], sound: Sequence[Block]) -> Iterator[Block]:
  """The blocks of a sound, with the faces of other blocks in turn."""
  for heard, seen in zip(sound, itertools.cycle(faces), strict=False):
    yield dataclasses.replace(seen, index=heard.index, waveform=heard.waveform)


def _shares(detector: Detector, blocks: Sequence[Block]) -> tuple[int, tuple[float, ...]]:
  clock = detector.spec.clock
  scores = np.asarray(detector.score(blocks).decision)
  timeline = scores_to_timeline(scores, clock, clock.start_s(len(blocks)), detector.smoothing)
  labels = block_labels(timeline, clock, len(blocks))
  # Samples of int16 at full scale are 0 dBFS; the smallest number keeps digital silence finite.
  power = np.mean([np.square(block.waveform / 32768.0) for block in blocks], axis=1)
  labels = labels[10 * np.log10(power + 1e-12) > HEARD_DBFS]
  counts = np.bincount(labels, minlength=len(EVENTS))
  return len(labels), tuple(float(count) / len(labels) if len(labels) else np.nan for count in counts)


def dub_table(dubs: Sequence[Dub]) -> str:
  """In Markdown, a row for each face and sound: of the blocks in which the sound is heard, the part of each event."""
  header = ("face", "sound", "blocks", *(f"{event} %" for event in EVENTS))
  rows = [(row.face, row.sound, str(row.blocks), *(_percent(share) for share in row.shares)) for row in dubs]
  rule = "|".join(["", " --- ", " --- ", *([" ---: "] * (len(header) - 2)), ""])
  return "\n".join([f"| {' | '.join(header)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def _percent(share: float) -> str:
  return "–" if np.isnan(share) else f"{100 * share:.0f}"
