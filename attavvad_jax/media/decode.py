"""Reads any file that FFmpeg reads: audio as a stream of samples, video frames at requested times.

Time zero of a recording is the start of its first stream: the earlier of the first audio frame and the first video
frame that decode. All times are seconds after time zero. They come from presentation time stamps, never from counting
frames. Where time stamps leap, the parts of the recording are placed one after the other (`parts`). Axes: n samples,
H, W of the frame as displayed (rotated and with square pixels).
"""

from collections import deque
from collections.abc import Iterable, Iterator
import os

import numpy as np

from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.frame import Converter, Frame, FrameSampler, TimedFrame, timed_frame
from attavvad_jax.media.info import MediaInfo, probe
from attavvad_jax.media.joiner import NOTABLE_S, AudioJoiner
from attavvad_jax.media.mixing import Passage, describe
from attavvad_jax.media.order import PacketOrder
from attavvad_jax.media.packets import decode_frames
from attavvad_jax.media.parts import Leaps

# Video may continue for this long after the audio without a warning.
_LASTING_S = 1.0


def read_audio(
  path: str | os.PathLike[str],
  sample_rate_hz: int,
  *,
  info: MediaInfo | None = None,
  warnings: list[str] | None = None,
  passages: list[Passage] | None = None,
  order: PacketOrder | None = None,
) -> Iterator[np.ndarray]:
  """Reads the audio as mono from time zero to its end, in pieces; `mixing` describes how channels are mixed.

  Sample ``j`` of the joined pieces is played at j / sample_rate_hz. Gaps in the audio, and the time before a late
  start, are filled with zeros. Memory does not grow with the length.

  Args:
    path: the file.
    sample_rate_hz: rate to resample to.
    info: the result of `probe` for the file and the choice of tracks; where None, the file is probed with the defaults.
    warnings: receives one line for each damaged or unusual thing.
    passages: receives the passages in which the channels cancel, with one warning for all at the end; where None, a
      warning is given at the beginning of each.
    order: records the order of the packets of the audio, and of the video that is used with it.

  Returns:
    An iterator of int16 [n].

  Raises:
    OSError, MediaError: as `probe`, and MediaError where there is no audio.
  """
  info = info or probe(path)
  if not info.has_audio:
    raise MediaError(f"{path}: no audio in this file; expected a video with audio")
  warnings = [] if warnings is None else warnings
  leaps = Leaps(float(info.start), warnings)
  samples = _samples(path, sample_rate_hz, info, warnings, passages, leaps, order)
  return _to_the_end(samples, info, sample_rate_hz, warnings, leaps)


def read_frames(
  path: str | os.PathLike[str],
  times_s: Iterable[float],
  *,
  info: MediaInfo | None = None,
  warnings: list[str] | None = None,
) -> Iterator[Frame | None]:
  """Reads the frame displayed at each time: the last one whose time stamp is not later.

  A frame is displayed until the next one, for at most `STILL_S`; it stands in for `HOLD_S` beyond that, and the first
  frame for as long before its time; elsewhere there is none (`FrameSampler`).

  Args:
    path: the file.
    times_s: seconds after time zero, ascending; taken one at a time, so they may depend on what was read.
    info: the result of `probe` for the file and the choice of tracks; where None, the file is probed with the defaults.
    warnings: receives one line for each damaged thing.

  Returns:
    An iterator with one entry for each time: a `Frame`, or None. The same frame may come twice.

  Raises:
    OSError, MediaError: as `probe`.
  """
  return _video(read_timed_frames(path, info or probe(path), [] if warnings is None else warnings), times_s)


def read_timed_frames(path: str | os.PathLike[str], info: MediaInfo, warnings: list[str]) -> Iterator[TimedFrame]:
  """Reads all frames of a file with their times, in order; arguments as for `read_frames`.

  Each frame lasts until the next one (for `STILL_S`), and the last one as long as those before it: the lengths that
  containers declare differ, or are missing.
  """
  waiting: TimedFrame | None = None
  lengths_s = deque([0.0], maxlen=2)
  for frame in _timed_frames(path, info, warnings):
    if waiting is not None:
      lengths_s.append(frame.time_s - waiting.time_s)
      yield waiting
    waiting = frame
  if waiting is not None:
    yield waiting._replace(length_s=max(0.0, min(lengths_s)))


def _timed_frames(path: str | os.PathLike[str], info: MediaInfo, warnings: list[str]) -> Iterator[TimedFrame]:
  convert = Converter(info.pixel_aspect)
  index = info.index("video")
  for raw in () if index is None else decode_frames(path, index, info.start, warnings, beside=info.index("audio")):
    yield timed_frame(raw, info.start, convert)


def _samples(
  path: str | os.PathLike[str],
  rate_hz: int,
  info: MediaInfo,
  warnings: list[str],
  passages: list[Passage] | None,
  leaps: Leaps,
  order: PacketOrder | None,
) -> Iterator[np.ndarray]:
  joiner = AudioJoiner(rate_hz, info.start, warnings, info.tracks.channels, passages)
  index = info.index("audio")
  assert index is not None
  for frame in decode_frames(path, index, info.start, warnings, info.index("video"), leaps.add, order):
    yield from joiner.push(frame)
  yield from joiner.finish()
  leaps.finish()
  warnings += filter(None, [describe(passages or [])])


def _to_the_end(
  pieces: Iterator[np.ndarray], info: MediaInfo, rate_hz: int, warnings: list[str], leaps: Leaps
) -> Iterator[np.ndarray]:
  """Cuts off the encoder's padding of the last packet, and warns where audio is missing at the end.

  Much more than a packet beyond the declared end means that the declaration is wrong; then everything is kept. So is
  everything of recordings in several parts, without a warning, as nothing declares the length of all parts.
  """
  limit = None if info.audio_end is None else round(info.audio_end * rate_hz)
  position = 0
  held: list[np.ndarray] = []
  for piece in pieces:
    position += len(piece)
    if limit is None or position <= limit:
      yield piece
      continue
    held.append(piece)
    if position - limit > NOTABLE_S * rate_hz:
      yield from held
      held, limit = [], None
  if held and limit is not None:
    tail = np.concatenate(held)
    yield tail[: len(tail) - (position - limit)]
  end_s = position / rate_hz
  if leaps.count:
    return
  declared_s, video_s = info.duration_s or 0.0, info.video_end_s or 0.0
  if video_s - end_s > _LASTING_S and not (info.is_of_audio and declared_s - end_s > NOTABLE_S):
    warnings.append(
      f"audio ends at {end_s:.2f} s, video at {video_s:.2f} s: the timeline ends with the audio and leaves out the "
      "video after it"
    )
  elif declared_s - end_s > NOTABLE_S:
    warnings.append(f"audio ends at {end_s:.2f} s, {declared_s:.2f} s were declared: damaged end, or no audio there")


def _video(frames: Iterator[TimedFrame], times_s: Iterable[float]) -> Iterator[Frame | None]:
  sampler = FrameSampler()
  for time_s in times_s:
    while not sampler.knows(time_s):
      frame = next(frames, None)
      if frame is None:
        sampler.end()
      else:
        sampler.push(frame)
    yield sampler.at(time_s)
