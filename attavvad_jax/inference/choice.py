"""Which of the faces in a recording a timeline is of, once all of them have their scores: pure functions.

Axes: R rows, one for nobody and one for each face in each block; B blocks, N images of a block.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from attavvad_jax.faces import prominence
from attavvad_jax.inference.performer import Performer
from attavvad_jax.predict import BlockScores
from attavvad_jax.timeline import Clock

# The face of the rows whose images are all masked: what the sound alone says of their block.
NOBODY = -1


@dataclasses.dataclass(frozen=True)
class FaceScores:
  """Scores of every face in every block in which it is seen, in order of blocks; of each block, nobody's come first.

  Attributes:
    blocks: int [R], the row's block.
    faces: int [R], number of the face, or `NOBODY`.
    shots: int [R], number of the first image of the face's shot.
    boxes: float32 [R,N,4], NaN where the face is not seen.
    scores: of R blocks.
  """

  blocks: np.ndarray
  faces: np.ndarray
  shots: np.ndarray
  boxes: np.ndarray
  scores: BlockScores


def performer_rows(found: FaceScores, performer: Performer, clock: Clock) -> np.ndarray:
  """The row of the performer in each block, nobody's where they are not seen. [B] int.

  Of the faces that are seen in a block, the performer is the one with the largest sum, over all its blocks, of what the
  choice goes by: size, size times nearness to the center, or the score of the mouth.

  Raises:
    ValueError: no face is seen at the time that was given, or the network has no score of the mouth.
  """
  rows = np.flatnonzero(found.faces != NOBODY)
  faces = found.faces[rows]
  totals = np.bincount(faces, _weights(found, rows, performer), minlength=1)
  ranks = totals[faces]
  if performer.by == "at":
    chosen = _most_prominent_at(found, rows, performer, clock)
    ranks = np.where(faces == faces[chosen], np.inf, ranks)
    others = (found.shots[rows] == found.shots[rows[chosen]]) & (faces != faces[chosen])
    rows, ranks = rows[~others], ranks[~others]
  order = np.argsort(ranks, kind="stable")
  result = np.flatnonzero(found.faces == NOBODY)
  result[found.blocks[rows[order]]] = rows[order]  # of several rows of a block, the last is kept
  return result


def face_rows(found: FaceScores, face: int) -> np.ndarray:
  """The row of one face in each block, nobody's where it is not seen. [B] int."""
  rows = np.flatnonzero(found.faces == face)
  result = np.flatnonzero(found.faces == NOBODY)
  result[found.blocks[rows]] = rows
  return result


def faces_by_appearance(found: FaceScores, min_blocks: int) -> tuple[Sequence[int], int]:
  """The faces that are seen in so many blocks, by time and then from left to right; how many are seen in fewer."""
  first: dict[int, tuple[int, float]] = {}
  counts: dict[int, int] = {}
  for row in np.flatnonzero(found.faces != NOBODY):
    face = int(found.faces[row])
    first.setdefault(face, (int(found.blocks[row]), float(np.nanmean(found.boxes[row, :, 0]))))
    counts[face] = counts.get(face, 0) + 1
  lasting = [face for face in first if counts[face] >= min_blocks]
  return sorted(lasting, key=first.__getitem__), len(first) - len(lasting)


def _weights(found: FaceScores, rows: np.ndarray, performer: Performer) -> np.ndarray:
  """What speaks for the face of each of some rows."""
  if performer.by == "vocal":
    if found.scores.visual is None:
      raise ValueError("performer is 'vocal', but this network has no score of the mouth; choose by another rule")
    return np.asarray(found.scores.visual)[rows]
  boxes = _mean_boxes(found, rows)
  if performer.by == "largest":
    return np.sqrt(boxes[:, 2] * boxes[:, 3])
  return np.array([prominence(box) for box in boxes])


def _most_prominent_at(found: FaceScores, rows: np.ndarray, performer: Performer, clock: Clock) -> int:
  """Which of some rows is of the most prominent face at the performer's time."""
  assert performer.time_s is not None
  there = np.flatnonzero(found.blocks[rows] == clock.block_at(performer.time_s))
  if not len(there):
    raise ValueError(f"no face is seen at {performer.time_s:g} s; expected a time at which the performer is on screen")
  return int(max(there, key=lambda i: prominence(_mean_boxes(found, rows[[i]])[0])))


def _mean_boxes(found: FaceScores, rows: np.ndarray) -> np.ndarray:
  """The mean box of the face in each of some rows, of the images in which it is seen. [R',4]."""
  return np.nanmean(found.boxes[rows], axis=1)
