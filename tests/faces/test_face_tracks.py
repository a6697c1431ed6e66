"""Joining faces to tracks and choosing the performer: hand-worked boxes on both sides of each threshold."""

import numpy as np
import pytest

from attavvad_jax.faces.tracks import Tracks

RATE = 10.0  # images a second


def centered(x, size, y=0.5):
  return (x - size / 2, y - size / 2, size, size)


def numbers(*sightings):
  """Returns the face numbers in the last of some images of one shot, each given as (index, boxes)."""
  tracks = Tracks(RATE)
  for position, (index, boxes) in enumerate(sightings):
    faces = np.array([(*box, 0.9) for box in boxes], float).reshape(-1, 5)
    tracks.add(index, faces, cut=position == 0)
  return [face.number for face in tracks.faces(sightings[-1][0])]


# A face of size 0.2 grows to these sizes about its center: the overlap is 0.04 of 0.16, or of 0.2116. Both are too
# large for a head that only moved.
@pytest.mark.parametrize(("size", "number"), [(0.40, 0), (0.46, 1)], ids=["0.25", "0.19"])
def test_overlap_of_a_fifth_makes_a_track(size, number):
  assert numbers((0, [centered(0.5, 0.2)]), (1, [centered(0.5, size)])) == [number]


@pytest.mark.parametrize(("image", "number"), [(50, 0), (51, 1)])
def test_face_that_returns_to_its_place_within_five_seconds_is_the_same(image, number):
  assert numbers((0, [centered(0.5, 0.2)]), (25, []), (image, [centered(0.5, 0.2)])) == [number]


@pytest.mark.parametrize(("moved", "number"), [(0.09, 0), (0.12, 1)])
def test_head_may_jump_by_its_own_size(moved, number):
  assert numbers((0, [centered(0.4, 0.1)]), (1, [centered(0.4 + moved, 0.1)])) == [number]


@pytest.mark.parametrize(("image", "number"), [(10, 0), (11, 1)])
def test_head_may_jump_within_a_second(image, number):
  assert numbers((0, [centered(0.4, 0.1)]), (image, [centered(0.49, 0.1)])) == [number]


# The boxes are 0.93 and 0.92 of their mean size apart: they hardly overlap, and the distance is within a jump.
@pytest.mark.parametrize(("size", "moved", "number"), [(0.15, 0.115, 0), (0.18, 0.13, 1)], ids=["1.5", "1.8"])
def test_head_that_jumps_keeps_its_size(size, moved, number):
  assert numbers((0, [centered(0.4, 0.1)]), (1, [centered(0.4 + moved, size)])) == [number]


def test_another_face_takes_over_with_one_and_a_half_times_the_score():
  """Two faces are equally far from the center: their scores are sums of sizes and hardly decay in two images."""
  tracks, left, right = Tracks(RATE), (*centered(0.3, 0.10), 0.9), (*centered(0.7, 0.26), 0.9)
  chosen = []
  for index, faces in enumerate([[left], [left, right], [left, right]]):
    tracks.add(index, np.array(faces), cut=index == 0)
    chosen.append(round(float(tracks.box(index)[2]), 2))
  # 0.26 by 0.20 is not enough, 0.52 by 0.30 is.
  assert chosen == [0.10, 0.10, 0.26]
