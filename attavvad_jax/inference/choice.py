"""Chooses the face whose timeline is returned, after all faces have scores: pure functions.

Axes: R rows, in each block one without a face and one for each face; B blocks, N images of a block.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from attavvad_jax.faces import prominence
from attavvad_jax.faces.boxes import SAME_FACE_IOU, iou
from attavvad_jax.inference.performer import Performer
from attavvad_jax.predict import BlockScores
from attavvad_jax.timeline import EVENTS, VOCAL_EVENTS, Clock
from attavvad_jax.timeline.text import format_time
from attavvad_jax.timeline.viterbi import log_odds

# Face number of the first row of each block: its images are those of the performer if the performer was followed during
# reading, and are all masked otherwise.
NOBODY = -1

# A rival is seen beside the performer for this long while a voice is heard, and the mean log-odds of a vocal event are
# higher by this much: a factor of two in the odds.
_RIVAL_S = 2.0
_RIVAL_GAIN = 0.7
_VOCAL = [EVENTS.index(event) for event in VOCAL_EVENTS]


@dataclasses.dataclass(frozen=True)
class FaceScores:
  """Scores of each face in each block that shows it, in order of blocks; the row of `NOBODY` comes first in a block.

  Attributes:
    blocks: int [R], number of the row's block.
    faces: int [R], number of the face, or `NOBODY`.
    shots: int [R], number of the first image of the face's shot.
    boxes: float32 [R,N,4], NaN where the face is not seen.
    scores: scores of the R rows.
  """

  blocks: np.ndarray
  faces: np.ndarray
  shots: np.ndarray
  boxes: np.ndarray
  scores: BlockScores


def performer_rows(face_scores: FaceScores, performer: Performer, clock: Clock) -> np.ndarray:
  """Returns the row of the performer in each block, or of `NOBODY` if the performer is not seen. [B] int.

  The performer of a block is the face in it with the largest sum, over all blocks of that face, of the criterion: size,
  size times nearness to the center, or the visual score.

  Raises:
    ValueError: no face is seen at the given time, or the network has no visual score.
  """
  rows = np.flatnonzero(face_scores.faces != NOBODY)
  faces = face_scores.faces[rows]
  totals = np.bincount(faces, _weights(face_scores, rows, performer), minlength=1)
  ranks = totals[faces]
  if performer.by == "at":
    chosen = _most_prominent_at(face_scores, rows, performer, clock)
    ranks = np.where(faces == faces[chosen], np.inf, ranks)
    others = (face_scores.shots[rows] == face_scores.shots[rows[chosen]]) & (faces != faces[chosen])
    rows, ranks = rows[~others], ranks[~others]
  order = np.argsort(ranks, kind="stable")
  result = np.flatnonzero(face_scores.faces == NOBODY)
  result[face_scores.blocks[rows[order]]] = rows[order]  # of several rows of a block, the last is kept
  return result


@dataclasses.dataclass(frozen=True)
class Rival:
  """A face that fits the voice better than the performer's.

  Attributes:
    onset_s: start of the first block in which both faces are seen and a voice is heard.
    offset_s: end of the last such block.
    score: mean score of a vocal event with this face, over these blocks.
    performer_score: the same with the performer's face.
  """

  onset_s: float
  offset_s: float
  score: float
  performer_score: float

  def __str__(self) -> str:
    return (
      f"another face fits the voice better than the performer's between {format_time(self.onset_s)} and "
      f"{format_time(self.offset_s)} (a score of {self.score:.2f} against {self.performer_score:.2f}): "
      "--performer=vocal chooses by the voice, --faces=all shows all faces"
    )


def find_rivals(face_scores: FaceScores, chosen: np.ndarray, clock: Clock) -> list[Rival]:
  """Returns the faces that fit the voice better than the performer's, in order of onset.

  Args:
    face_scores: scores of the performer and of other faces.
    chosen: row of the performer in each block, int [B].
    clock: clock of the blocks.
  """
  scores = face_scores.scores
  if scores.audio is None or scores.audio_visual is None:
    return []
  is_heard = np.asarray(scores.audio)[:, _VOCAL].max(axis=1) > 0.5
  vocal = np.asarray(scores.audio_visual)[:, _VOCAL].max(axis=1)
  rivals = []
  for face in np.unique(face_scores.faces[face_scores.faces != NOBODY]):
    rows = np.flatnonzero(face_scores.faces == face)
    performers = chosen[face_scores.blocks[rows]]
    boxes, performer_boxes = face_scores.boxes[rows], face_scores.boxes[performers]
    is_beside = [_are_two_faces(*pair) for pair in zip(boxes, performer_boxes, strict=True)]
    kept = np.array(is_beside, bool) & is_heard[rows]
    rows, performers = rows[kept], performers[kept]
    if len(rows) < _RIVAL_S * clock.block_rate_hz:
      continue
    if np.mean(log_odds(vocal[rows]) - log_odds(vocal[performers])) >= _RIVAL_GAIN:
      blocks, means = face_scores.blocks[rows], (float(vocal[rows].mean()), float(vocal[performers].mean()))
      rivals.append(Rival(clock.start_s(blocks[0]), clock.start_s(blocks[-1] + 1), *means))
  return sorted(rivals, key=lambda rival: rival.onset_s)


def _are_two_faces(boxes: np.ndarray, others: np.ndarray) -> bool:
  """Returns whether two faces, with boxes [N,4], are seen at once and differ."""
  both = np.isfinite(boxes[:, 0]) & np.isfinite(others[:, 0])
  return bool(both.any()) and all(iou(a, b) < SAME_FACE_IOU for a, b in zip(boxes[both], others[both], strict=True))


def face_rows(face_scores: FaceScores, face: int) -> np.ndarray:
  """Returns the row of one face in each block, or of `NOBODY` if it is not seen. [B] int."""
  rows = np.flatnonzero(face_scores.faces == face)
  result = np.flatnonzero(face_scores.faces == NOBODY)
  result[face_scores.blocks[rows]] = rows
  return result


def faces_by_appearance(face_scores: FaceScores, min_blocks: int) -> tuple[Sequence[int], int]:
  """Returns the faces seen in at least `min_blocks`, by time and then from left to right, and the number of others."""
  first: dict[int, tuple[int, float]] = {}
  counts: dict[int, int] = {}
  for row in np.flatnonzero(face_scores.faces != NOBODY):
    face = int(face_scores.faces[row])
    first.setdefault(face, (int(face_scores.blocks[row]), float(np.nanmean(face_scores.boxes[row, :, 0]))))
    counts[face] = counts.get(face, 0) + 1
  lasting = [face for face in first if counts[face] >= min_blocks]
  return sorted(lasting, key=first.__getitem__), len(first) - len(lasting)


def _weights(face_scores: FaceScores, rows: np.ndarray, performer: Performer) -> np.ndarray:
  """Returns the criterion of the choice for the given rows. [R']."""
  if performer.by == "vocal":
    if face_scores.scores.visual is None:
      raise ValueError("performer is 'vocal', but this network has no visual score; choose by another rule")
    return np.asarray(face_scores.scores.visual)[rows]
  boxes = _mean_boxes(face_scores, rows)
  if performer.by == "largest":
    return np.sqrt(boxes[:, 2] * boxes[:, 3])
  return np.array([prominence(box) for box in boxes])


def _most_prominent_at(face_scores: FaceScores, rows: np.ndarray, performer: Performer, clock: Clock) -> int:
  """Returns the index, among the given rows, of the most prominent face at the performer's time."""
  assert performer.time_s is not None
  there = np.flatnonzero(face_scores.blocks[rows] == clock.block_at(performer.time_s))
  if not len(there):
    raise ValueError(f"no face is seen at {performer.time_s:g} s; expected a time at which the performer is on screen")
  return int(max(there, key=lambda i: prominence(_mean_boxes(face_scores, rows[[i]])[0])))


def _mean_boxes(face_scores: FaceScores, rows: np.ndarray) -> np.ndarray:
  """Returns the mean box of each of the given rows, over the images in which the face is seen. [R',4]."""
  return np.nanmean(face_scores.boxes[rows], axis=1)
