"""Tracking and cropping faces: hand-worked boxes, a slow, obvious version, the real detector on a drawn face."""

import dataclasses
import math
import os
import random
import time

import cv2
from followed import follow_performer
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from attavvad_jax.blocks import Crop
from attavvad_jax.faces import FaceDetector, FaceTracker, crop_face, model_files
from attavvad_jax.faces.boxes import iou
from attavvad_jax.faces.cuts import is_cut, make_thumbnail
from attavvad_jax.faces.detector import _tiles
from attavvad_jax.faces.part import FramePart
from attavvad_jax.media.errors import MediaError
from attavvad_jax.simulation.faces import FaceState, face_box, render
from attavvad_jax.simulation.portraits import Camera, Face

RATE = 9.0  # images a second
EVERY = 3


def scene(seed=0, size=(32, 24)):
  """Returns a frame with structure; each seed is another scene."""
  small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
  return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)


class FakeFrame:
  """A frame with the attributes of `media.Frame`."""

  def __init__(self, rgb):
    self.rgb = rgb
    self.gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


class Film:
  """Frames that contain their number, and a detector that reads it and returns the faces of that frame."""

  def __init__(self, faces, count, scenes=lambda i: 0, holes=()):
    self._faces = faces
    self.frames = []
    for i in range(count):
      frame = scene(scenes(i))
      frame[0, :2] = [[i // 256, i % 256, 0], [7, 7, 7]]
      self.frames.append(None if i in holes else FakeFrame(frame))
    self.looked = []

  def detect(self, rgb):
    index = int(rgb[0, 0, 0]) * 256 + int(rgb[0, 0, 1])
    self.looked.append(index)
    return np.array([(*box, 0.9) for box in self._faces(index)], np.float64).reshape(-1, 5)

  def boxes(self, **options):
    return [image.box for image in follow_performer(self.frames, self.detect, RATE, EVERY, **options)]


def centered(x, size=0.2, y=0.5):
  return (x - size / 2, y - size / 2, size, size)


def centers(boxes):
  return np.array([np.nan if box is None else box[0] + box[2] / 2 for box in boxes])


def slow_crop(gray, box, crop):
  """Crops pixel by pixel from a frame that is padded by repeating its edge."""
  height, width = gray.shape
  pad = 3 * max(height, width) * (2 + 4 * int(np.ceil(crop.margin)))
  large = np.pad(gray, pad, mode="edge")
  w, h = box[2] * width * (1 + 2 * crop.margin), box[3] * height * (1 + 2 * crop.margin)
  aspect = crop.width_px / crop.height_px
  if w / h < aspect:
    w = h * aspect
  else:
    h = w / aspect
  columns, rows = max(1, round(w)), max(1, round(h))
  left = round((box[0] + box[2] / 2) * width - columns / 2) + pad
  top = round((box[1] + box[3] / 2) * height - rows / 2) + pad
  cut = np.array([[large[top + r, left + c] for c in range(columns)] for r in range(rows)])
  return cv2.resize(cut, (crop.width_px, crop.height_px), interpolation=cv2.INTER_AREA)


@settings(deadline=None, max_examples=60)
@given(
  x=st.floats(-0.3, 1.0),
  y=st.floats(-0.3, 1.0),
  width=st.floats(0.02, 0.8),
  height=st.floats(0.02, 0.8),
  margin=st.sampled_from([0.0, 0.2, 0.5]),
  shape=st.sampled_from([(8, 8), (12, 8), (5, 9)]),
)
def test_crop_equals_the_slow_version(x, y, width, height, margin, shape):
  gray = np.random.default_rng(1).integers(0, 256, (24, 32), np.uint8)
  crop = Crop(*shape, margin=margin)
  box = np.array([x, y, width, height])
  np.testing.assert_array_equal(crop_face(gray, box, crop), slow_crop(gray, box, crop))


def test_crop_without_margin_at_its_own_size_is_the_box():
  gray = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
  cut = crop_face(gray, np.array([16 / 64, 12 / 48, 20 / 64, 10 / 48]), Crop(10, 20, margin=0.0))
  np.testing.assert_array_equal(cut, gray[12:22, 16:36])


def test_crop_of_a_wide_box_grows_in_height_about_its_center():
  gray = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
  cut = crop_face(gray, np.array([16 / 64, 20 / 48, 20 / 64, 10 / 48]), Crop(20, 20, margin=0.0))
  np.testing.assert_array_equal(cut, gray[15:35, 16:36])


def test_crop_of_the_mouth_is_the_lower_middle_of_the_box():
  gray = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
  cut = crop_face(gray, np.array([0.1, 0.1, 0.5, 0.5]), Crop(50, 60, margin=0.0, part="mouth"))
  np.testing.assert_array_equal(cut, gray[72:122, 40:100])


@pytest.mark.parametrize("arguments", [(0, 10), (10, 0), (10, 10, -0.1), (10, 10, float("nan")), (10, 10, 0.1, "nose")])
def test_impossible_crops_are_refused(arguments):
  with pytest.raises(ValueError, match=r"^crop: "):
    Crop(*arguments)


@pytest.mark.parametrize("size", [(960, 544), (544, 960), (700, 700), (960, 720), (960, 300), (33, 31), (960, 100)])
def test_tiles_cover_the_frame_and_stay_inside(size):
  width, height = size
  seen = np.zeros((height, width), int)
  for x, y, side in _tiles(width, height):
    assert x >= 0
    assert y >= 0
    tile = seen[y : y + side, x : x + side]
    assert tile.shape == (side, side)
    tile += 1
  if max(size) <= 3 * min(size):  # three squares cannot cover more
    assert seen.min() >= 1


def test_box_is_interpolated_between_detections():
  film = Film(lambda i: [centered(0.3 + 0.005 * i)], 28)
  np.testing.assert_allclose(centers(film.boxes()), 0.3 + 0.005 * np.arange(28), atol=1e-12)
  assert film.looked == list(range(0, 28, EVERY))


def test_trembling_is_smoothed_over_three_sightings():
  film = Film(lambda i: [centered(0.5 + (0.01 if i == 12 else 0))], 25)
  got = centers(film.boxes()) - 0.5
  # The sightings 9, 12, 15 have weights 1, 2, 1; boxes between them are interpolated.
  np.testing.assert_allclose(
    got[6:19], np.interp(np.arange(6, 19), [6, 9, 12, 15, 18], [0, 0.0025, 0.005, 0.0025, 0]), atol=1e-12
  )


def test_cut_starts_a_detection_and_nothing_crosses_it():
  film = Film(lambda i: [centered(0.3 if i < 10 else 0.7)], 20, scenes=lambda i: i >= 10)
  np.testing.assert_allclose(centers(film.boxes()), [0.3] * 10 + [0.7] * 10, atol=1e-12)
  assert film.looked == [0, 3, 6, 9, 10, 13, 16, 19]


def test_image_without_a_face_is_without_a_box():
  film = Film(lambda i: [centered(0.5)] if i < 9 else [], 30)
  boxes = film.boxes()
  # The sighting at 6 counts for the images nearer to it than to 9, where no face was found.
  assert [box is not None for box in boxes] == [True] * 8 + [False] * 22
  assert all(box is None for box in Film(lambda i: [], 10).boxes())


def test_gap_of_a_second_is_bridged_and_a_longer_one_is_not():
  short = Film(lambda i: [] if 9 < i < 18 else [centered(0.5)], 30).boxes()
  long = Film(lambda i: [] if 9 < i < 21 else [centered(0.5)], 30).boxes()
  assert all(box is not None for box in short)
  assert [i for i, box in enumerate(long) if box is None] == list(range(11, 20))


def test_the_larger_face_near_the_center_is_the_performer_from_the_first_image():
  film = Film(lambda i: [centered(0.1, 0.15), centered(0.55, 0.25), centered(0.9, 0.25)], 40)
  np.testing.assert_allclose(centers(film.boxes()), 0.55, atol=1e-12)


def test_larger_face_that_is_seen_for_a_moment_does_not_steal():
  def faces(i):
    return [centered(0.4, 0.2)] + ([centered(0.75, 0.4)] if 30 <= i < 40 else [])

  np.testing.assert_allclose(centers(Film(faces, 120).boxes()), 0.4, atol=1e-12)


def test_two_singers_side_by_side_do_not_take_turns():
  rng = np.random.default_rng(0)
  sizes = rng.uniform(0.18, 0.26, (400, 2))

  def faces(i):
    return [centered(0.35, sizes[i, 0]), centered(0.65, sizes[i, 1])]

  got = centers(Film(faces, 400).boxes())
  assert len(set(np.round(got, 3))) == 1


def test_another_face_takes_over_when_the_performer_leaves():
  def faces(i):
    return ([centered(0.5, 0.3)] if i < 60 else []) + [centered(0.2, 0.15)]

  got = centers(Film(faces, 120).boxes())
  np.testing.assert_allclose(got[:59], 0.5, atol=1e-12)
  np.testing.assert_allclose(got[70:], 0.2, atol=1e-12)


def test_face_that_moves_fast_stays_the_same_track():
  # Between sightings it moves by nine tenths of its size, so that the boxes hardly overlap.
  film = Film(lambda i: [centered(0.1 + 0.018 * i * (1 if i < 41 else 0), 0.06), centered(0.9, 0.05, y=0.1)], 40)
  np.testing.assert_allclose(centers(film.boxes()), 0.1 + 0.018 * np.arange(40), atol=1e-9)


@pytest.mark.parametrize("length", [1, 5, 150])
def test_hole_ends_a_shot_and_has_no_box(length):
  """150 images are longer than the look-ahead: detections before the hole must not be lost meanwhile."""
  holes = range(10, 10 + length)
  film = Film(lambda i: [centered(0.3 if i < 10 else 0.7)], length + 20, holes=holes)
  images = list(follow_performer(film.frames, film.detect, RATE, EVERY))
  assert [image.gray is None for image in images] == [i in holes for i in range(length + 20)]
  expected = [0.3] * 10 + [np.nan] * length + [0.7] * 10
  np.testing.assert_allclose(centers([image.box for image in images]), expected, atol=1e-12)


def test_every_frame_comes_back_in_gray_and_in_order():
  film = Film(lambda i: [(0, 0, 1, 1)], 137)
  images = list(follow_performer(film.frames, film.detect, RATE, EVERY))
  for image, frame in zip(images, film.frames, strict=True):
    np.testing.assert_array_equal(image.gray.pixels, frame.gray)


def test_nothing_in_nothing_out():
  assert list(follow_performer([], lambda rgb: np.zeros((0, 5)), RATE, EVERY)) == []
  assert [i.box for i in follow_performer([None] * 200, lambda rgb: np.zeros((0, 5)), RATE, EVERY)] == [None] * 200


@pytest.mark.parametrize("lookahead_s", [0.0, 1.0, 10.0])
def test_result_does_not_depend_on_the_detectors_speed(lookahead_s):
  def faces(i):
    seen = np.random.default_rng(i).random(3) < 0.7
    return [
      box for box, here in zip([centered(0.4), centered(0.6, 0.25), centered(0.2, 0.3)], seen, strict=True) if here
    ]

  def run(delay_s):
    film = Film(faces, 150, scenes=lambda i: i // 47, holes=(60, 61))
    patience = random.Random(0)

    def detect(rgb):
      time.sleep(delay_s * patience.random())
      return film.detect(rgb)

    images = follow_performer(film.frames, detect, RATE, EVERY, lookahead_s)
    return [None if image.box is None else image.box.tolist() for image in images]

  assert run(0.0) == run(0.02)


def test_output_lags_by_the_lookahead_and_no_more():
  film = Film(lambda i: [centered(0.5)], 60)
  taken = []

  def frames():
    for frame in film.frames:
      taken.append(1)
      yield frame

  images = follow_performer(frames(), film.detect, RATE, EVERY, lookahead_s=2.0)
  for count, _ in enumerate(images):
    assert len(taken) == min(count + 1 + 18, 60)


def test_error_of_the_detector_is_raised_and_its_thread_ends():
  def detect(rgb):
    raise MediaError("the detector broke")

  with pytest.raises(MediaError, match="the detector broke"):
    list(follow_performer([FakeFrame(scene())] * 200, detect, RATE, EVERY))


def test_detector_has_stopped_once_the_iterator_is_closed():
  running = []

  def detect(rgb):
    running.append(1)
    time.sleep(0.02)
    running.pop()
    return np.zeros((0, 5))

  images = follow_performer([FakeFrame(scene())] * 200, detect, RATE, EVERY)
  next(images)
  images.close()
  assert running == []


def thumbnail(seed):
  return make_thumbnail(FakeFrame(scene(seed, (128, 96))).gray)


def test_another_scene_is_a_cut():
  assert is_cut(thumbnail(0), thumbnail(1))


@pytest.mark.parametrize("change", [lambda a: a * 0.4, lambda a: 40 + a * 0.6, lambda a: 255 - (255 - a) * 0.7])
def test_change_of_light_is_no_cut(change):
  assert not is_cut(thumbnail(0), change(thumbnail(0).astype(float)).astype(np.uint8))


def test_moving_a_little_is_no_cut():
  large = FakeFrame(scene(0, (36, 36))).gray
  assert not is_cut(large[:32, :32], large[1:33, 2:34])


def test_black_frame_differs_from_a_scene_but_not_from_black():
  black, dark = np.zeros((32, 32), np.uint8), np.full((32, 32), 9, np.uint8)
  assert is_cut(black, thumbnail(0))
  assert is_cut(thumbnail(0), black)
  assert not is_cut(black, dark)


@pytest.fixture(scope="module")
def detector():
  """The real detector; its model is fetched at installation, not by a test."""
  if not model_files.cache_path(model_files.DETECTOR).is_file():
    pytest.skip("the face detector's model is not in the cache folder: python -m attavvad_jax.faces.model_files")
  with FaceDetector() as opened:
    yield opened


def portrait(head_height, center_x, size):
  """Renders a face; returns it and its box as fractions of the frame."""
  rng = np.random.default_rng(3)
  face = Face.draw(rng, "female")
  camera = dataclasses.replace(Camera.draw(rng), head_height=head_height, center_x=center_x, center_y=0.5)
  box = np.array(face_box(camera, FaceState(), *size)) / (*size, *size)
  return render(face, camera, FaceState(), *size), box


@pytest.mark.parametrize(
  ("head_height", "center_x", "size"), [(0.6, 0.5, (480, 360)), (0.4, 0.2, (960, 544)), (0.3, 0.5, (544, 960))]
)
def test_detector_finds_a_face_where_it_was_drawn(detector, head_height, center_x, size):
  frame, box = portrait(head_height, center_x, size)
  faces = detector(frame)
  assert faces.shape == (1, 5)
  assert iou(faces[0], box) > 0.5
  assert 0.6 <= faces[0, 4] <= 1


def test_detector_finds_a_small_face_in_a_tile(detector):
  face, box = portrait(0.6, 0.5, (120, 90))
  dark_frame = np.full((544, 960, 3), 30, np.uint8)
  dark_frame[400:490, 760:880] = face
  faces = detector(dark_frame)
  assert len(faces) == 1
  x, y, width, height = box * (120, 90, 120, 90) + (760, 400, 0, 0)
  assert iou(faces[0], np.array([x / 960, y / 544, width / 960, height / 544])) > 0.4


def test_detector_finds_nothing_in_an_empty_frame(detector):
  assert detector(np.full((544, 960, 3), 90, np.uint8)).shape == (0, 5)


def test_stderr_is_restored_once_the_detector_has_started(detector, capfd):
  detector(np.full((100, 200, 3), 90, np.uint8))
  os.write(2, b"heard")
  assert capfd.readouterr().err == "heard"


def test_missing_model_file_is_named(tmp_path):
  with (
    pytest.raises(FileNotFoundError, match=r"absent\.tflite is not a file"),
    FaceDetector(tmp_path / "absent.tflite"),
  ):
    pass


def test_file_that_is_no_model_is_an_error_of_one_line(tmp_path):
  (tmp_path / "text.tflite").write_text("no model")
  with pytest.raises(ValueError, match=r"text\.tflite") as error, FaceDetector(tmp_path / "text.tflite"):
    pass
  assert "\n" not in str(error.value)


SHAPES = [(960, 540), (540, 960), (960, 270), (960, 120), (90, 960), (480, 480), (720, 576), (624, 480), (480, 500)]
SHAPES += [(960, 401), (960, 320), (64, 48), (7, 5), (40, 2)]


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_every_small_square_lies_completely_in_a_tile(width, height):
  """Checks squares of a fifth of the shorter side at every place, and that no tile leaves the frame."""
  tiles = _tiles(width, height)
  size = math.ceil(min(width, height) / 5)
  assert all(0 <= x <= width - side and 0 <= y <= height - side for x, y, side in tiles)
  xs, ys = np.arange(width - size + 1), np.arange(height - size + 1)
  within = np.zeros((len(ys), len(xs)), bool)
  for x, y, side in tiles:
    columns, rows = (x <= xs) & (xs + size <= x + side), (y <= ys) & (ys + size <= y + side)
    within |= rows[:, None] & columns
  assert within.all()


@pytest.mark.parametrize("box", [(0.3, 0.2, 0.2, 0.3), (-0.05, 0.7, 0.2, 0.4), (0.9, 0.9, 0.3, 0.3)])
@pytest.mark.parametrize("crop", [Crop(40, 30, 0.3), Crop(20, 50, 0.1, "mouth"), Crop(24, 24, 0.5)])
def test_a_face_cropped_from_the_part_around_it_is_that_of_the_frame(box, crop):
  gray = np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)
  box = np.array(box)
  part = FramePart.whole(gray).around([box])
  assert part.pixels.size < gray.size
  np.testing.assert_array_equal(crop_face(part, box, crop), crop_face(gray, box, crop))


def test_a_frame_without_a_face_shrinks_to_a_pixel_and_a_large_face_keeps_the_frame():
  gray = np.zeros((60, 80), np.uint8)
  assert FramePart.whole(gray).around([]).pixels.size == 1
  assert FramePart.whole(gray).around([np.array([0.2, 0.2, 0.6, 0.6])]).pixels is gray


def test_waiting_frames_shrink_to_their_faces_and_the_boxes_stay_the_same():
  """A face that moves, and is lost for half a second: the boxes are those of a tracker that keeps whole frames."""

  def faces(rgb):
    number = int(rgb[0, 0, 0])
    return np.zeros((0, 5)) if 100 <= number < 112 else np.array([[0.2 + 0.001 * number, 0.3, 0.1, 0.15, 0.9]])

  class Numbered:
    def __init__(self, number):
      self.rgb = np.full((120, 160, 3), number, np.uint8)
      self.gray = scene(0, (160, 120))[..., 0] // 2 + np.uint8(number % 50)

  frames = [Numbered(number) for number in range(240)]
  tracker = FaceTracker(faces, 24, 8, 6.0)
  images = [image for frame in frames for image in tracker.push(frame)]
  held, waiting = sum(part.pixels.size for part in tracker._waiting), len(tracker._waiting)
  images += tracker.finish()
  tracker.close()
  assert held < 0.6 * waiting * 120 * 160
  crop = Crop(32, 32, 0.4)
  for image, frame in zip(images, frames, strict=True):
    assert image.box is not None
    np.testing.assert_array_equal(crop_face(image.gray, image.box, crop), crop_face(frame.gray, image.box, crop))
