"""Faces that fit the voice better than the performer's."""

import numpy as np
import pytest
from streams import LevelDetector, write_drawn

from attavvad_jax.inference import detector as detector_lib
from attavvad_jax.inference.choice import NOBODY, FaceScores, Rival, find_rivals
from attavvad_jax.predict import BlockScores
from attavvad_jax.recordings import read_blocks
from attavvad_jax.timeline import Clock

LEFT, RIGHT, SMALL = (0.05, 0.1, 0.4, 0.8), (0.5, 0.2, 0.3, 0.6), (0.6, 0.2, 0.1, 0.2)
BLOCKS = 9


def face_scores(*, performer=0.2, rival=0.8, heard=0.9, rival_box=RIGHT, seen=BLOCKS):
  """Returns scores of the performer in nine blocks, and of another face in the first `seen` of them."""
  blocks = np.repeat(np.arange(BLOCKS), [2] * seen + [1] * (BLOCKS - seen))
  is_rival = np.diff(blocks, prepend=-1) == 0
  faces = np.where(is_rival, 7, NOBODY)
  boxes = np.where(is_rival[:, None, None], np.float32(rival_box), np.float32(LEFT)) * np.ones((1, 3, 1), np.float32)
  fused = np.full((len(blocks), 4), 0.05)
  fused[:, 2] = np.where(is_rival, rival, performer)
  audio = np.full((len(blocks), 4), 0.05)
  audio[:, 1] = heard
  return FaceScores(blocks, faces, faces, boxes, BlockScores(audio, None, fused, None))


def rivals(scores):
  return find_rivals(scores, np.flatnonzero(scores.faces == NOBODY), Clock())


def test_a_face_with_higher_scores_while_a_voice_is_heard_is_a_rival():
  (rival,) = rivals(face_scores(seen=8))
  assert rival == Rival(0.0, pytest.approx(8 / 3), pytest.approx(0.8), pytest.approx(0.2))
  assert "between 0:00.0 and 0:02.7" in str(rival)
  assert "--performer=vocal" in str(rival)


@pytest.mark.parametrize(
  "changes",
  [
    {"performer": 0.7},  # the odds differ by a factor of 1.7
    {"performer": 0.8, "rival": 0.2},
    {"heard": 0.4},
    {"seen": 5},
    {"rival_box": (0.06, 0.1, 0.4, 0.8)},
  ],
  ids=["similar", "worse", "without a voice", "brief", "same face"],
)
def test_no_rival(changes):
  assert rivals(face_scores(**changes)) == []


@pytest.fixture(scope="module")
def video(tmp_path_factory):
  return write_drawn(tmp_path_factory.mktemp("rivals") / "a.mp4", 6.0)


@pytest.mark.parametrize(("other", "numbers"), [(RIGHT, 1), (SMALL, 0)], ids=["large", "small"])
def test_blocks_contain_other_faces_that_are_not_much_smaller(video, other, numbers):
  spec = LevelDetector().spec
  faces = np.array([(*LEFT, 0.9), (*other, 0.9)])
  for block in read_blocks(video, spec.clock, spec.crop, detect=lambda rgb: faces, faces="rivals"):
    assert len(block.faces) == numbers
    assert all(np.allclose(face.boxes, other) for face in block.faces)


def test_given_blocks_are_scored_once_whatever_faces_they_contain(video):
  detector = LevelDetector()
  faces = np.array([(*LEFT, 0.9), (*RIGHT, 0.9)])

  def read(kept):
    return read_blocks(video, detector.spec.clock, detector.spec.crop, detect=lambda rgb: faces, faces=kept)

  expected = detector.score(read("performer")).decision
  np.testing.assert_array_equal(detector.score(read("all")).decision, expected)


def test_detection_warns_of_rivals_and_its_scores_stay_those_of_the_performer(video, monkeypatch):
  rival = Rival(1.0, 4.0, 0.8, 0.2)
  monkeypatch.setattr(detector_lib, "find_rivals", lambda scores, chosen, clock: [rival])
  faces = np.array([(*LEFT, 0.9), (*RIGHT, 0.9)])
  detection = LevelDetector().detect(video, find_faces=lambda rgb: faces)
  alone = LevelDetector().detect(video, find_faces=lambda rgb: faces[:1])
  assert str(rival) in detection.report.warnings
  np.testing.assert_allclose(detection.decision, alone.decision, atol=1e-5)
  np.testing.assert_array_equal(detection.boxes, alone.boxes)
