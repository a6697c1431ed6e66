"""Two faces in one pass over a file, compared with one pass for each."""

import numpy as np
import pytest
from streams import LevelDetector, write_drawn

from attavvad_jax.inference.performer import Performer
from attavvad_jax.recordings import read_blocks

LEFT, RIGHT = (0.05, 0.1, 0.4, 0.8), (0.5, 0.2, 0.3, 0.6)


class Cast:
  """Finds the left face always and the right one in some blocks; without cuts, it is called once per block."""

  def __init__(self, right=range(1000)):
    self._right = right
    self._calls = 0

  def __call__(self, rgb):
    faces = [LEFT, RIGHT] if self._calls in self._right else [LEFT]
    self._calls += 1
    return np.array([(*box, 0.9) for box in faces])


@pytest.fixture(scope="module")
def video(tmp_path_factory):
  """A video of twelve seconds, 36 blocks."""
  return write_drawn(tmp_path_factory.mktemp("faces") / "a.mp4", 12.0)


@pytest.fixture(scope="module")
def detector():
  return LevelDetector()


def alone(detector, video, box):
  return detector.detect(video, performer=Performer("box", box=box))


def test_each_face_has_the_scores_that_it_has_alone(detector, video):
  left, right = detector.detect_faces(video, find_faces=Cast())
  assert (left.face, right.face) == (1, 2)
  for detection, box in ((left, LEFT), (right, RIGHT)):
    np.testing.assert_allclose(detection.decision, alone(detector, video, box).decision, atol=1e-5)
    np.testing.assert_allclose(detection.boxes, np.broadcast_to(np.float32(box), (36, 3, 4)), atol=1e-6)
  assert not np.allclose(left.decision, right.decision)


def test_face_has_no_events_before_and_after_it_is_seen(detector, video):
  _, right = detector.detect_faces(video, find_faces=Cast(right=range(9, 22)))
  seen = np.flatnonzero(np.isfinite(right.boxes[:, :, 0]).any(axis=1))
  # A sighting counts for the images nearer to it than to the next searched image.
  assert (seen[0], seen[-1]) == (8, 21)
  start_s, end_s = 8 / 3, 22 / 3
  assert right.timeline.events[0].onset_s == pytest.approx(start_s)
  assert right.timeline.events[-1].offset_s == pytest.approx(end_s)
  assert sum(event.duration_s for event in right.timeline) == pytest.approx(end_s - start_s)
  assert right.timeline.duration_s == pytest.approx(12.0, abs=0.1)
  np.testing.assert_allclose(right.decision[10:20], alone(detector, video, RIGHT).decision[10:20], atol=1e-5)


def test_where_a_face_is_not_seen_the_scores_are_those_of_no_image(detector, video):
  _, right = detector.detect_faces(video, find_faces=Cast(right=range(9, 22)))
  block = list(read_blocks(video, detector.spec.clock, detector.spec.crop, box=RIGHT))[30]
  none = {"waveform": block.waveform, "images": 0 * block.images, "image_mask": np.zeros(3, bool)}
  one = {key: np.stack([value] * 32) for key, value in none.items()}  # a batch size that is already compiled
  np.testing.assert_allclose(right.decision[30], detector.predict(one).decision[0], atol=1e-5)


def test_fleeting_face_is_reported_and_dropped(detector, video):
  detections = detector.detect_faces(video, find_faces=Cast(right=range(9, 10)))
  assert [detection.face for detection in detections] == [1]
  assert "dropped faces that are seen for less than 1 s: 1" in detections[0].report.warnings


def test_file_without_a_face_is_an_error(detector, video):
  with pytest.raises(ValueError, match=r"a\.mp4: no face is seen for 1 s or more"):
    detector.detect_faces(video, find_faces=lambda rgb: np.zeros((0, 5)))


@pytest.mark.parametrize(("text", "box"), [("largest", LEFT), ("at:5.0", LEFT), ("prominent", LEFT)])
def test_performer_has_the_scores_of_the_chosen_face(detector, video, text, box):
  detection = detector.detect(video, performer=text, find_faces=Cast())
  expected = alone(detector, video, box)
  np.testing.assert_allclose(detection.decision, expected.decision, atol=1e-5)
  assert detection.timeline == expected.timeline


def test_vocal_performer_has_the_higher_visual_score(detector, video):
  scores = {box: alone(detector, video, box).scores.visual for box in (LEFT, RIGHT)}
  expected = max(scores.values(), key=np.sum)
  detection = detector.detect(video, performer="vocal", find_faces=Cast())
  np.testing.assert_allclose(detection.scores.visual, expected, atol=1e-5)


def test_calling_a_detector_returns_the_performers_timeline(detector, video):
  box = Performer("box", box=LEFT)
  assert detector(video, box) == alone(detector, video, LEFT).timeline
