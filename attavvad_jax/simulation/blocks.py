"""Renders simulated performances directly to blocks, as `recordings.read_blocks` reads them from a video of the scene.

There is no face detector: the box of the face is known, and tracked as `faces` tracks a face.

Axes: S samples of a block, N images of a block, n images of a scene.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from attavvad_jax.blocks import Block, Crop, ImagesBefore
from attavvad_jax.faces import crop_face
from attavvad_jax.simulation.codec import VideoCodec
from attavvad_jax.simulation.faces import FaceState, face_box, render
from attavvad_jax.simulation.scenes import Scene, face_state, render_stems
from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ
from attavvad_jax.timeline import Clock

# Frame rate of the videos of `write_folder`: an image shows the last frame that begins at or before its time.
_FRAMES_PER_SECOND = 25
# Fraction of a face's box inside the frame above which the detector finds the face. Measured on 24 faces: it found all
# at 0.75, and at 0.5 none that the side or the top of the frame cuts off.
_MIN_VISIBLE = 0.6
# Boxes are interpolated over gaps up to this, as in `faces.tracks`.
_MAX_GAP_S = 1.0


def render_blocks(scene: Scene, clock: Clock, crop: Crop, size: tuple[int, int] | None = None) -> Iterator[Block]:
  """Renders a scene block by block. The scene's timelines are its labels.

  Args:
    scene: scene to render.
    clock: clock that cuts audio and video into blocks.
    crop: size of the face images.
    size: width and height in pixels, both even, of the frames that faces are cut from; that of the scene if None.

  Returns:
    An iterator over all `clock.num_blocks(scene.duration_s)` blocks in order.

  Raises:
    ValueError: the clock's sample rate differs from that of simulated audio, or the size is odd.
  """
  width_px, height_px = size or scene.frame_size
  if clock.sample_rate_hz != SAMPLE_RATE_HZ:
    raise ValueError(f"clock: sample_rate_hz is {clock.sample_rate_hz}; simulated audio has {SAMPLE_RATE_HZ} Hz")
  if width_px < 2 or height_px < 2 or width_px % 2 or height_px % 2:
    raise ValueError(f"frame size is {width_px}x{height_px}; expected an even width and height")
  return _blocks(scene, clock, crop, width_px, height_px)


def _blocks(scene: Scene, clock: Clock, crop: Crop, width_px: int, height_px: int) -> Iterator[Block]:
  waveform = np.clip(np.rint(render_stems(scene).mixture * 32768), -32768, 32767).astype(np.int16)
  num_blocks = clock.num_blocks(len(waveform) / SAMPLE_RATE_HZ)
  waveform = np.pad(waveform, (clock.samples_before, clock.block_samples))
  last_frame = np.ceil(round(scene.duration_s * _FRAMES_PER_SECOND, 6)) - 1
  times_s = np.concatenate([clock.image_times_s(index) for index in range(num_blocks)])
  frames = np.minimum(np.floor(times_s * _FRAMES_PER_SECOND + 1e-6), last_frame)
  states = [face_state(scene, time_s) for time_s in (frames / _FRAMES_PER_SECOND).tolist()]
  detections = np.array([_detected_box(scene, state, width_px, height_px) for state in states])
  boxes = _tracked_boxes(detections, clock.images_per_block, _MAX_GAP_S * clock.block_rate_hz * clock.images_per_block)
  before = ImagesBefore(clock)
  video_codec = None if scene.crf is None else VideoCodec(width_px, height_px, scene.crf)
  for index in range(num_blocks):
    span = slice(index * clock.images_per_block, (index + 1) * clock.images_per_block)
    mask = ~np.isnan(boxes[span, 0])
    images = np.zeros((clock.images_per_block, crop.height_px, crop.width_px), np.uint8)
    for n in np.flatnonzero(mask):
      frame = render(scene.face, scene.camera, states[span][n], width_px, height_px)
      # Limited-range luma as in a video, within one level of the output of FFmpeg's scaler.
      gray = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)[:height_px]
      if video_codec is not None:
        gray = video_codec.round_trip(gray)
      images[n] = crop_face(gray, boxes[span][n], crop)
    start = clock.start_sample(index)  # of the waveform, which begins before the block by as much as was padded
    samples = waveform[start : start + clock.block_samples].copy()
    yield before.put(Block(index, samples, images, mask, boxes[span].astype(np.float32)))


def _detected_box(scene: Scene, state: FaceState, width_px: int, height_px: int) -> np.ndarray:
  """Returns the box that the detector would find, in fractions of the frame; NaN if too little is visible. -> [4]."""
  box = np.array(face_box(scene.camera, state, width_px, height_px)) / (width_px, height_px, width_px, height_px)
  inside = np.clip(np.minimum(box[:2] + box[2:], 1) - np.maximum(box[:2], 0), 0, None) / box[2:]
  return box if inside.prod() > _MIN_VISIBLE else np.full(4, np.nan)


def _tracked_boxes(detections: np.ndarray, stride: int, max_gap: float) -> np.ndarray:
  """Tracks a face as `faces` does with detection at every stride-th image: smooths, and interpolates over short gaps.

  Args:
    detections: box at each image, NaN if the detector would find none. float64 [n,4].
    stride: images from one detection to the next.
    max_gap: maximum number of images between two detections that are joined.

  Returns:
    The box at each image, NaN if there is none. float64 [n,4].
  """
  looked = np.arange(0, len(detections), stride)
  seen = looked[~np.isnan(detections[looked, 0])]
  sightings = detections[seen]
  joined = np.diff(seen) <= max_gap
  inner = 1 + np.flatnonzero(joined[:-1] & joined[1:])
  smooth = sightings.copy()
  smooth[inner] = (sightings[inner - 1] + 2 * sightings[inner] + sightings[inner + 1]) / 4
  boxes = np.full_like(detections, np.nan)
  for image in range(len(detections)):
    after = int(np.searchsorted(seen, image))
    nearest = looked[np.abs(looked - image).argmin()]
    if 0 < after < len(seen) and joined[after - 1]:
      part = (image - seen[after - 1]) / (seen[after] - seen[after - 1])
      boxes[image] = (1 - part) * smooth[after - 1] + part * smooth[after]
    elif nearest in seen:
      boxes[image] = smooth[np.searchsorted(seen, nearest)]
  return boxes
