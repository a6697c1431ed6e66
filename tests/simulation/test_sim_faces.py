import dataclasses

import numpy as np
import pytest

from attavvad_jax.simulation.faces import OCCLUSIONS, FaceState, Occlusion, face_box, render
from attavvad_jax.simulation.portraits import BACKDROPS, Camera, Face

SIZE = (240, 180)


def person(number, sex="female"):
  """Returns a random face with a close, well-lit camera."""
  rng = np.random.default_rng([5, number])
  face = dataclasses.replace(Face.draw(rng, sex), beard="none")
  return face, dataclasses.replace(Camera.draw(rng), head_height=0.6, brightness=1.0)


def mouth_of(frame, camera):
  """Returns the pixels around the mouth of a head that looks straight ahead."""
  width, height = frame.shape[1], frame.shape[0]
  head = camera.head_height * height
  x, y = camera.center_x * width, camera.center_y * height + 0.3 * head
  return frame[int(y - 0.04 * head) : int(y + 0.10 * head), int(x - 0.10 * head) : int(x + 0.10 * head)].astype(float)


def test_same_state_gives_same_frame_and_people_differ():
  first, second = person(0), person(1)
  frame = render(*first, FaceState(openness=0.4), *SIZE)
  assert frame.shape == (180, 240, 3)
  assert frame.dtype == np.uint8
  render(*second, FaceState(), *SIZE)
  np.testing.assert_array_equal(frame, render(*first, FaceState(openness=0.4), *SIZE))
  assert np.abs(frame.astype(float) - render(*second, FaceState(openness=0.4), *SIZE)).mean() > 5


@pytest.mark.parametrize("number", range(8))
def test_open_mouth_is_darker_and_more_open_is_darker_still(number):
  face, camera = person(number, ("female", "male")[number % 2])
  dark = [
    (mouth_of(render(face, camera, FaceState(openness=openness), *SIZE), camera).mean(axis=-1) < 30).sum()
    for openness in (0.0, 0.5, 1.0)
  ]
  assert dark[0] < dark[1] < dark[2]


@pytest.mark.parametrize("name", ["lips", "teeth"])
def test_lips_may_be_paler_and_teeth_darker(name):
  """Pale lips are less red; teeth are the brightest of an open, smiling mouth."""
  face, camera = person(2)
  frames = [
    mouth_of(render(face, camera, FaceState(openness=0.5, smile=0.8, **{name: value}), *SIZE), camera).astype(float)
    for value in (0.2, 1.0)
  ]
  values = [frame[..., 0] - frame[..., 1] if name == "lips" else frame for frame in frames]
  assert np.percentile(values[0], 90) < np.percentile(values[1], 90) - 8


def test_mouth_changes_nothing_outside_the_lower_face():
  face, camera = person(3)
  change = np.abs(
    render(face, camera, FaceState(), *SIZE).astype(int) - render(face, camera, FaceState(openness=1.0), *SIZE)
  ).max(axis=-1)
  assert change.max() > 60
  assert change[: int(camera.center_y * SIZE[1])].max() == 0


def test_turned_head_moves_its_features_to_that_side():
  face, camera = person(4)
  columns = np.arange(SIZE[0])

  def center(yaw_deg):
    shut, wide = (render(face, camera, FaceState(openness=o, yaw_deg=yaw_deg), *SIZE).astype(int) for o in (0.0, 1.0))
    weight = np.abs(wide - shut).sum(axis=(0, 2))
    return (weight * columns).sum() / weight.sum()

  assert center(-15) < center(0) - 2 < center(15) - 4


def test_box_moves_with_the_head():
  _, camera = person(2)
  still, moved = face_box(camera, FaceState(), *SIZE), face_box(camera, FaceState(shift_x=0.1), *SIZE)
  assert moved[0] - still[0] == pytest.approx(0.1 * camera.head_height * SIZE[1])
  assert moved[1:] == still[1:]


def test_head_partly_outside_the_frame_can_be_rendered():
  face, camera = person(6)
  camera = dataclasses.replace(camera, center_x=0.0, center_y=0.05)
  assert render(face, camera, FaceState(roll_deg=20, shift_x=-0.3), *SIZE).shape == (180, 240, 3)


def corner_heights(frame, camera):
  """Returns mean heights of the dark lip line at the corners and the middle of the mouth, in pixels from the top."""
  mouth = 255 - mouth_of(frame, camera).mean(axis=-1)
  mouth = np.clip(mouth - np.percentile(mouth, 85), 0, None)
  rows = np.arange(mouth.shape[0])[:, None]
  third = mouth.shape[1] // 4
  sides = np.concatenate([mouth[:, :third], mouth[:, -third:]], axis=1)
  middle = mouth[:, third:-third]
  return ((part * rows).sum() / part.sum() for part in (sides, middle))


@pytest.mark.parametrize("number", [1, 2, 4])
def test_smile_raises_the_corners_of_the_mouth(number):
  face, camera = person(number)
  rise = []
  for smile in (0.0, 1.0):
    corners, middle = corner_heights(render(face, camera, FaceState(smile=smile), 480, 360), camera)
    rise.append(middle - corners)
  assert rise[1] > rise[0] + 1


def test_chewing_jaw_moves_chin_and_leaves_eyes():
  face, camera = person(3)
  left, right = (
    render(face, camera, FaceState(jaw_shift=side), *SIZE).astype(int).mean(axis=-1) for side in (-1.0, 1.0)
  )
  head, middle = camera.head_height * SIZE[1], int(camera.center_y * SIZE[1])
  np.testing.assert_array_equal(left[: middle + int(0.1 * head)], right[: middle + int(0.1 * head)])
  assert np.abs(left - right)[middle + int(0.25 * head) :].max() > 30


@pytest.mark.parametrize("kind", OCCLUSIONS)
def test_occlusions_hide_the_mouth(kind):
  face, camera = person(2)

  def change(occlusion):
    shut, wide = (
      render(face, camera, FaceState(openness=o, occlusion=occlusion), *SIZE).astype(int) for o in (0.0, 0.6)
    )
    return np.abs(shut - wide).sum()

  assert change(Occlusion(kind, 0.0, 0.66, size=1.3)) < 0.6 * change(None)


def test_error_for_an_unknown_occlusion_lists_the_known():
  with pytest.raises(ValueError, match=r"'cat'.*microphone, stand, hand"):
    Occlusion("cat", 0.0, 0.0)


def test_stand_stays_and_held_microphone_moves_with_the_head():
  face, camera = person(2)
  camera = dataclasses.replace(camera, center_x=0.5, center_y=0.5)

  def middle(kind, shift_x):
    state = FaceState(shift_x=shift_x)
    bare = render(face, camera, state, *SIZE).astype(int)
    covered = render(face, camera, dataclasses.replace(state, occlusion=Occlusion(kind, 0.0, 1.0)), *SIZE)
    columns = np.abs(covered - bare).sum(axis=(0, 2))
    return (columns * np.arange(SIZE[0])).sum() / columns.sum()

  assert middle("stand", 0.05) == pytest.approx(middle("stand", 0.0), abs=1)
  moved = 0.05 * camera.head_height * SIZE[1]
  assert middle("microphone", 0.05) == pytest.approx(middle("microphone", 0.0) + moved, abs=1)


def test_motion_blur_runs_along_the_motion():
  face, camera = person(0)

  def edges(**state):
    frame = mouth_of(render(face, camera, FaceState(openness=0.5, **state), 480, 360), camera)
    return (np.diff(frame, axis=0) ** 2).mean(), (np.diff(frame, axis=1) ** 2).mean()

  (sharp_down, sharp_across), (down, across) = edges(), edges(blur_px=12)
  assert across < 0.7 * sharp_across
  assert across / sharp_across < 0.8 * down / sharp_down
  (down, across) = edges(blur_px=12, blur_deg=90)
  assert down / sharp_down < 0.8 * across / sharp_across


@pytest.mark.parametrize("shift", [{"shift_x": 3.0}, {"shift_x": -3.0}, {"shift_y": 3.0}])
def test_person_outside_the_frame_leaves_no_trace(shift):
  (first, camera), (second, _) = person(0), person(1, "male")
  np.testing.assert_array_equal(
    render(first, camera, FaceState(**shift), *SIZE), render(second, camera, FaceState(**shift), *SIZE)
  )


def test_light_darkens_colors_and_grains_the_frame():
  face, camera = person(0)
  normal = render(face, camera, FaceState(), *SIZE).astype(float)

  def lit(**light):
    return render(face, dataclasses.replace(camera, **light), FaceState(), *SIZE).astype(float)

  assert lit(brightness=0.5).mean() == pytest.approx(0.5 * normal.mean(), rel=0.05)
  assert lit(contrast=1.6).std() > 1.15 * normal.std()
  red = lit(tint=(1.3, 0.8, 0.8)).mean(axis=(0, 1)) / normal.mean(axis=(0, 1))
  assert red[0] > 1.2 * red[1]
  grain = lit(noise=8.0) - normal
  assert grain[(normal > 40).all(axis=-1) & (normal < 215).all(axis=-1)].std() == pytest.approx(8, rel=0.1)


def test_bad_light_is_worse_than_good():
  rng = np.random.default_rng(0)
  good, bad = ([Camera.draw(rng, level) for _ in range(50)] for level in (0.0, 1.0))
  assert {camera.noise for camera in good} == {0.0}
  assert np.mean([camera.noise for camera in bad]) > 4
  assert min(camera.brightness for camera in bad) < 0.6 < 0.8 < min(camera.brightness for camera in good)


def test_identity_ignores_small_differences():
  face, camera = person(0)
  assert dataclasses.replace(face, eye_gap=face.eye_gap * 1.01, texture_seed=1).identity == face.identity
  assert dataclasses.replace(face, glasses="round", beard="full").identity != face.identity
  assert dataclasses.replace(camera, head_height=0.5, brightness=0.6, noise=3.0).identity == camera.identity
  assert dataclasses.replace(camera, backdrop_seed=1).identity != camera.identity
  assert len({person(number)[0].identity for number in range(60)}) > 55


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_backdrops_differ_by_seed(backdrop):
  face, camera = person(0)
  first, second = (
    render(face, dataclasses.replace(camera, backdrop=backdrop, backdrop_seed=seed), FaceState(shift_x=3), *SIZE)
    for seed in (1, 2)
  )
  assert np.abs(first.astype(float) - second).mean() > 5


def detected(count):
  """Returns the IoU of the expected box with the detector's for each of `count` faces, 0 for missed faces."""
  from attavvad_jax.faces.model_files import DETECTOR, cache_path

  if not cache_path(DETECTOR).is_file():
    pytest.skip("the face detector's model is not in the cache; run python -m attavvad_jax.faces.model_files")
  from attavvad_jax.faces import FaceDetector

  rng = np.random.default_rng(0)
  overlaps = []
  with FaceDetector() as detect:
    for number in range(count):
      face = Face.draw(rng, ("female", "male")[number % 2])
      camera = Camera.draw(rng, (0.0, 0.5, 1.0)[number % 3])
      state = FaceState(
        openness=rng.uniform(0, 1),
        width=rng.uniform(-1, 1),
        blink=float(number % 5 == 0),
        yaw_deg=rng.uniform(-15, 15),
        pitch_deg=rng.uniform(-8, 8),
        roll_deg=rng.uniform(-8, 8),
        smile=rng.uniform(0, 1) * (number % 3 == 0),
        jaw_shift=rng.uniform(-1, 1) * (number % 4 == 0),
        blur_px=rng.uniform(0, 8) * (number % 4 == 1),
      )
      box = np.array(face_box(camera, state, 480, 360))
      boxes = detect(render(face, camera, state, 480, 360))[:, :4] * (480, 360, 480, 360)
      shared = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:]) - np.maximum(boxes[:, :2], box[:2])
      shared = np.clip(shared, 0, None).prod(axis=1)
      overlaps.append((shared / (boxes[:, 2:].prod(axis=1) + box[2:].prod() - shared)).max(initial=0.0))
  return np.array(overlaps)


def check_detected(overlaps):
  """Checks that the detector finds 95 % of the faces, in the expected boxes."""
  hits = overlaps[overlaps > 0.3]
  assert len(hits) >= 0.95 * len(overlaps)
  assert hits.mean() > 0.9


def test_detector_finds_the_faces_where_they_are_expected():
  check_detected(detected(20))


@pytest.mark.slow
def test_detector_finds_120_faces_where_they_are_expected():
  check_detected(detected(120))
