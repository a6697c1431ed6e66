"""Reads any file that FFmpeg reads: audio as a stream of samples, video frames at requested times.

Time zero of a recording is the start of its first stream: the earlier of the first audio frame and the first video
frame that decode. All times are seconds after time zero. They come from presentation time stamps, never from counting
frames. Where time stamps leap, the parts of the recording are placed one after the other (`parts`). Axes: n samples,
H, W of the frame as displayed (rotated and with square pixels).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
from fractions import Fraction
import functools
import io
import itertools
import os
from pathlib import Path
import re
import statistics
from typing import Any, NamedTuple, Self

import av
from av.video.reformatter import VideoReformatter
import numpy as np

from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.mixing import Mixer, Passage, add_passage, describe
from attavvad_jax.media.order import PacketOrder
from attavvad_jax.media.parts import Leaps, in_parts, may_leap
from attavvad_jax.media.shown import UPRIGHT, Orientation, Orientations, decoder, orientation
from attavvad_jax.media.tracks import (
  DEFAULT_TRACKS,
  KINDS,
  Kind,
  Stored,
  Track,
  Tracks,
  all_stored,
  all_tracks,
  chosen,
  describe_choice,
  of_equal_rank,
)

# Larger frames are scaled down to this: faces down to 30 px are still found, and conversion stays cheap.
LONG_SIDE_PX = 960

# The first frame is displayed for at most this long before its time, and any frame for at most this long after its end.
HOLD_S = 0.5
# A still frame is displayed until the next frame comes, for at most this long: a longer gap while audio continues is a
# lost connection or a removed camera. Time stamps alone cannot distinguish the two cases.
STILL_S = 5.0
# Number of intervals between frames from which the frame rate is estimated.
_NUM_SPACINGS = 9
# A frame is due this much before its time, as time stamps are rounded to their time base.
_DUE_S = 1e-6

# A larger deviation of a time stamp is a gap. Stamps in milliseconds jitter by one; the shortest packet lasts 20 ms.
GAP = Fraction(1, 100)
# Longer gaps and missing ends cause a warning.
_NOTABLE_S = 0.5
# Windows that are mixed together where nobody waits for the audio.
_WINDOWS = 20
# Video may continue for this long after the audio without a warning.
_LASTING_S = 1.0
# Within this distance of a joint between parts, intact packets may be marked as damaged.
_JOINT = Fraction(1)
# A playlist without an end marker is read from its beginning, and waits for new segments no longer than one segment.
# Referenced files are read from disk only, as FFmpeg does by default where it opens a file by name.
_OPTIONS = {"live_start_index": "0", "max_reload": "1", "protocol_whitelist": "file,crypto,data"}
# Reading continues after unreadable places, unless there are more than this many in a row.
_MAX_READ_ERRORS = 100


class StoredFrame(NamedTuple):
  """Format of a frame as stored: not rotated, with pixels of any shape; colors as FFmpeg's numbers."""

  width_px: int
  height_px: int
  time_base: Fraction
  colorspace: int
  color_primaries: int
  color_trc: int


@dataclasses.dataclass(frozen=True)
class MediaInfo:
  """The contents of a file, as declared by its container and seen in its first frames.

  Attributes:
    start: time stamp of time zero in seconds, subtracted from all others.
    duration_s: declared end of the audio, else of the file, after time zero; None where neither is declared.
    audio_end: declared end of the audio to the sample, in seconds, in files of the mp4 and mov family; else None.
    video_end_s: declared end of the video after time zero; None where it is not declared.
    is_of_audio: whether `duration_s` is declared for the audio rather than for the file.
    sample_rate_hz: sample rate of the audio as stored; None without audio.
    width_px: width of the video as displayed, before scaling to `LONG_SIDE_PX`; None without video.
    height_px: height of the video, as for `width_px`.
    frames_per_second: mean frame rate of the video; None without video or where it is not declared.
    pixel_aspect: width of a stored pixel divided by its height.
    orientation: how the first frame is displayed.
    tracks: the requested choice, with the numbers of the tracks that are used.
    audio_tracks: all audio tracks of the file.
    video_tracks: all video tracks of the file.
    rivals: one `MediaInfo` for each of several video tracks that the file ranks equally; empty if there is only one.
    container: FFmpeg's name of the format.
    stored: how all audio and video streams are stored, cover images included.
    first_frame: format of the first video frame; None without video.
    order: order of the packets of the used tracks; None before all of them have been read.
  """

  start: Fraction
  duration_s: float | None
  audio_end: Fraction | None
  video_end_s: float | None
  is_of_audio: bool
  sample_rate_hz: int | None
  width_px: int | None
  height_px: int | None
  frames_per_second: float | None
  pixel_aspect: Fraction
  orientation: Orientation = UPRIGHT
  tracks: Tracks = DEFAULT_TRACKS
  audio_tracks: tuple[Track, ...] = ()
  video_tracks: tuple[Track, ...] = ()
  rivals: tuple["MediaInfo", ...] = ()
  container: str = ""
  stored: tuple[Stored, ...] = ()
  first_frame: StoredFrame | None = None
  order: PacketOrder | None = dataclasses.field(default=None, compare=False)

  @property
  def has_audio(self) -> bool:
    return self.sample_rate_hz is not None

  @property
  def has_video(self) -> bool:
    return self.width_px is not None

  @property
  def audio_track(self) -> Track | None:
    """The audio track that is used."""
    return self.audio_tracks[int(self.tracks.audio or 1) - 1] if self.has_audio else None

  @property
  def video_track(self) -> Track | None:
    """The video track that is used."""
    return self.video_tracks[(self.tracks.video or 1) - 1] if self.has_video else None

  def index(self, kind: Kind) -> int | None:
    """Returns the index, among all streams of the file, of the used stream of a kind; None where there is none."""
    track = self.audio_track if kind == "audio" else self.video_track
    return None if track is None else track.index

  def choices(self) -> list[str]:
    """Returns a line each for audio and video with several tracks: which one is used, and which ones are not."""
    lines = (
      describe_choice("audio", self.audio_track, self.audio_tracks),
      describe_choice("video", self.video_track, self.video_tracks),
    )
    return [line for line in lines if line is not None]


class Frame:
  """A video frame as displayed: upright, with square pixels, the longer side at most `LONG_SIDE_PX`.

  The first access to a property converts the frame, as most frames are never needed in color.
  """

  def __init__(self, raw: av.VideoFrame, convert: "Converter"):
    self._raw = raw
    self._convert = convert

  @classmethod
  def from_rgb(cls, rgb: np.ndarray) -> Self:
    """Makes a frame of an array in color, uint8 [H,W,3], as if it had been read from a file."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
      raise ValueError(f"frame is {rgb.dtype} {rgb.shape}; expected uint8 [height, width, 3] in RGB")
    return cls(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"), Converter(Fraction(1)))

  @functools.cached_property
  def rgb(self) -> np.ndarray:
    """The frame in color, uint8 [H,W,3]."""
    rgb = self._convert(self._raw, "rgb24").to_ndarray()
    return np.ascontiguousarray(self._convert.orientation(self._raw).upright(rgb))

  @functools.cached_property
  def gray(self) -> np.ndarray:
    """The frame's luma, uint8 [H,W]. Training and detection both use it as gray."""
    frame = self._convert(self._raw, "yuv420p")
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    # A copy, as the decoder reuses the frame's memory.
    return self._convert.orientation(self._raw).upright(luma).copy()


class Converter:
  """Scales frames and changes their pixel format; use one for all frames, as its setup costs more than a conversion.

  `orientation` gives the orientation in which a frame is displayed.
  """

  def __init__(self, pixel_aspect: Fraction):
    self._pixel_aspect = pixel_aspect
    self.orientation = Orientations()
    self._reformatters: dict[str, VideoReformatter] = {}

  def __call__(self, frame: av.VideoFrame, format: str) -> av.VideoFrame:
    """Converts to a pixel format with square pixels and a longer side of at most `LONG_SIDE_PX`; does not rotate."""
    orientation = self.orientation(frame)
    width, height = _displayed_size(frame, self._pixel_aspect, orientation)
    scale = min(1.0, LONG_SIDE_PX / max(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    if orientation.is_sideways:
      width, height = height, width
    reformatter = self._reformatters.setdefault(format, VideoReformatter())
    return reformatter.reformat(frame, width=width, height=height, format=format)


class TimedFrame(NamedTuple):
  """A frame, when its display begins, and how long it lasts unless another frame comes (0 where that is unknown)."""

  time_s: float
  frame: Frame
  length_s: float = 0.0


class FrameSampler:
  """Gives the frame displayed at a time, while frames come in.

  A frame is displayed until the next one, but no longer than `HOLD_S` beyond its own length; the first frame also
  stands in for `HOLD_S` before its time. Times must be requested in ascending order.
  """

  def __init__(self):
    self._video: deque[TimedFrame] = deque()
    self._spacings_s: deque[float] = deque(maxlen=_NUM_SPACINGS)
    self._ended = False

  @property
  def spacing_s(self) -> float | None:
    """Median time between the last displayed frames; None before there are three. One still frame has no effect."""
    return statistics.median_low(self._spacings_s) if len(self._spacings_s) > 1 else None

  def push(self, frame: TimedFrame) -> bool:
    """Takes the next frame; leaves it out and returns false where it is not later than the frame before."""
    if self._video and frame.time_s <= self._video[-1].time_s:
      return False
    self._video.append(frame)
    return True

  def end(self) -> None:
    """Marks the end of the video."""
    self._ended = True

  def knows(self, time_s: float) -> bool:
    """Returns whether the frame at a time can no longer change."""
    return self._ended or bool(self._video and self._video[-1].time_s > time_s + _DUE_S)

  def at(self, time_s: float) -> Frame | None:
    """Returns the frame at a time, among those pushed so far; None where there is none."""
    while len(self._video) > 1 and self._video[1].time_s <= time_s + _DUE_S:
      passed = self._video.popleft()
      self._spacings_s.append(self._video[0].time_s - passed.time_s)
    if not self._video:
      return None
    start_s, frame, length_s = self._video[0]
    return frame if start_s - HOLD_S <= time_s < start_s + length_s + HOLD_S else None


def probe(
  path: str | os.PathLike[str], tracks: Tracks = DEFAULT_TRACKS, file: io.BufferedReader | None = None
) -> MediaInfo:
  """Opens a file and decodes its first audio frame and first video frame; a stream that gives none counts as absent.

  Args:
    path: the file.
    tracks: which of its audio and video tracks are used.
    file: the same file, open and at its beginning, so that it need not be opened again; its position changes.

  Raises:
    OSError: the file is missing, a folder or not readable.
    MediaError: FFmpeg cannot read the file, nothing in it decodes, or it has no such track.
  """
  with _open(path, file) as container:
    header = _Header(container)
    candidates = {kind: chosen(container, kind, tracks, str(path)) for kind in KINDS}
    equals = of_equal_rank(candidates["video"])
    # The first audio stream nearly always gives a frame.
    firsts = _first_frames(container, [*candidates["audio"][:1], *equals])
    audio, video = (_first(path, candidates[kind], firsts) for kind in KINDS)
    rivals = [_First(stream.index, firsts[stream.index]) for stream in equals if firsts[stream.index] is not None]
  if audio is None and video is None:
    raise MediaError(f"{path}: neither audio nor video in it can be decoded; expected a video with audio")
  info = header.info(tracks, audio, video)
  if len(rivals) < 2:
    return info
  return dataclasses.replace(info, rivals=tuple(header.info(tracks, audio, rival) for rival in rivals))


class _First(NamedTuple):
  """The index of a stream among all of its file, and its first decoded frame."""

  stream: int
  frame: Any


def _first(path: str | os.PathLike[str], streams: Iterable[Any], firsts: Mapping[int, Any]) -> _First | None:
  """Returns the first stream that gives a frame; None where there is none. `firsts` holds the frames already known."""
  for stream in streams:
    known = stream.index in firsts
    frame = firsts[stream.index] if known else next(_frames(path, stream.index, Fraction(0), []), None)
    if frame is not None:
      return _First(stream.index, frame)
  return None


def _first_frames(container: Any, streams: Sequence[Any]) -> dict[int, Any]:
  """Returns the first frame with a time stamp of each stream, by the stream's index; None where there is none."""
  firsts: dict[int, Any] = {stream.index: None for stream in streams}
  open_streams = [stream for stream in streams if stream.codec_context is not None]  # others have no decoder
  _take_only(container, open_streams)
  decoders = {stream.index: _start(stream) for stream in open_streams}
  for packet in read_packets(container, open_streams) if open_streams else ():
    index = packet.stream.index
    if firsts[index] is not None:
      continue
    with contextlib.suppress(av.FFmpegError):  # damaged
      firsts[index] = next((frame for frame in decoders[index](packet) if frame.pts is not None), None)
    if firsts[index] is not None:
      # The rest of this stream is skipped, as the first frames of the others may come much later, or never.
      packet.stream.discard = av.stream.Discard.all
      if all(firsts[stream.index] is not None for stream in open_streams):
        break
  return firsts


class _Header:
  """What a container declares before any packet is read, as reading may change some of it."""

  def __init__(self, container: Any):
    self._format = container.format.name
    self._tracks: dict[Kind, tuple[Track, ...]] = {kind: tuple(all_tracks(container, kind)) for kind in KINDS}
    self._stored = tuple(all_stored(container))
    self._streams = {stream.index: _Declared(stream) for stream in container.streams if stream.type in KINDS}
    self._end: Fraction | None = None
    if container.duration is not None:
      # Matroska counts from zero, not from its first time stamp.
      begin = 0 if "matroska" in self._format else container.start_time or 0
      self._end = Fraction(container.duration + begin, av.time_base)

  def info(self, tracks: Tracks, audio: _First | None, video: _First | None) -> MediaInfo:
    """Returns the contents of the file, given the streams that are used; at least one must not be None."""
    start = min(frame_time(first.frame) for first in (audio, video) if first is not None)
    of_audio = None if audio is None else self._streams[audio.stream]
    is_of_audio = of_audio is not None and of_audio.has_duration
    declared = of_audio.end if of_audio is not None and is_of_audio else self._end
    exact = is_of_audio and "mov" in self._format
    of_video = None if video is None else self._streams[video.stream]
    video_end = None if of_video is None else of_video.end
    rate = None if of_video is None else of_video.rate
    aspect = Fraction(1) if of_video is None else of_video.pixel_aspect
    width, height, turned, stored = None, None, UPRIGHT, None
    if video is not None:
      frame = video.frame
      turned = orientation(frame)
      width, height = _displayed_size(frame, aspect, turned)
      colors = frame.colorspace, frame.color_primaries, frame.color_trc
      stored = StoredFrame(frame.width, frame.height, frame.time_base, *colors)
    return MediaInfo(
      start=start,
      duration_s=None if declared is None else float(declared - start),
      audio_end=declared - start if exact and declared is not None else None,
      video_end_s=None if video_end is None else float(video_end - start),
      is_of_audio=is_of_audio,
      sample_rate_hz=None if audio is None else audio.frame.sample_rate,
      width_px=width,
      height_px=height,
      frames_per_second=float(rate) if rate else None,
      pixel_aspect=aspect,
      orientation=turned,
      tracks=dataclasses.replace(tracks, audio=self._number("audio", audio), video=self._number("video", video)),
      audio_tracks=self._tracks["audio"],
      video_tracks=self._tracks["video"],
      container=self._format,
      stored=self._stored,
      first_frame=stored,
    )

  def _number(self, kind: Kind, first: _First | None) -> int | None:
    return next((track.number for track in self._tracks[kind] if first and track.index == first.stream), None)


class _Declared:
  """What a container declares about one stream."""

  def __init__(self, stream: Any):
    self.end = _declared_end(stream)
    self.has_duration = stream.duration is not None and self.end is not None
    is_video = stream.type == "video"
    self.rate = stream.average_rate if is_video else None
    self.pixel_aspect = Fraction(stream.sample_aspect_ratio or 1 if is_video else 1)


def recorded_s(
  path: str | os.PathLike[str], tracks: Tracks = DEFAULT_TRACKS, info: MediaInfo | None = None
) -> float | None:
  """Returns the length of a recording: as declared, or by its packets where its container lets time stamps leap.

  Args:
    path: the file.
    tracks: which of its audio and video tracks are used.
    info: the result of `probe` for the file and these tracks; where None, the file is probed.

  Returns:
    Seconds after time zero; None where the length is unknown.

  Raises:
    OSError, MediaError: as `probe`.
  """
  info = info or probe(path, tracks)
  with _open(path) as container:
    if not may_leap(container):
      return info.duration_s
    streams = [container.streams[index] for index in map(info.index, KINDS) if index is not None]
    # The audio, if there is any, defines the length of a recording.
    main = streams[0].type if not info.has_audio else "audio"
    end = max(
      (
        (packet.pts + (packet.duration or 0)) * packet.time_base
        for packet in read_packets(container, streams)
        if packet.pts is not None and packet.stream.type == main
      ),
      default=None,
    )
  return info.duration_s if end is None else float(end - info.start)


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
  for raw in () if index is None else _frames(path, index, info.start, warnings, beside=info.index("audio")):
    yield timed_frame(raw, info.start, convert)


def timed_frame(raw: av.VideoFrame, start: Fraction, convert: "Converter") -> TimedFrame:
  """Puts a decoded frame, which others may follow, on the clock of its recording, whose time zero is `start`."""
  return TimedFrame(float(frame_time(raw) - start), Frame(raw, convert), STILL_S)


def open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
  """Opens a file for reading.

  Raises:
    OSError, MediaError: in one line, why it cannot be read.
  """
  _check_file(Path(path))
  return open(path, "rb")


def _check_file(path: Path) -> None:
  if path.is_dir():
    raise IsADirectoryError(f"{path} is a folder; expected a video file")
  if not path.exists():
    raise FileNotFoundError(f"{path}: no such file")
  if path.is_file() and not path.stat().st_size:
    raise MediaError(f"{path}: the file is empty; expected a video with audio")


def _open(path: str | os.PathLike[str], file: io.BufferedReader | None = None) -> av.container.InputContainer:
  """Opens a container for reading, in an open `file` where one is given; raises errors as `open_file`."""
  _check_file(Path(path))
  try:
    # The prefix keeps FFmpeg from reading a colon in the name as a protocol.
    return av.open(f"file:{Path(path)}" if file is None else file, "r", options=_OPTIONS)
  except av.FFmpegError as error:
    with open(path, "rb") as stream:
      head = stream.read(12)
    if head[4:8] == b"ftyp":
      raise MediaError(f"{path}: mp4 file without its index (moov): cut off while it was written or copied") from error
    raise MediaError(f"{path}: not a video or audio file that FFmpeg can read ({error.strerror})") from error


def _declared_end(stream: Any) -> Fraction | None:
  """Returns the time stamp in seconds at which a stream ends, as declared."""
  if stream is None or stream.time_base is None:
    return None
  if stream.duration is not None:
    return (stream.duration + (stream.start_time or 0)) * stream.time_base
  # Matroska writers add this tag when a track is complete.
  end = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
  return None if end is None else 3600 * Fraction(end[1]) + 60 * Fraction(end[2]) + Fraction(end[3])


def frame_time(frame: Any) -> Fraction:
  """Returns the presentation time stamp of a decoded frame in seconds."""
  return frame.pts * frame.time_base


def _frames(
  path: str | os.PathLike[str],
  index: int,
  start: Fraction,
  warnings: list[str],
  beside: int | None = None,
  on_part: Callable[[float], None] = lambda place: None,
  order: PacketOrder | None = None,
) -> Iterator[Any]:
  """Decodes the frames of a stream that have a time stamp; skips damaged ones.

  All parts of the recording are on the clock of the first (`in_parts`), which also needs the stream `beside`;
  `on_part` receives the time at which each other part begins. One warning gives the place of damage, in seconds after
  `start`.
  """
  with _open(path) as container:
    stream: Any = container.streams[index]
    if stream.codec_context is None:  # no decoder for it
      return
    taken = [stream] if beside is None else [stream, container.streams[beside]]
    _take_only(container, taken)
    decode = _start(stream)
    damage = _Damage("audio" if stream.type == "audio" else "video", start, warnings)

    def leaps(place: float) -> None:
      damage.joined()
      on_part(place)

    for packet in read_packets(container, taken, damaged=damage.found, on_part=leaps, order=order):
      if packet.stream.index != index:
        continue
      frames: list[Any] = []
      try:
        frames = decode(packet)
      except av.FFmpegError:
        damage.found()
      if any(frame.is_corrupt for frame in frames):
        damage.found()
      if packet.is_corrupt:
        damage.marked()
      for frame in frames:
        if frame.pts is not None:
          damage.passed(frame_time(frame))
          yield frame
    damage.finish()


def _take_only(container: Any, streams: Iterable[Any]) -> None:
  """Makes a container skip the packets of all other streams."""
  taken = {stream.index for stream in streams}
  for stream in container.streams:
    if stream.index not in taken:
      stream.discard = av.stream.Discard.all


def _start(stream: Any) -> Callable[[Any], list[Any]]:
  """Returns the function that decodes a stream's packets, in as many threads as there are cores."""
  stream.codec_context.thread_type = "AUTO"
  return decoder(stream)


class _Damage:
  """Warns once where a stream is damaged.

  Packets that a container marks as damaged do not count near a joint between parts, where packet numbers restart.

  Args:
    name: the damaged stream, as the warning calls it.
    start: time stamp of time zero in seconds.
    warnings: receives the warning.
  """

  def __init__(self, name: str, start: Fraction, warnings: list[str]):
    self._name, self._start, self._warnings = name, start, warnings
    self._last = start
    self._marked: Fraction | None = None
    self._joined: Fraction | None = None
    self._is_reported = False

  def passed(self, time: Fraction) -> None:
    """Notes an intact frame."""
    self._last = time
    if self._marked is not None and time - self._marked > _JOINT:
      self.finish()

  def marked(self) -> None:
    """Notes a packet that the container marks as damaged."""
    if self._marked is None and (self._joined is None or self._last - self._joined > _JOINT):
      self._marked = self._last

  def joined(self) -> None:
    """Notes that a part begins about here."""
    self._marked, self._joined = None, self._last

  def found(self) -> None:
    """Notes that something cannot be read or decoded."""
    self._warn(self._last)

  def finish(self) -> None:
    """Settles a marked packet: no joint between parts has followed it."""
    if self._marked is not None:
      self._warn(self._marked)

  def _warn(self, place: Fraction) -> None:
    if not self._is_reported:
      self._is_reported = True
      after_s = float(place - self._start)
      self._warnings.append(f"{self._name} damaged after {after_s:.2f} s: what can be decoded is used")


def read_packets(
  container: Any,
  streams: list[Any],
  *,
  damaged: Callable[[], None] = lambda: None,
  on_part: Callable[[float], None] = lambda place: None,
  order: PacketOrder | None = None,
) -> Iterator[Any]:
  """Reads the packets of a file's audio and video, all parts on the clock of the first (`in_parts`).

  Args:
    container: the open file.
    streams: the streams to read; the same streams always give the same parts.
    damaged: called where something cannot be read; later packets still come.
    on_part: receives the time stamp in seconds at which each part but the first begins.
    order: records the order of the packets.
  """
  order = PacketOrder() if order is None else order

  def unreadable() -> None:
    order.damaged()
    damaged()

  def leaps(place: float) -> None:
    order.num_leaps += 1
    on_part(place)

  return in_parts(order.watch(_packets(container, streams, unreadable)), container, on_part=leaps)


def read_order(path: str | os.PathLike[str], info: MediaInfo) -> PacketOrder:
  """Returns the order of the packets of the used tracks: reads all packets, but decodes none.

  Args:
    path: the file.
    info: the result of `probe` for it.

  Raises:
    OSError, MediaError: the file cannot be opened.
  """
  order = PacketOrder()
  with _open(path) as container:
    streams = [container.streams[index] for index in map(info.index, KINDS) if index is not None]
    _take_only(container, streams)
    for _ in read_packets(container, streams, order=order):
      pass
  return order


def _packets(container: Any, streams: list[Any], damaged: Callable[[], None]) -> Iterator[Any]:
  """Reads packets in the container's order, and continues after unreadable places."""
  packets = container.demux(streams)
  errors = 0
  while errors <= _MAX_READ_ERRORS:
    try:
      packet = next(packets, None)
    except av.FFmpegError:
      damaged()
      packets = container.demux(streams)
      errors += 1
      continue
    if packet is None:
      return
    errors = 0
    yield packet


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
  for frame in _frames(path, index, info.start, warnings, info.index("video"), leaps.add, order):
    yield from joiner.push(frame)
  yield from joiner.finish()
  leaps.finish()
  warnings += filter(None, [describe(passages or [])])


class AudioJoiner:
  """Turns decoded frames, as they come in, into resampled audio that begins at time zero.

  Each run of frames without a gap goes through one resampler, which adds no delay; gaps are filled with silence.

  Args:
    rate_hz: rate to resample to.
    start: time stamp of time zero in seconds.
    warnings: receives a line for each notable gap.
    channels: which channels are used, one of `tracks.CHANNELS`.
    passages: receives the passages in which the channels cancel, and audio comes in pieces of a second; where None, a
      warning is given at the beginning of each passage, and audio comes as soon as possible.
  """

  def __init__(
    self,
    rate_hz: int,
    start: Fraction,
    warnings: list[str],
    channels: str = "mix",
    passages: list[Passage] | None = None,
  ):
    self._rate_hz = rate_hz
    self._start = start
    self._warnings = warnings
    self._channels = channels
    self._passages: list[Passage] = [] if passages is None else passages
    self._is_kept = passages is not None
    self._written = 0  # samples returned so far
    self._expected = Fraction(0)  # time at which the next frame of this run starts
    self._run: _Run | None = None

  def push(self, frame: av.AudioFrame) -> Iterator[np.ndarray]:
    """Takes a frame and yields the audio that is complete with it, int16 [n] each; exhaust it before the next push."""
    time = frame_time(frame) - self._start
    run = self._run
    if run is None or not run.takes(frame) or abs(time - self._expected) > GAP:
      yield from self.finish()
      if run is not None and abs(time - self._expected) > _NOTABLE_S:
        what = "is filled with silence" if time > self._expected else "is left out where it overlaps"
        self._warnings.append(f"audio jumps from {float(self._expected):.2f} s to {float(time):.2f} s: the gap {what}")
      first = round(time * self._rate_hz)
      for silence in _silence(first - self._written, self._rate_hz):
        yield self._count(silence)
      if frame.layout.nb_channels == 1 and self._channels != "mix" and run is None:
        self._warnings.append(f"the audio is mono: it is used unchanged, as it has no {self._channels} channel")
      on_passage = functools.partial(self._replaced, float(time))
      mixer = Mixer(frame, self._channels, on_passage, _WINDOWS if self._is_kept else 1)
      run = self._run = _Run(frame, self._rate_hz, self._written - first, mixer)
      self._expected = time
    for piece in run.push(frame):
      yield self._count(piece)
    self._expected += Fraction(frame.samples, frame.sample_rate)

  def finish(self) -> Iterator[np.ndarray]:
    """Yields the samples that the resampler still holds."""
    if self._run is not None:
      for piece in self._run.push(None):
        yield self._count(piece)

  def _count(self, piece: np.ndarray) -> np.ndarray:
    self._written += len(piece)
    return piece

  def _replaced(self, start_s: float, passage: Passage) -> None:
    """Keeps a passage of the run that started at `start_s`, or warns where it begins."""
    passage = Passage(start_s + passage.onset_s, start_s + passage.offset_s, passage.channel)
    is_new = add_passage(self._passages, passage)
    if not self._is_kept:
      del self._passages[:-1]
      if is_new:
        self._warnings.append(
          f"the channels cancel from {passage.onset_s:.1f} s on: the {passage.channel} channel is used while they do"
        )


class _Run:
  """Mixes and resamples frames that follow each other without a gap."""

  def __init__(self, frame: av.AudioFrame, rate_hz: int, skip: int, mixer: Mixer):
    self._key = self._format(frame)
    # With s16, swresample keeps a mix from becoming louder than its channels.
    self._resampler = av.AudioResampler("s16", "mono", rate_hz)
    self._skip = skip
    self._mixer = mixer

  @staticmethod
  def _format(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate

  def takes(self, frame: av.AudioFrame) -> bool:
    return self._format(frame) == self._key

  def push(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
    for mixed in itertools.chain(self._mixer.push(frame), [None] if frame is None else ()):
      yield from self._resample(mixed)

  def _resample(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
    for out in self._resampler.resample(frame):
      if out is None:  # flushing an unused resampler
        continue
      samples = out.to_ndarray().reshape(-1)
      dropped = min(self._skip, len(samples))
      self._skip -= dropped
      if dropped < len(samples):
        yield samples[dropped:]


def _silence(count: int, rate_hz: int) -> Iterator[np.ndarray]:
  """Yields `count` zeros in pieces of at most a second."""
  for first in range(0, count, rate_hz):
    yield np.zeros(min(rate_hz, count - first), np.int16)


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
    if position - limit > _NOTABLE_S * rate_hz:
      yield from held
      held, limit = [], None
  if held and limit is not None:
    tail = np.concatenate(held)
    yield tail[: len(tail) - (position - limit)]
  end_s = position / rate_hz
  if leaps.count:
    return
  declared_s, video_s = info.duration_s or 0.0, info.video_end_s or 0.0
  if video_s - end_s > _LASTING_S and not (info.is_of_audio and declared_s - end_s > _NOTABLE_S):
    warnings.append(
      f"audio ends at {end_s:.2f} s, video at {video_s:.2f} s: the timeline ends with the audio and leaves out the "
      "video after it"
    )
  elif declared_s - end_s > _NOTABLE_S:
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


def _displayed_size(frame: av.VideoFrame, pixel_aspect: Fraction, orientation: Orientation) -> tuple[int, int]:
  """Returns the width and height of a frame, upright and with square pixels."""
  width, height = round(frame.width * pixel_aspect), frame.height
  return (height, width) if orientation.is_sideways else (width, height)
