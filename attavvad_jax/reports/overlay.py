"""The annotated video: the current state, its scores and the performer's face drawn onto the pictures of a recording.

Axes: B blocks, E events, N images of a block, H, W picture.
"""

import bisect
from fractions import Fraction
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from attavvad_jax.clock import Clock
from attavvad_jax.events import BACKGROUND, EVENTS, Timeline
from attavvad_jax.files import replacing
from attavvad_jax.reports.palette import EVENT_COLOURS

# Sound that an mp4 holds as it is and that players expect there; any other becomes AAC.
_KEPT_CODECS = {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"}
# Sizes are drawn for pictures of this many lines and scaled with the picture.
_DESIGN_HEIGHT_PX = 540
_WHITE = (255, 255, 255)


def write_annotated_video(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  timeline: Timeline,
  scores: np.ndarray | None = None,
  boxes: np.ndarray | None = None,
  clock: Clock | None = None,
) -> None:
  """Writes a copy of a video with the state at the top left, bars of the scores under it, and a box round the face.

  The pictures keep their time stamps (less the time stamp of time zero), their shape and their colours, and are written
  upright in H.264; the sound is copied packet by packet where mp4 holds its codec, else it becomes AAC. Unmarked time
  shows others; nothing is drawn after the timeline's end. Memory does not grow with the length. A file that is already
  there is replaced once the new one is whole.

  Args:
    source: the recording.
    target: the mp4 file to write.
    timeline: states to show; where events overlap, the later one.
    scores: [B,E] in 0..1, or None to leave the bars out.
    boxes: [B,N,4] x, y, width, height as fractions of the displayed picture, NaN for no face; None for no boxes.
    clock: the clock of scores and boxes; the default one where None.

  Raises:
    MediaError: the source has no pictures or cannot be read.
    ValueError: target and source are the same file, or scores or boxes have another shape.
    OSError: a file is missing, or the target's folder cannot be written to.
  """
  import av

  from attavvad_jax.media.decode import probe
  from attavvad_jax.media.errors import MediaError

  source, target, clock = Path(source), Path(target), clock or Clock()
  if scores is not None and (scores.ndim != 2 or scores.shape[1] != len(EVENTS)):
    raise ValueError(f"scores have shape {scores.shape}; expected [blocks, {len(EVENTS)}]")
  if boxes is not None and (boxes.ndim != 3 or boxes.shape[1:] != (clock.images_per_block, 4)):
    raise ValueError(f"boxes have shape {boxes.shape}; expected [blocks, {clock.images_per_block}, 4]")
  info = probe(source)
  if not info.has_pictures:
    raise MediaError(f"{source}: no pictures in this file; expected a video to draw on")
  if target.exists() and target.samefile(source):
    raise ValueError(f"{target} is the video itself; name another file to write")
  if not target.parent.is_dir():
    raise FileNotFoundError(f"{target.parent} is not a folder; make it before writing {target.name}")

  draw = _Painter(timeline, scores, boxes, clock)
  with (
    replacing(target) as part,
    av.open(f"file:{source}") as reader,
    av.open(str(part), "w", format="mp4") as writer,
  ):
    _copy(reader, writer, info.start, draw)


class _Painter:
  """Draws what is known at a time onto a picture."""

  def __init__(self, timeline: Timeline, scores: np.ndarray | None, boxes: np.ndarray | None, clock: Clock):
    self._edges, self._states = _states(timeline)
    self._scores, self._boxes, self._clock = scores, boxes, clock

  def __call__(self, rgb: np.ndarray, time_s: float) -> None:
    """Draws onto a picture in place. uint8 [H,W,3]."""
    # Time stamps are rounded to their time base: a frame may come a hair before its event.
    state = self._states[bisect.bisect_right(self._edges, max(time_s, 0.0) + 1e-6) - 1]
    if state is None:
      return
    block = self._clock.block_at(time_s)
    if self._boxes is not None and block < len(self._boxes):
      images = self._clock.images_per_block
      image = min(max(int((time_s - self._clock.start_s(block)) / self._clock.block_s * images), 0), images - 1)
      _draw_box(rgb, self._boxes[block, image], EVENT_COLOURS[state])
    row = self._scores[block] if self._scores is not None and block < len(self._scores) else None
    _draw_panel(rgb, state, row)


def _states(timeline: Timeline) -> tuple[list[float], list[str | None]]:
  """Times at which the state changes, and the state from each on: others where unmarked, None from the end on."""
  edges = sorted({0.0, timeline.duration_s, *(t for event in timeline for t in (event.onset_s, event.offset_s))})
  states: list[str | None] = [BACKGROUND if edge < timeline.duration_s else None for edge in edges]
  for event in timeline:
    first, last = (bisect.bisect_left(edges, t) for t in (event.onset_s, min(event.offset_s, timeline.duration_s)))
    states[first:last] = [event.label] * (last - first)
  return edges, states


def _draw_panel(rgb: np.ndarray, state: str, scores: np.ndarray | None) -> None:
  """The state in its colour on a darkened corner, and under it a bar for each score. In place."""
  import cv2

  unit = min(rgb.shape[0], rgb.shape[1] * 3 // 4) / _DESIGN_HEIGHT_PX

  def px(value: float) -> int:
    return round(value * unit)

  font, smooth, thin = cv2.FONT_HERSHEY_SIMPLEX, cv2.LINE_AA, max(1, px(1))
  corner = rgb[: px(56 if scores is None else 142), : px(236)]
  corner[:] = corner // 4
  corner[:, : px(6)] = EVENT_COLOURS[state]
  cv2.putText(rgb, state, (px(18), px(38)), font, 1.1 * unit, EVENT_COLOURS[state], max(1, px(2.5)), smooth)
  if scores is None:
    return
  left, right = px(100), px(224)
  for i, (label, score) in enumerate(zip(EVENTS, scores, strict=True)):
    top, bottom = px(58 + 20 * i), px(70 + 20 * i)
    cv2.putText(rgb, label, (px(18), bottom), font, 0.5 * unit, _WHITE, thin, smooth)
    cv2.rectangle(rgb, (left, top), (right, bottom), (90, 90, 90), thin)
    if score > 0:
      cv2.rectangle(rgb, (left, top), (left + round((right - left) * float(score)), bottom), EVENT_COLOURS[label], -1)


def _draw_box(rgb: np.ndarray, box: np.ndarray, colour: tuple[int, int, int]) -> None:
  """A rectangle round the face; nothing where it is NaN. In place."""
  import cv2

  if not np.isfinite(box).all():
    return
  height, width = rgb.shape[:2]
  x, y, w, h = (float(value) for value in box)
  corners = (round(x * width), round(y * height)), (round((x + w) * width), round((y + h) * height))
  cv2.rectangle(rgb, *corners, colour, max(1, round(2 * height / _DESIGN_HEIGHT_PX)))


def _copy(reader: Any, writer: Any, start: Fraction, draw: _Painter) -> None:
  """Sends all packets of a container through to another, drawing on the pictures. `start` becomes zero."""
  import av

  source_video, source_audio = reader.streams.best("video"), reader.streams.best("audio")
  source_video.codec_context.thread_type = "AUTO"
  pictures = _PictureEncoder(writer, source_video, start, draw)
  sound: _SoundCopier | _SoundEncoder | None = None
  if source_audio is not None:
    keeps = source_audio.codec_context.name in _KEPT_CODECS
    sound = (_SoundCopier if keeps else _SoundEncoder)(writer, source_audio, start)

  packets = reader.demux([stream for stream in (source_video, source_audio) if stream is not None])
  while True:
    try:
      packet = next(packets, None)
      if packet is None:
        break
      if packet.stream is source_video:
        pictures.push(packet)
      elif sound is not None:
        sound.push(packet)
    except av.error.InvalidDataError:
      # A damaged packet: players pass over it, too.
      continue
  pictures.finish()
  if sound is not None:
    sound.finish()


class _PictureEncoder:
  """Decodes the packets of the pictures, draws, and encodes them at their own times."""

  def __init__(self, writer: Any, source: Any, start: Fraction, draw: _Painter):
    import av

    self._writer, self._start, self._draw = writer, start, draw
    # The streams of a container must be there before the first packet is, and only a frame tells how it is turned.
    with av.open(source.container.name) as container:
      self._stream = _add_video_stream(writer, source, next(container.decode(container.streams.best("video"))))
    self._last_pts = -math.inf

  def push(self, packet: Any) -> None:
    for frame in packet.decode():
      if frame.pts is None:
        continue
      pts = frame.pts - round(self._start / frame.time_base)
      # Encoders refuse two pictures at one time; a player would show the first of them for no time.
      if pts <= self._last_pts:
        continue
      self._last_pts = pts
      self._writer.mux(self._encode(frame, pts))

  def finish(self) -> None:
    self._writer.mux(self._stream.encode(None))

  def _encode(self, frame: Any, pts: int) -> list[Any]:
    import av

    rgb = _upright(frame)
    self._draw(rgb, float(pts * frame.time_base))
    drawn = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    drawn = drawn.reformat(
      format="yuv420p", dst_colorspace=frame.colorspace, dst_color_range=av.video.reformatter.ColorRange.MPEG
    )
    drawn.pts, drawn.time_base, drawn.duration = pts, frame.time_base, frame.duration
    return self._stream.encode(drawn)


def _add_video_stream(writer: Any, source: Any, frame: Any) -> Any:
  """An H.264 stream that takes pictures like a frame of the source, set upright."""
  import av

  height, width = _upright(frame).shape[:2]
  stream = writer.add_stream("libx264", rate=source.average_rate or 25, options={"preset": "veryfast", "crf": "20"})
  stream.height, stream.width, stream.pix_fmt, stream.time_base = height, width, "yuv420p", frame.time_base
  context = stream.codec_context
  context.time_base = frame.time_base
  context.colorspace, context.color_range = frame.colorspace, av.video.reformatter.ColorRange.MPEG
  context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
  aspect = source.sample_aspect_ratio
  if aspect:
    context.sample_aspect_ratio = 1 / aspect if _quarter_turns(frame) % 2 else aspect
  return stream


class _SoundCopier:
  """Hands packets through as they are."""

  def __init__(self, writer: Any, source: Any, start: Fraction):
    self._writer, self._stream = writer, writer.add_stream_from_template(source)
    self._shift = round(start / source.time_base)

  def push(self, packet: Any) -> None:
    if packet.dts is None:  # the empty packet at the end
      return
    packet.dts -= self._shift
    packet.pts = packet.dts if packet.pts is None else packet.pts - self._shift
    packet.stream = self._stream
    self._writer.mux(packet)

  def finish(self) -> None:
    pass


class _SoundEncoder:
  """Encodes as AAC what mp4 does not hold."""

  def __init__(self, writer: Any, source: Any, start: Fraction):
    from attavvad_jax.media.encode import AAC_RATES_HZ

    self._writer, self._start = writer, start
    context = source.codec_context
    # What AAC cannot take is resampled or mixed down on the way in.
    rate_hz = context.sample_rate if context.sample_rate in AAC_RATES_HZ else 48_000
    self._stream = writer.add_stream("aac", rate=rate_hz, layout="mono" if context.channels == 1 else "stereo")

  def push(self, packet: Any) -> None:
    for frame in packet.decode():
      frame.pts -= round(self._start / frame.time_base)
      self._writer.mux(self._stream.encode(frame))

  def finish(self) -> None:
    self._writer.mux(self._stream.encode(None))


def _quarter_turns(frame: Any) -> int:
  """Quarter turns against the clock that set a frame upright."""
  return round(frame.rotation / 90) % 4


def _upright(frame: Any) -> np.ndarray:
  """A frame as it is displayed, the last line or column repeated where H.264 needs an even size. uint8 RGB [H,W,3]."""
  rgb = np.rot90(frame.to_ndarray(format="rgb24"), _quarter_turns(frame))
  return np.ascontiguousarray(np.pad(rgb, [(0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)], mode="edge"))
