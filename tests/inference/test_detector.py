import numpy as np
import pytest

from attavvad_jax.annotations import read as read_annotation
from attavvad_jax.inference.detector import Detector
from attavvad_jax.inference.performer import Performer
from attavvad_jax.inference.run import detect_file
from attavvad_jax.recordings import read_blocks
from attavvad_jax.timeline import scores_to_timeline

pytestmark = pytest.mark.slow
BOX = (0.25, 0.25, 0.5, 0.5)


@pytest.fixture(scope="module")
def detector(workdir):
  return Detector(workdir)


def test_batches_and_padding_change_no_score(detector, video):
  """Compares with a slow, obvious version: every block by itself."""
  detection = detector.detect(video, performer=Performer("box", box=BOX))
  blocks = list(read_blocks(video, detector.spec.clock, detector.spec.crop, box=BOX))
  assert len(blocks) == 37
  for block in blocks[::6]:
    one = {key: np.asarray(getattr(block, key))[None] for key in ("waveform", "images", "image_mask")}
    scores = detector.predict(one)
    np.testing.assert_allclose(detection.decision[block.index], scores.audio_visual[0], atol=1e-5)
    np.testing.assert_allclose(detection.scores.visual[block.index], scores.visual[0], atol=1e-5)
  assert detection.decision.shape == (37, 4)
  np.testing.assert_allclose(detection.boxes, np.broadcast_to(BOX, (37, 3, 4)))


def test_timeline_follows_from_the_scores_and_ends_with_the_audio(detector, video):
  detection = detector.detect(video, performer=Performer("box", box=BOX))
  assert abs(detection.timeline.duration_s - 12.2) < 0.07  # AAC pads to whole frames
  assert detection.timeline == scores_to_timeline(
    detection.decision, detector.spec.clock, detection.report.duration_s, detector.smoothing
  )


def test_written_files_hold_the_timeline(workdir, video, tmp_path, capsys):
  detection = detect_file(
    video, workdir, tmp_path / "new" / "folder", to=("tsv", "json", "mp4"), performer=Performer("box", box=BOX)
  )
  folder = tmp_path / "new" / "folder"
  written = sorted(p.name for p in folder.iterdir() if p.suffix != ".attavvad")
  assert written == ["Un Año.annotated.mp4", "Un Año.json", "Un Año.tsv"]
  for name in ("Un Año.json", "Un Año.tsv"):
    stored = read_annotation(folder / name, detection.timeline.duration_s)
    assert [event.label for event in stored] == [event.label for event in detection.timeline]
    np.testing.assert_allclose([e.onset_s for e in stored], [e.onset_s for e in detection.timeline], atol=1e-6)
    np.testing.assert_allclose([e.score for e in stored], [e.score for e in detection.timeline], atol=1e-5)
  printed = capsys.readouterr().out
  assert all(event.label in printed for event in detection.timeline)


def test_fused_score_without_an_image_does_not_depend_on_the_visual_branch(detector, video):
  """Without a face, attention is uniform, so that the audio decides."""
  blocks = list(read_blocks(video, detector.spec.clock, detector.spec.crop, box=BOX))[:4]
  batch = {key: np.stack([getattr(b, key) for b in blocks]) for key in ("waveform", "images", "image_mask")}
  masked = {**batch, "image_mask": np.zeros_like(batch["image_mask"])}
  np.testing.assert_allclose(detector.predict(masked).attention, 0.25)
  other = {**masked, "images": 255 - masked["images"]}
  np.testing.assert_array_equal(detector.predict(masked).audio_visual, detector.predict(other).audio_visual)
