import dataclasses
import time
from types import SimpleNamespace

from followed import follow_performer
import numpy as np
import pytest

from attavvad_jax.blocks import Crop
from attavvad_jax.faces.model_files import DETECTOR, cache_path
from attavvad_jax.media import VideoWriter
from attavvad_jax.recordings import read_blocks
from attavvad_jax.simulation.blocks import _tracked_boxes, render_blocks
from attavvad_jax.simulation.scenes import draw_scene, render_frame, render_stems
from attavvad_jax.timeline import Clock

CLOCK, CROP = Clock(), Crop(64, 64)


@pytest.fixture(scope="module")
def scene():
  return draw_scene(3, 1, "train", 2.2, "clean")


@pytest.fixture(scope="module")
def blocks(scene):
  return list(render_blocks(scene, CLOCK, CROP, (240, 180)))


def test_blocks_cover_the_scene_and_the_last_is_padded(scene, blocks):
  assert [block.index for block in blocks] == list(range(7))
  assert all(block.waveform.shape == (CLOCK.block_samples,) for block in blocks)
  assert all(block.images.shape == (3, 64, 64) and block.images.dtype == np.uint8 for block in blocks)
  assert all(block.boxes.shape == (3, 4) and block.boxes.dtype == np.float32 for block in blocks)
  end = round(2.2 * 16_000) - CLOCK.start_sample(6)
  assert blocks[-1].waveform[:end].any()
  assert not blocks[-1].waveform[end:].any()


def test_waveform_is_the_mixture_from_the_start_of_the_block(scene, blocks):
  assert blocks[4].waveform.dtype == np.int16
  start = CLOCK.start_sample(4)
  expected = render_stems(scene).mixture[start : start + CLOCK.block_samples] * 32768
  np.testing.assert_allclose(blocks[4].waveform, expected, atol=0.5)


def test_same_scene_gives_same_blocks(scene, blocks):
  for first, second in zip(blocks, render_blocks(scene, CLOCK, CROP, (240, 180)), strict=True):
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.waveform, second.waveform)
    np.testing.assert_array_equal(first.boxes, second.boxes)


def test_a_scene_has_its_own_frame_size_and_video_codec(scene, blocks):
  small = dataclasses.replace(scene, frame_scale=0.5)
  assert small.frame_size == (240, 180)
  for first, second in zip(blocks, render_blocks(small, CLOCK, CROP), strict=True):
    np.testing.assert_array_equal(first.images, second.images)
  coded = list(render_blocks(dataclasses.replace(small, crf=40), CLOCK, CROP))
  errors = [np.abs(a.images.astype(int) - b.images).mean() for a, b in zip(blocks, coded, strict=True)]
  assert 0.2 < np.mean(errors) < 10


def test_face_out_of_the_frame_is_masked(scene, blocks):
  assert all(block.image_mask.all() for block in blocks)
  outside = dataclasses.replace(scene, camera=dataclasses.replace(scene.camera, center_x=1.1))
  for block in render_blocks(outside, CLOCK, CROP, (240, 180)):
    assert not block.image_mask.any()
    assert not block.images.any()
    assert np.isnan(block.boxes).all()


@pytest.mark.parametrize(
  ("clock", "size", "message"),
  [(Clock(sample_rate_hz=8000), (480, 360), "8000.*16000 Hz"), (CLOCK, (479, 360), "479x360.*even")],
)
def test_wrong_arguments_are_refused_before_rendering(scene, clock, size, message):
  with pytest.raises(ValueError, match=message):
    render_blocks(scene, clock, CROP, size)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("seen", [1.0, 0.9, 0.5, 0.0])
def test_boxes_are_tracked_as_in_videos(stride, seen):
  rng = np.random.default_rng(int(10 * seen) + stride)
  detections = np.array([0.3, 0.3, 0.4, 0.4]) + 0.02 * rng.standard_normal((60, 4))
  # One absence is longer than the gaps that are interpolated.
  detections[(rng.uniform(size=60) > seen) | ((np.arange(60) > 20) & (np.arange(60) < 36))] = np.nan
  if seen:
    detections[[0, 59 - 59 % stride]] = 0.3, 0.3, 0.4, 0.4

  # The rgb of each frame is the detection that the fake detector returns.
  frames = [
    SimpleNamespace(gray=np.zeros((32, 32), np.uint8), rgb=np.append(box, 0.9)[None][~np.isnan(box[:1])])
    for box in detections
  ]
  expected = [
    np.full(4, np.nan) if image.box is None else image.box
    for image in follow_performer(frames, lambda faces: faces, images_per_second=9.0, detect_every=stride)
  ]
  np.testing.assert_allclose(_tracked_boxes(detections, stride, 9.0), expected)


def compare(scene, path, alike):
  """Compares blocks rendered directly with blocks of a video; `alike` bounds the images' mean correlation."""
  with VideoWriter(path, 480, 360, 25, 16_000) as writer:
    writer.write_samples(render_stems(scene).mixture)
    for frame in range(round(scene.duration_s * 25)):
      writer.write_frame(render_frame(scene, frame / 25))
  crop = Crop()
  fast, real = list(render_blocks(scene, CLOCK, crop)), list(read_blocks(path, CLOCK, crop))
  assert len(fast) == len(real)

  def joined(field):
    return (np.concatenate([getattr(block, field) for block in side]) for side in (fast, real))

  waveform, other = joined("waveform")
  by_lag = [np.corrcoef(waveform[100:-100], np.roll(other, lag)[100:-100])[0, 1] for lag in (-2, -1, 0, 1, 2)]
  assert np.argmax(by_lag) == 2
  assert by_lag[2] > 0.99
  mask, other = joined("image_mask")
  assert (mask == other).mean() > 0.9
  both = mask & other
  images, others = (images[both].astype(float) for images in joined("images"))
  assert np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, others, strict=True)]) > alike
  # The gray levels also agree with the video.
  assert images.mean() == pytest.approx(others.mean(), abs=4)
  assert images.std() == pytest.approx(others.std(), rel=0.1)
  boxes, others = (boxes[both] for boxes in joined("boxes"))
  shared = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:])
  shared = (shared - np.maximum(boxes[:, :2], others[:, :2])).prod(axis=1)
  assert np.mean(shared / (boxes[:, 2:].prod(axis=1) + others[:, 2:].prod(axis=1) - shared)) > 0.85


needs_model = pytest.mark.skipif(
  not cache_path(DETECTOR).is_file(),
  reason="the face detector's model is not in the cache; run python -m attavvad_jax.faces.model_files",
)


@needs_model
def test_direct_blocks_agree_with_those_of_a_video(tmp_path):
  compare(draw_scene(1, 1, "train", 4.0, "live"), tmp_path / "clip.mp4", alike=0.85)


@needs_model
@pytest.mark.slow
@pytest.mark.parametrize("preset", ["clean", "live", "hard"])
@pytest.mark.parametrize("index", range(3))
def test_direct_blocks_agree_with_those_of_videos_in_many_scenes(tmp_path, preset, index):
  # A hand in front of the mouth shifts the detector's box a little, and with it all edges.
  compare(draw_scene(2, index, "test", 12.0, preset), tmp_path / "clip.mp4", alike=0.7)


@pytest.mark.slow
def test_two_cores_render_ten_minutes_of_scenes_a_minute():
  scenes = [draw_scene(4, index, "train", 30.0, "live") for index in range(4)]
  start_s = time.process_time()
  for scene in scenes:
    for _ in render_blocks(scene, CLOCK, Crop()):
      pass
  spent_s = time.process_time() - start_s
  assert spent_s / 2 < len(scenes) * 30 / 10


def test_images_before_a_block_are_those_of_the_blocks_before(scene, blocks):
  with_before = list(render_blocks(scene, dataclasses.replace(CLOCK, images_before=3), CROP, (240, 180)))
  for before, block, longer in zip(blocks[:-1], blocks[1:], with_before[1:], strict=True):
    np.testing.assert_array_equal(longer.images, np.concatenate([before.images, block.images]))


def test_audio_before_a_block_is_that_of_the_scene(scene, blocks):
  clock = dataclasses.replace(CLOCK, frames_before=10)
  longer = list(render_blocks(scene, clock, CROP, (240, 180)))
  mixture = np.pad(np.rint(render_stems(scene).mixture * 32768), (clock.samples_before, clock.block_samples))
  for block in longer:
    start = CLOCK.start_sample(block.index)
    np.testing.assert_allclose(block.waveform, mixture[start : start + clock.block_samples], atol=1)
  np.testing.assert_array_equal(longer[3].waveform[clock.samples_before :], blocks[3].waveform)
