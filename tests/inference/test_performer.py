"""Rules for the performer and the faces that they choose, with hand-made scores."""

import numpy as np
import pytest

from attavvad_jax.inference.choice import NOBODY, FaceScores, face_rows, faces_by_appearance, performer_rows
from attavvad_jax.inference.performer import Performer
from attavvad_jax.predict import BlockScores
from attavvad_jax.timeline import Clock

# x, y, width, height: one in the middle, one larger at the side, one small in a corner.
MIDDLE, LARGE, SMALL = (0.4, 0.4, 0.2, 0.2), (0.0, 0.3, 0.3, 0.3), (0.9, 0.9, 0.1, 0.1)


def scores_of(*blocks, visual=True):
  """Makes scores from one list of (face, shot, box, visual score) for each block."""
  rows = [(index, *row) for index, faces in enumerate(blocks) for row in [(NOBODY, NOBODY, (np.nan,) * 4, 0.0), *faces]]
  block, face, shot, box, mouth = (np.array(column) for column in zip(*rows, strict=True))
  # The face is in the first of two images.
  boxes = np.stack([box, np.full_like(box, np.nan)], axis=1)
  scores = BlockScores(None, mouth if visual else None, np.zeros((len(rows), 4)), None)
  return FaceScores(block, face, shot, boxes, scores)


def performers(scores, text):
  """Returns the performer's face of each block."""
  return scores.faces[performer_rows(scores, Performer.parse(text), Clock())].tolist()


@pytest.mark.parametrize("text", ["prominent", "largest", "vocal", "at:12.5", "at:0.0", "box:0.4,0.2,0.125,0.1"])
def test_text_of_a_performer_parses_to_the_same(text):
  assert str(Performer.parse(text)) == text


@pytest.mark.parametrize(
  "text", ["", "at", "at:", "at:nan", "at:inf", "largest:1", "box:0,0,1", "box:a,b,c,d", "Vocal"]
)
def test_unknown_rule_is_an_error_that_lists_the_rules(text):
  with pytest.raises(ValueError, match="expected prominent, largest, vocal, at:SECONDS or box:X,Y,WIDTH,HEIGHT"):
    Performer.parse(text)


def test_largest_is_the_largest_wherever_it_is():
  scores = scores_of(*[[(0, 0, MIDDLE, 0.9), (1, 0, LARGE, 0.1), (2, 0, SMALL, 0.9)]] * 3)
  assert performers(scores, "largest") == [1, 1, 1]


def test_most_vocal_face_has_the_largest_sum_over_all_its_blocks():
  first = [(0, 0, LARGE, 0.3), (1, 0, SMALL, 0.8)]
  second = [(0, 0, LARGE, 0.6), (1, 0, SMALL, 0.5)]
  assert performers(scores_of(first, second, second), "vocal") == [1, 1, 1]


def test_block_without_the_performer_has_the_next_in_rank_or_nobody():
  scores = scores_of([(0, 0, MIDDLE, 0.9)], [(0, 0, MIDDLE, 0.9), (1, 0, SMALL, 0.2)], [(1, 0, SMALL, 0.2)], [])
  assert performers(scores, "vocal") == [0, 0, 1, NOBODY]


def test_face_at_a_time_is_alone_in_its_shot_and_others_are_chosen_by_prominence():
  together = [(0, 0, MIDDLE, 0.5), (1, 0, SMALL, 0.5)]
  after_cut = [(2, 9, SMALL, 0.5), (3, 9, MIDDLE, 0.5)]
  scores = scores_of([(1, 0, SMALL, 0.5)], together, [(0, 0, MIDDLE, 0.5)], after_cut)
  assert performers(scores, "at:0.1") == [1, 1, NOBODY, 3]  # in block 0
  assert performers(scores, "at:0.4") == [NOBODY, 0, 0, 3]  # in block 1, where another is more prominent


def test_time_without_a_face_is_an_error():
  with pytest.raises(ValueError, match=r"no face is seen at 0\.5 s"):
    performers(scores_of([(0, 0, MIDDLE, 0.5)], []), "at:0.5")


def test_vocal_performer_needs_a_visual_score():
  with pytest.raises(ValueError, match=r"vocal.*no visual score"):
    performers(scores_of([(0, 0, MIDDLE, 0.5)], visual=False), "vocal")


@pytest.mark.parametrize("text", ["largest", "vocal"])
def test_performer_without_any_face_is_nobody(text):
  assert performers(scores_of([], []), text) == [NOBODY, NOBODY]


def test_faces_are_in_order_of_appearance_and_fleeting_ones_are_counted():
  scores = scores_of(
    [(4, 0, MIDDLE, 0.5), (7, 0, LARGE, 0.5)], [(4, 0, MIDDLE, 0.5), (7, 0, LARGE, 0.5), (8, 0, SMALL, 0)]
  )
  assert faces_by_appearance(scores, 2) == ([7, 4], 1)
  assert face_rows(scores, 8).tolist() == [0, 6]
