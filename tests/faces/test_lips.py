"""Lips drawn from landmarks: of hand-made heads in several poses, and of rendered faces."""

import dataclasses

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from attavvad_jax.blocks import LIP_SHAPE, NUM_LIP_MEASURES, Crop
from attavvad_jax.faces import crop_face, lips, model_files
from attavvad_jax.features.images import normalize_images
from attavvad_jax.media.errors import MediaError
from attavvad_jax.simulation.faces import FaceState, face_box, render
from attavvad_jax.simulation.portraits import Camera, Face

# Distance of the eyes' outer corners, in pixels of the face image; half the width of the mouth and of its opening.
EYES_PX, MOUTH, INSIDE = 80.0, 0.27, 0.2


def head(opening, lip=0.06):
  """Makes landmarks of a frontal face whose lips part by `opening`, in eye distances, as ellipses. [468,3]."""
  points = np.zeros((lips.NUM_LANDMARKS, 3))
  points[lips.EYES[0]], points[lips.EYES[1]] = (-0.5, -0.6, 0), (0.5, -0.6, 0)
  points[lips.NOSE_ROOT], points[lips.NOSE_BASE] = (0, -0.5, -0.2), (0, 0, -0.2)
  middle = np.array([0, 0.24, -0.2])
  for edge, wide, high in ((lips.OUTER_LIPS, MOUTH, opening / 2 + lip), (lips.INNER_LIPS, INSIDE, opening / 2)):
    angles = np.pi + 2 * np.pi * np.arange(len(edge)) / len(edge)
    points[list(edge)] = middle + np.stack([wide * np.cos(angles), high * np.sin(angles), 0 * angles], axis=1)
  return (points * EYES_PX + (96, 90, 0)).astype(np.float32)


def within(drawing):
  """Returns the brightness of a drawing without the line around it."""
  return drawing[1:-1, 1:-1].astype(np.float64)


def area(landmarks, edge, width_px):
  """Returns a polygon's area in pixels of a drawing without margin, by the shoelace formula."""
  x, y = (lips.facing(landmarks)[list(edge)] * (width_px / 0.7)).T
  return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


@pytest.mark.parametrize("opening", [0.05, 0.1, 0.2])
def test_lips_and_opening_have_the_areas_of_their_polygons(opening):
  landmarks = head(opening)
  drawing = within(lips.draw_lips(landmarks, 64, 96, margin=0.0))
  opened, outer = (area(landmarks, edge, 96) for edge in (lips.INNER_LIPS, lips.OUTER_LIPS))
  assert drawing.sum() == pytest.approx(lips.OPENING * opened + lips.LIPS * (outer - opened), rel=0.06)


def test_closed_lips_are_gray():
  drawing = within(lips.draw_lips(head(0.0), 64, 96, margin=0.0))
  assert (drawing == lips.LIPS).sum() > 300
  # A closed opening is still drawn as the edge of its polygon.
  assert drawing.max() < 200


def test_the_mouth_is_in_the_middle():
  drawing = within(lips.draw_lips(head(0.1), 33, 49, margin=0.1))
  rows, columns = (np.average(np.arange(n), weights=drawing.sum(axis=1 - axis)) for axis, n in enumerate(drawing.shape))
  assert (rows, columns) == (pytest.approx(15, abs=0.3), pytest.approx(23, abs=0.3))


@pytest.mark.parametrize("opening", [0.0, 0.3])
def test_scaling_by_its_extremes_does_not_change_a_drawing(opening):
  drawing = lips.draw_lips(head(opening), 32, 48, margin=0.1)
  scaled = np.asarray(normalize_images(drawing[None, None], np.ones((1, 1), bool)))[0, 0]
  np.testing.assert_allclose(scaled, drawing / 255, atol=1e-6)


@pytest.mark.parametrize("angles", [(0, 0, 25), (30, 0, 0), (0, 20, 0), (20, -15, -10)])
def test_rotation_position_and_size_of_the_head_do_not_matter(angles):
  landmarks = head(0.12)
  turned = Rotation.from_euler("yxz", angles, degrees=True).apply(landmarks - 96) * 0.6 + (60, 110, 5)
  np.testing.assert_allclose(lips.facing(turned), lips.facing(landmarks), atol=1e-5)
  before, after = (within(lips.draw_lips(points, 32, 48, margin=0.1)) for points in (landmarks, turned))
  # Corners of polygons are rounded to a quarter of a pixel.
  assert np.abs(before - after).mean() < 2


def test_landmarks_that_all_coincide_can_be_drawn():
  drawing = lips.draw_lips(np.zeros((lips.NUM_LANDMARKS, 3), np.float32), 32, 48, margin=0.1)
  assert drawing.shape == (32, 48)


def test_a_file_that_opencv_cannot_read_is_an_error_of_one_line(tmp_path, monkeypatch):
  (tmp_path / "mesh.tflite").write_bytes(b"no model")
  monkeypatch.setattr(model_files, "resolve", lambda model: tmp_path / "mesh.tflite")
  with pytest.raises(MediaError, match=r"mesh\.tflite: OpenCV .* cannot use this model") as error:
    lips.FaceMesh()
  assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def mesh():
  if not model_files.cache_path(model_files.LANDMARKS).is_file():
    pytest.skip("the face mesh's model is not in the cache folder: python -m attavvad_jax.faces.model_files")
  return lips.face_mesh()


def portrait(state, size=(480, 360)):
  """Renders a gray face; returns it and its box as fractions of the frame."""
  rng = np.random.default_rng(3)
  face = Face.draw(rng, "female")
  camera = dataclasses.replace(Camera.draw(rng), head_height=0.6, center_x=0.5, center_y=0.5)
  box = np.array(face_box(camera, state, *size)) / (*size, *size)
  return cv2.cvtColor(render(face, camera, state, *size), cv2.COLOR_RGB2GRAY), box


def opening(drawing):
  """Returns the fraction of the mouth that is white."""
  drawn = within(drawing)
  return (drawn > 200).sum() / (drawn > 64).sum()


def test_a_rendered_mouth_opens_in_the_drawing_too(mesh):
  openings = [
    opening(crop_face(*portrait(FaceState(openness=openness)), Crop(32, 48, 0.1, "lips")))
    for openness in (0.0, 0.2, 0.4, 0.8)
  ]
  assert openings == sorted(openings)
  assert openings[0] < 0.15
  assert openings[-1] > openings[0] + 0.2


def test_a_rendered_head_that_turns_moves_no_lips(mesh):
  crop = Crop(32, 48, 0.1, "lips")
  still, turned = (
    crop_face(*portrait(FaceState(openness=0.5, yaw_deg=yaw, roll_deg=roll)), crop) for yaw, roll in ((0, 0), (12, 8))
  )
  shut = crop_face(*portrait(FaceState()), crop)
  difference = np.abs(within(still) - within(turned)).mean()
  assert difference < 0.5 * np.abs(within(still) - within(shut)).mean()


@pytest.mark.parametrize("opening", [0.02, 0.1, 0.3])
def test_measures_are_the_distances_of_the_landmarks(opening):
  (row,) = lips.measure_lips(head(opening))
  assert (row[0], row[-1], row.dtype) == (0, 255, np.uint8)
  # The middle opening holds 0 to 0.5, the width of the opening 0.25 to 0.8, the height of the mouth 0.05 to 0.7.
  assert row[1] / 255 * 0.5 == pytest.approx(opening, abs=0.002)
  assert 0.25 + row[6] / 255 * 0.55 == pytest.approx(2 * INSIDE, abs=0.003)
  assert 0.05 + row[8] / 255 * 0.65 == pytest.approx(opening + 2 * 0.06, abs=0.002)


@pytest.mark.parametrize("angles", [(0, 0, 25), (30, 0, 0), (0, 20, 0), (20, -15, -10)])
def test_measures_do_not_depend_on_the_pose_of_the_head(angles):
  rotated = Rotation.from_euler("yxz", angles, degrees=True).apply(head(0.1) - (96, 96, 0)) * 0.7 + (80, 100, 0)
  np.testing.assert_allclose(lips.measure_lips(rotated).astype(int), lips.measure_lips(head(0.1)), atol=1)


def test_measures_keep_their_values_where_an_image_is_scaled_by_its_extremes():
  row = lips.measure_lips(head(0.1))
  np.testing.assert_allclose(normalize_images(row[None], np.ones(1, bool))[0], row / 255, atol=1e-6)


def test_a_rendered_mouth_opens_in_the_measures_too(mesh):
  crop = Crop(1, NUM_LIP_MEASURES, part=LIP_SHAPE)
  rows = [crop_face(*portrait(FaceState(openness=openness)), crop)[0] for openness in (0.0, 0.4, 0.9)]
  assert rows[0][1] < rows[1][1] < rows[2][1]
  # The nose stays, the chin goes down.
  assert rows[0][15] < rows[2][15]


def test_a_row_of_measures_has_one_size():
  with pytest.raises(ValueError, match="size is 32x48; expected 1x18"):
    Crop(32, 48, part=LIP_SHAPE)
