"""The annotated video: the state and the performer's face drawn onto the pictures, the curves of the scores below them.

Axes: B blocks, E events, N images of a block, H, W picture.
"""

import bisect
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from attavvad_jax.files import replacing
from attavvad_jax.timeline import BACKGROUND, EVENTS, Clock, Timeline
from attavvad_jax.timeline.palette import EVENT_COLORS

if TYPE_CHECKING:
  from attavvad_jax.media import MediaInfo, Tracks

# Sound that an mp4 holds as it is and that players expect there, by FFmpeg's decoders; any other becomes AAC.
_KEPT_CODECS = {"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "flac", "alac"}
# Sizes are drawn for pictures of this many lines and scaled with the picture.
_DESIGN_HEIGHT_PX = 540
_BAND_PX = 132
_LEGEND_PX = 176
# The curves show this much before and after the picture's moment, which stands in the middle.
_REACH_S = 5.0
_WHITE = (255, 255, 255)
_GRAY = (90, 98, 106)
_GROUND = (20, 23, 26)
# Fractional bits of the coordinates of curves: they slide by less than a pixel from picture to picture.
_SHIFT = 4


def write_annotated_video(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  timeline: Timeline,
  scores: np.ndarray | None = None,
  boxes: np.ndarray | None = None,
  clock: Clock | None = None,
  tracks: "Tracks | None" = None,
  info: "MediaInfo | None" = None,
) -> None:
  """Writes a copy of a video with the state at the top left, a box round the face, and the scores' curves below.

  The curves slide through a band that is added below the picture, so that they hide nothing of it: what has been to the
  left of the middle, what will be to the right. The pictures keep their time stamps (less the time stamp of time zero)
  and their colors, and are written upright in H.264; the sound is copied packet by packet where mp4 holds its codec,
  else it becomes AAC. Unmarked time shows others; no state is shown after the timeline's end. Memory does not grow with
  the length. A file that is already there is replaced once the new one is whole.

  Args:
    source: the recording.
    target: the mp4 file to write.
    timeline: states to show; where events overlap, the later one.
    scores: [B,E] in 0..1, or None for no band.
    boxes: [B,N,4] x, y, width, height as fractions of the displayed picture, NaN for no face; None for no boxes.
    clock: the clock of scores and boxes; the default one where None.
    tracks: which of the recording's pictures and sound are written; as `probe` chooses where None.
    info: what is known of the recording with these tracks; where None, `probe` is asked.

  Raises:
    MediaError: the source has no pictures or cannot be read.
    ValueError: target and source are the same file, or scores or boxes have another shape.
    OSError: a file is missing, or the target's folder cannot be written to.
  """
  from attavvad_jax.media import DEFAULT_TRACKS
  from attavvad_jax.media.errors import MediaError
  from attavvad_jax.media.info import probe
  from attavvad_jax.media.rewrite import rewrite

  source, target, clock = Path(source), Path(target), clock or Clock()
  if scores is not None and (scores.ndim != 2 or scores.shape[1] != len(EVENTS)):
    raise ValueError(f"scores have shape {scores.shape}; expected [blocks, {len(EVENTS)}]")
  if boxes is not None and (boxes.ndim != 3 or boxes.shape[1:] != (clock.images_per_block, 4)):
    raise ValueError(f"boxes have shape {boxes.shape}; expected [blocks, {clock.images_per_block}, 4]")
  info = info or probe(source, tracks or DEFAULT_TRACKS)
  if not info.has_video:
    raise MediaError(f"{source}: no pictures in this file; expected a video to draw on")
  if target.exists() and target.samefile(source):
    raise ValueError(f"{target} is the video itself; name another file to write")
  if not target.parent.is_dir():
    raise FileNotFoundError(f"{target.parent} is not a folder; make it before writing {target.name}")

  painter = _Painter(timeline, scores, boxes, clock)
  with replacing(target) as part:
    rewrite(source, part, info, _KEPT_CODECS, painter)


class _Painter:
  """Draws what is known at a time onto a picture."""

  def __init__(self, timeline: Timeline, scores: np.ndarray | None, boxes: np.ndarray | None, clock: Clock):
    self._edges, self._states = _states(timeline)
    self._scores, self._boxes, self._clock = scores, boxes, clock

  def __call__(self, rgb: np.ndarray, time_s: float) -> np.ndarray:
    """The picture with all that is drawn. uint8 [H,W,3] -> [H + band,W,3]."""
    # Time stamps are rounded to their time base: a frame may come a hair before its event.
    state = self._states[bisect.bisect_right(self._edges, max(time_s, 0.0) + 1e-6) - 1]
    unit = min(rgb.shape[0], rgb.shape[1] * 3 // 4) / _DESIGN_HEIGHT_PX
    block = self._clock.block_at(time_s)
    if state is not None:
      if self._boxes is not None and block < len(self._boxes):
        images = self._clock.images_per_block
        image = min(max(int((time_s - self._clock.start_s(block)) / self._clock.block_s * images), 0), images - 1)
        _draw_box(rgb, self._boxes[block, image], EVENT_COLORS[state])
      _draw_state(rgb, state, unit)
    if self._scores is None:
      return rgb
    band = np.full((2 * round(_BAND_PX * unit / 2), rgb.shape[1], 3), _GROUND, np.uint8)
    _draw_curves(band, self._scores, self._clock, time_s, unit)
    _draw_legend(band, self._scores[block] if block < len(self._scores) else None, unit)
    return np.concatenate([rgb, band])


def _states(timeline: Timeline) -> tuple[list[float], list[str | None]]:
  """Times at which the state changes, and the state from each on: others where unmarked, None from the end on."""
  edges = sorted({0.0, timeline.duration_s, *(t for event in timeline for t in (event.onset_s, event.offset_s))})
  states: list[str | None] = [BACKGROUND if edge < timeline.duration_s else None for edge in edges]
  for event in timeline:
    first, last = (bisect.bisect_left(edges, t) for t in (event.onset_s, min(event.offset_s, timeline.duration_s)))
    states[first:last] = [event.label] * (last - first)
  return edges, states


def _draw_state(rgb: np.ndarray, state: str, unit: float) -> None:
  """The state in its color on a darkened corner. In place."""
  import cv2

  corner = rgb[: round(56 * unit), : round(190 * unit)]
  corner[:] = corner // 4
  corner[:, : max(1, round(6 * unit))] = EVENT_COLORS[state]
  place = round(20 * unit), round(38 * unit)
  thick = max(1, round(2.5 * unit))
  cv2.putText(rgb, state, place, cv2.FONT_HERSHEY_SIMPLEX, 1.1 * unit, EVENT_COLORS[state], thick, cv2.LINE_AA)


def _draw_curves(band: np.ndarray, scores: np.ndarray, clock: Clock, time_s: float, unit: float) -> None:
  """The scores around a moment, which stands in the middle; what is to come is dimmed. In place."""
  import cv2

  left, right = round(_LEGEND_PX * unit), band.shape[1] - round(12 * unit)
  top, bottom = round(12 * unit), band.shape[0] - round(12 * unit)
  plot = band[:, left:right]
  middle = (right - left) / 2
  for level in (0.0, 0.5, 1.0):
    y = round(bottom + (top - bottom) * level)
    cv2.line(plot, (0, y), (right - left, y), _GRAY, 1)

  first = clock.block_at(time_s - _REACH_S)
  stop = min(clock.block_at(time_s + _REACH_S) + 1, len(scores))
  edges_s = np.array([clock.start_s(block) for block in range(first, stop + 1)])
  # Stairs: a score holds from the start of its block to the start of the next.
  x = np.repeat(middle + (edges_s - time_s) / _REACH_S * middle, 2)[1:-1]
  for label, column in zip(EVENTS, scores[first:stop].T, strict=True):
    points = np.stack([x, bottom + (top - bottom) * np.repeat(column, 2)], axis=-1)
    fixed = np.round(points * 2**_SHIFT).astype(np.int32)
    cv2.polylines(plot, [fixed], False, EVENT_COLORS[label], max(1, round(2 * unit)), cv2.LINE_AA, _SHIFT)
  future = plot[:, math.ceil(middle) :]
  future[:] = future // 2 + np.array(_GROUND, np.uint8) // 2
  cv2.line(plot, (round(middle), 0), (round(middle), band.shape[0]), _WHITE, max(1, round(unit)))


def _draw_legend(band: np.ndarray, scores: np.ndarray | None, unit: float) -> None:
  """Each event in its color with its score at the moment. In place."""
  import cv2

  font, thin = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(unit))
  for i, label in enumerate(EVENTS):
    baseline = round((32 + 27 * i) * unit)
    cv2.rectangle(
      band, (round(12 * unit), baseline - round(12 * unit)), (round(22 * unit), baseline), EVENT_COLORS[label], -1
    )
    cv2.putText(band, label, (round(32 * unit), baseline), font, 0.55 * unit, _WHITE, thin, cv2.LINE_AA)
    if scores is not None:
      text = f"{scores[i]:.2f}"
      cv2.putText(band, text, (round(116 * unit), baseline), font, 0.55 * unit, _WHITE, thin, cv2.LINE_AA)


def _draw_box(rgb: np.ndarray, box: np.ndarray, color: tuple[int, int, int]) -> None:
  """A rectangle round the face; nothing where it is NaN. In place."""
  import cv2

  if not np.isfinite(box).all():
    return
  height, width = rgb.shape[:2]
  x, y, w, h = (float(value) for value in box)
  corners = (round(x * width), round(y * height)), (round((x + w) * width), round((y + h) * height))
  cv2.rectangle(rgb, *corners, color, max(1, round(2 * height / _DESIGN_HEIGHT_PX)))
