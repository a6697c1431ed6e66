"""Simulated performances straight as blocks, without video files: what `media.read_blocks` gives for the same scene.

No codec loses anything and no detector looks: the face's box is known. It is followed as `media` follows a face.

Axes: S samples of a block, N images of a block, n images of a scene.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from attavvad_jax.blocks import Block, Crop, ImagesBefore
from attavvad_jax.faces import crop_face
from attavvad_jax.simulation.faces import FaceState, face_box, render
from attavvad_jax.simulation.scenes import Scene, face_state, sound
from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ
from attavvad_jax.timeline import Clock

# Of the videos that `write_folder` writes: an image shows the last frame that began before its time.
_FRAMES_PER_SECOND = 25
# The detector finds a face of whose box this much is in the frame: of 24 faces all at 0.75, and at 0.5 none of those
# that are cut off at a side or above.
_MIN_VISIBLE = 0.6
# As in `media`: boxes are interpolated over gaps up to this.
_MAX_GAP_S = 1.0


def render_blocks(scene: Scene, clock: Clock, crop: Crop, size: tuple[int, int] = (480, 360)) -> Iterator[Block]:
  """Renders a scene block by block. Its labels are the scene's timelines.

  Args:
    scene: what to render.
    clock: cuts sound and pictures into blocks.
    crop: size of the face images.
    size: width and height in pixels of the frames that faces are cut from, even.

  Returns:
    An iterator over all `clock.num_blocks(scene.duration_s)` blocks in order.

  Raises:
    ValueError: the clock has another sample rate than simulated sound, or the size is odd.
  """
  width_px, height_px = size
  if clock.sample_rate_hz != SAMPLE_RATE_HZ:
    raise ValueError(f"clock: sample_rate_hz is {clock.sample_rate_hz}; simulated sound has {SAMPLE_RATE_HZ} Hz")
  if width_px < 2 or height_px < 2 or width_px % 2 or height_px % 2:
    raise ValueError(f"frame size is {width_px}x{height_px}; expected an even width and height")
  return _blocks(scene, clock, crop, width_px, height_px)


def _blocks(scene: Scene, clock: Clock, crop: Crop, width_px: int, height_px: int) -> Iterator[Block]:
  waveform = np.clip(np.rint(sound(scene).mixture * 32768), -32768, 32767).astype(np.int16)
  num_blocks = clock.num_blocks(len(waveform) / SAMPLE_RATE_HZ)
  waveform = np.pad(waveform, (0, clock.block_samples))
  last_frame = np.ceil(round(scene.duration_s * _FRAMES_PER_SECOND, 6)) - 1
  times_s = np.concatenate([clock.image_times_s(index) for index in range(num_blocks)])
  frames = np.minimum(np.floor(times_s * _FRAMES_PER_SECOND + 1e-6), last_frame)
  states = [face_state(scene, time_s) for time_s in (frames / _FRAMES_PER_SECOND).tolist()]
  found = np.array([_found(scene, state, width_px, height_px) for state in states])
  boxes = _followed(found, clock.images_per_block, _MAX_GAP_S * clock.block_rate_hz * clock.images_per_block)
  before = ImagesBefore(clock)
  for index in range(num_blocks):
    span = slice(index * clock.images_per_block, (index + 1) * clock.images_per_block)
    mask = ~np.isnan(boxes[span, 0])
    images = np.zeros((clock.images_per_block, crop.height_px, crop.width_px), np.uint8)
    for n in np.flatnonzero(mask):
      frame = render(scene.face, scene.camera, states[span][n], width_px, height_px)
      # The luma that a video has, of limited range, to within one level of what FFmpeg's scaler makes of it.
      gray = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)[:height_px]
      images[n] = crop_face(gray, boxes[span][n], crop)
    start = clock.start_sample(index)
    samples = waveform[start : start + clock.block_samples].copy()
    yield before.put(Block(index, samples, images, mask, boxes[span].astype(np.float32)))


def _found(scene: Scene, state: FaceState, width_px: int, height_px: int) -> np.ndarray:
  """The box that the detector would find, as fractions of the frame; NaN where too much of it is outside. -> [4]."""
  box = np.array(face_box(scene.camera, state, width_px, height_px)) / (width_px, height_px, width_px, height_px)
  inside = np.clip(np.minimum(box[:2] + box[2:], 1) - np.maximum(box[:2], 0), 0, None) / box[2:]
  return box if inside.prod() > _MIN_VISIBLE else np.full(4, np.nan)


def _followed(found: np.ndarray, stride: int, max_gap: float) -> np.ndarray:
  """What `media` makes of a face looked for at each stride-th image: smoothed, and interpolated over short gaps.

  Args:
    found: the box at each image, NaN where the detector would find none. float64 [n,4].
    stride: images from one look to the next.
    max_gap: images between two sightings that are joined.

  Returns:
    The box at each image, NaN where there is none. float64 [n,4].
  """
  looked = np.arange(0, len(found), stride)
  seen = looked[~np.isnan(found[looked, 0])]
  sightings = found[seen]
  joined = np.diff(seen) <= max_gap
  inner = 1 + np.flatnonzero(joined[:-1] & joined[1:])
  smooth = sightings.copy()
  smooth[inner] = (sightings[inner - 1] + 2 * sightings[inner] + sightings[inner + 1]) / 4
  boxes = np.full_like(found, np.nan)
  for image in range(len(found)):
    after = int(np.searchsorted(seen, image))
    nearest = looked[np.abs(looked - image).argmin()]
    if 0 < after < len(seen) and joined[after - 1]:
      part = (image - seen[after - 1]) / (seen[after] - seen[after - 1])
      boxes[image] = (1 - part) * smooth[after - 1] + part * smooth[after]
    elif nearest in seen:
      boxes[image] = smooth[np.searchsorted(seen, nearest)]
  return boxes
