"""What a user says of the performer, and which face that is: hand-made scores."""

import numpy as np
import pytest

from attavvad_jax.inference.choice import NOBODY, FaceScores, face_rows, faces_by_appearance, performer_rows
from attavvad_jax.inference.performer import Performer
from attavvad_jax.predict import BlockScores
from attavvad_jax.timeline import Clock

# x, y, width, height: one in the middle, one larger at the side, one small in a corner.
MIDDLE, LARGE, SMALL = (0.4, 0.4, 0.2, 0.2), (0.0, 0.3, 0.3, 0.3), (0.9, 0.9, 0.1, 0.1)


def found(*blocks, visual=True):
  """From one list of (face, shot, box, score of the mouth) for each block."""
  rows = [(index, *row) for index, faces in enumerate(blocks) for row in [(NOBODY, NOBODY, (np.nan,) * 4, 0.0), *faces]]
  block, face, shot, box, mouth = (np.array(column) for column in zip(*rows, strict=True))
  # The face is in the first of two images.
  boxes = np.stack([box, np.full_like(box, np.nan)], axis=1)
  scores = BlockScores(None, mouth if visual else None, np.zeros((len(rows), 4)), None)
  return FaceScores(block, face, shot, boxes, scores)


def performers(scores, text):
  """The face of each block."""
  return scores.faces[performer_rows(scores, Performer.parse(text), Clock())].tolist()


@pytest.mark.parametrize("text", ["prominent", "largest", "vocal", "at:12.5", "at:0.0", "box:0.4,0.2,0.125,0.1"])
def test_what_is_written_of_a_performer_is_read_as_the_same(text):
  assert str(Performer.parse(text)) == text


@pytest.mark.parametrize(
  "text", ["", "at", "at:", "at:nan", "at:inf", "largest:1", "box:0,0,1", "box:a,b,c,d", "Vocal"]
)
def test_what_is_not_understood_is_refused_with_what_is(text):
  with pytest.raises(ValueError, match="expected prominent, largest, vocal, at:SECONDS or box:X,Y,WIDTH,HEIGHT"):
    Performer.parse(text)


def test_largest_is_the_largest_wherever_it_is():
  scores = found(*[[(0, 0, MIDDLE, 0.9), (1, 0, LARGE, 0.1), (2, 0, SMALL, 0.9)]] * 3)
  assert performers(scores, "largest") == [1, 1, 1]


def test_most_vocal_is_told_by_all_of_the_faces_blocks():
  first = [(0, 0, LARGE, 0.3), (1, 0, SMALL, 0.8)]
  second = [(0, 0, LARGE, 0.6), (1, 0, SMALL, 0.5)]
  assert performers(found(first, second, second), "vocal") == [1, 1, 1]


def test_where_the_performer_is_not_seen_the_next_in_rank_or_nobody_is():
  scores = found([(0, 0, MIDDLE, 0.9)], [(0, 0, MIDDLE, 0.9), (1, 0, SMALL, 0.2)], [(1, 0, SMALL, 0.2)], [])
  assert performers(scores, "vocal") == [0, 0, 1, NOBODY]


def test_face_at_a_time_is_alone_in_its_shot_and_others_are_chosen_by_prominence():
  together = [(0, 0, MIDDLE, 0.5), (1, 0, SMALL, 0.5)]
  after_cut = [(2, 9, SMALL, 0.5), (3, 9, MIDDLE, 0.5)]
  scores = found([(1, 0, SMALL, 0.5)], together, [(0, 0, MIDDLE, 0.5)], after_cut)
  assert performers(scores, "at:0.1") == [1, 1, NOBODY, 3]  # in block 0
  assert performers(scores, "at:0.4") == [NOBODY, 0, 0, 3]  # in block 1, where another is more prominent


def test_time_without_a_face_is_an_error():
  with pytest.raises(ValueError, match=r"no face is seen at 0\.5 s"):
    performers(found([(0, 0, MIDDLE, 0.5)], []), "at:0.5")


def test_network_without_a_score_of_the_mouth_cannot_tell_who_is_vocal():
  with pytest.raises(ValueError, match="no score of the mouth"):
    performers(found([(0, 0, MIDDLE, 0.5)], visual=False), "vocal")


@pytest.mark.parametrize("text", ["largest", "vocal"])
def test_without_any_face_it_is_nobody(text):
  assert performers(found([], []), text) == [NOBODY, NOBODY]


def test_faces_are_in_order_of_appearance_and_fleeting_ones_are_counted():
  scores = found([(4, 0, MIDDLE, 0.5), (7, 0, LARGE, 0.5)], [(4, 0, MIDDLE, 0.5), (7, 0, LARGE, 0.5), (8, 0, SMALL, 0)])
  assert faces_by_appearance(scores, 2) == ([7, 4], 1)
  assert face_rows(scores, 8).tolist() == [0, 6]
