"""Reads any file that FFmpeg reads: sound as a stream of samples, pictures at asked times.

Time zero of a recording is the moment at which the first of its streams starts: the earlier of the first sound and the
first picture that decode. All times here are seconds after it, taken from presentation time stamps and never from
counting frames. Where time stamps leap, the parts of the recording are put in a row (`parts`). Axes: n samples, H, W
picture as displayed (rotated and with square pixels).
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

# Pictures are made no larger than this: faces down to 30 px are found in them, and conversion stays cheap.
LONG_SIDE_PX = 960

# A picture stands in for at most this long before the first frame, and after the end of one that none follows.
HOLD_S = 0.5
# A still stays until the next picture comes, for at most this long: what stands longer, while sound goes on, is a lost
# connection or a camera that was taken away. By the stamps alone, the two cannot be told apart.
STILL_S = 5.0
# Times between pictures from which the rate of pictures is told.
_NUM_SPACINGS = 9
# Time stamps are rounded to their time base: a frame may be due by a hair.
_DUE_S = 1e-6

# Time stamps in milliseconds jitter by one; the shortest packet that can be lost is 20 ms long.
GAP = Fraction(1, 100)
# Gaps and missing ends that are worth a word.
_NOTABLE_S = 0.5
# What is looked at together of sound that nobody waits for.
_WINDOWS = 20
# Pictures may go on for so long after the sound without a word.
_LASTING_S = 1.0
# How far from where parts are joined packets may be marked as damaged without being so.
_JOINT = Fraction(1)
# A playlist that does not say that it has ended is read from its beginning, and waited for no longer than a segment.
# What a file refers to is read from disk only, as FFmpeg does by default where it opens the file by its name.
_OPTIONS = {"live_start_index": "0", "max_reload": "1", "protocol_whitelist": "file,crypto,data"}
# Reading goes on after a place that cannot be read, unless there are this many one after the other.
_MAX_READ_ERRORS = 100


class StoredFrame(NamedTuple):
  """Format of a picture as it is stored: not turned, with pixels of any shape; colors by FFmpeg's numbers."""

  width_px: int
  height_px: int
  time_base: Fraction
  colorspace: int
  color_primaries: int
  color_trc: int


@dataclasses.dataclass(frozen=True)
class MediaInfo:
  """What is in a file.

  Attributes:
    start: time stamp of time zero in seconds, subtracted from all others.
    duration_s: declared end of the sound, else of the file, after time zero; None where the file does not say.
    audio_end: the same to the sample, in seconds, in files that say so (mp4 and its kin); else None.
    video_end_s: declared end of the pictures after time zero; None where the file does not say.
    is_of_audio: whether `duration_s` is declared of the sound, not of the file.
    sample_rate_hz: of the sound as stored; None without sound.
    width_px: of the pictures as displayed, before `LONG_SIDE_PX`; None without pictures.
    height_px: likewise.
    frames_per_second: mean rate of the pictures; None without pictures or where the file does not say.
    pixel_aspect: width of a stored pixel divided by its height.
    orientation: how the first picture is displayed.
    tracks: what was asked for, with the numbers of the tracks that are used.
    audio_tracks: all that there are.
    video_tracks: likewise.
    rivals: the same of each of the pictures among which the file makes no choice; empty where there is a choice.
    container: FFmpeg's name of the format.
    stored: how all sound and pictures are stored, cover pictures included.
    first_frame: format of the first picture; None without pictures.
    order: how the packets of the tracks that are used follow each other; None before all of them have been read.
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
    """The sound that is used."""
    return self.audio_tracks[int(self.tracks.audio or 1) - 1] if self.has_audio else None

  @property
  def video_track(self) -> Track | None:
    """The pictures that are used."""
    return self.video_tracks[(self.tracks.video or 1) - 1] if self.has_video else None

  def index(self, kind: Kind) -> int | None:
    """Of the stream that is used, among all of the file; None where there is none."""
    track = self.audio_track if kind == "audio" else self.video_track
    return None if track is None else track.index

  def choices(self) -> list[str]:
    """A line for sound and pictures each, where the file has several: what is used, and what is not."""
    lines = (
      describe_choice("audio", self.audio_track, self.audio_tracks),
      describe_choice("video", self.video_track, self.video_tracks),
    )
    return [line for line in lines if line is not None]


class Frame:
  """What is on screen at a moment: upright, with square pixels, the longer side at most `LONG_SIDE_PX`.

  It is converted when a property is first asked for, as most pictures need no color.
  """

  def __init__(self, frame: av.VideoFrame, convert: "Converter"):
    self._frame = frame
    self._convert = convert

  @classmethod
  def from_rgb(cls, rgb: np.ndarray) -> Self:
    """A picture in color, uint8 [H,W,3], as it would have come from a file."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
      raise ValueError(f"picture is {rgb.dtype} {rgb.shape}; expected uint8 [height, width, 3] in RGB")
    return cls(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"), Converter(Fraction(1)))

  @functools.cached_property
  def rgb(self) -> np.ndarray:
    """The picture in color, uint8 [H,W,3]."""
    rgb = self._convert(self._frame, "rgb24").to_ndarray()
    return np.ascontiguousarray(self._convert.orientation(self._frame).upright(rgb))

  @functools.cached_property
  def gray(self) -> np.ndarray:
    """The picture's luma, uint8 [H,W]: the one way to gray, for training and detection alike."""
    frame = self._convert(self._frame, "yuv420p")
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    # A copy: the frame's memory goes back to the decoder.
    return self._convert.orientation(self._frame).upright(luma).copy()


class Converter:
  """Scales frames and changes their format; one for all frames, as setting it up costs more than a conversion.

  `orientation` tells how a frame is displayed.
  """

  def __init__(self, pixel_aspect: Fraction):
    self._pixel_aspect = pixel_aspect
    self.orientation = Orientations()
    self._reformatters: dict[str, VideoReformatter] = {}

  def __call__(self, frame: av.VideoFrame, format: str) -> av.VideoFrame:
    """The frame in a pixel format, with square pixels and at most `LONG_SIDE_PX` long; not turned upright."""
    orientation = self.orientation(frame)
    width, height = _displayed_size(frame, self._pixel_aspect, orientation)
    scale = min(1.0, LONG_SIDE_PX / max(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    if orientation.is_sideways:
      width, height = height, width
    reformatter = self._reformatters.setdefault(format, VideoReformatter())
    return reformatter.reformat(frame, width=width, height=height, format=format)


class TimedFrame(NamedTuple):
  """A picture, when it comes on screen, and how long it stays there unless another comes (0 where nobody knows)."""

  time_s: float
  picture: Frame
  length_s: float = 0.0


class FrameSampler:
  """What is on screen at a time, told while pictures come in.

  A picture lasts until the next one, but no longer than `HOLD_S` beyond its own length; the first also stands in for
  `HOLD_S` before it. Times must be asked for in ascending order.
  """

  def __init__(self):
    self._video: deque[TimedFrame] = deque()
    self._spacings_s: deque[float] = deque(maxlen=_NUM_SPACINGS)
    self._ended = False

  @property
  def spacing_s(self) -> float | None:
    """Median time between the last pictures that have been on screen; None before there are three of them.

    A still among others does not change it.
    """
    return statistics.median_low(self._spacings_s) if len(self._spacings_s) > 1 else None

  def push(self, picture: TimedFrame) -> bool:
    """Takes the next picture; false, and it is left out, where it is not later than the one before."""
    if self._video and picture.time_s <= self._video[-1].time_s:
      return False
    self._video.append(picture)
    return True

  def end(self) -> None:
    """Says that no more pictures come."""
    self._ended = True

  def knows(self, time_s: float) -> bool:
    """Whether the answer for a time can no longer change."""
    return self._ended or bool(self._video and self._video[-1].time_s > time_s + _DUE_S)

  def at(self, time_s: float) -> Frame | None:
    """The picture at a time, as far as is known; None where there is none."""
    while len(self._video) > 1 and self._video[1].time_s <= time_s + _DUE_S:
      passed = self._video.popleft()
      self._spacings_s.append(self._video[0].time_s - passed.time_s)
    if not self._video:
      return None
    start_s, picture, length_s = self._video[0]
    return picture if start_s - HOLD_S <= time_s < start_s + length_s + HOLD_S else None


def probe(
  path: str | os.PathLike[str], tracks: Tracks = DEFAULT_TRACKS, file: io.BufferedReader | None = None
) -> MediaInfo:
  """Opens a file and decodes the first sound and the first picture; a stream that gives none counts as absent.

  Args:
    path: the file.
    tracks: which of its sound and pictures are meant.
    file: the same, open and at its beginning, so that it need not be opened again; its position changes.

  Raises:
    OSError: the file is missing, a folder or not readable.
    MediaError: FFmpeg cannot read it, nothing in it decodes, or it has no such track.
  """
  with _open(path, file) as container:
    header = _Header(container)
    candidates = {kind: chosen(container, kind, tracks, str(path)) for kind in KINDS}
    equals = of_equal_rank(candidates["video"])
    # Of sound, nearly always the first one gives something.
    firsts = _first_frames(container, [*candidates["audio"][:1], *equals])
    sound, picture = (_first(path, candidates[kind], firsts) for kind in KINDS)
    rivals = [_First(stream.index, firsts[stream.index]) for stream in equals if firsts[stream.index] is not None]
  if sound is None and picture is None:
    raise MediaError(f"{path}: neither sound nor pictures in it can be decoded; expected a video with sound")
  info = header.info(tracks, sound, picture)
  if len(rivals) < 2:
    return info
  return dataclasses.replace(info, rivals=tuple(header.info(tracks, sound, rival) for rival in rivals))


class _First(NamedTuple):
  """A stream, by its number among all of its file, and the first frame that it gives."""

  stream: int
  frame: Any


def _first(path: str | os.PathLike[str], streams: Iterable[Any], firsts: Mapping[int, Any]) -> _First | None:
  """Of the first stream that gives anything; None where there is none. `firsts` are those that are known."""
  for stream in streams:
    known = stream.index in firsts
    frame = firsts[stream.index] if known else next(_frames(path, stream.index, Fraction(0), []), None)
    if frame is not None:
      return _First(stream.index, frame)
  return None


def _first_frames(container: Any, streams: Sequence[Any]) -> dict[int, Any]:
  """The first frame with a time stamp that each stream gives, by the stream's index; None where it gives none."""
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
      # Where the others come much later, or never, they are found without reading all of this one.
      packet.stream.discard = av.stream.Discard.all
      if all(firsts[stream.index] is not None for stream in open_streams):
        break
  return firsts


class _Header:
  """What a container declares before anything of it is read, which may change some of it."""

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

  def info(self, tracks: Tracks, sound: _First | None, picture: _First | None) -> MediaInfo:
    """What is in the file, of which these are used; one of them at least."""
    start = min(frame_time(first.frame) for first in (sound, picture) if first is not None)
    of_audio = None if sound is None else self._streams[sound.stream]
    is_of_audio = of_audio is not None and of_audio.has_duration
    declared = of_audio.end if of_audio is not None and is_of_audio else self._end
    exact = is_of_audio and "mov" in self._format
    of_video = None if picture is None else self._streams[picture.stream]
    video_end = None if of_video is None else of_video.end
    rate = None if of_video is None else of_video.rate
    aspect = Fraction(1) if of_video is None else of_video.pixel_aspect
    width, height, turned, stored = None, None, UPRIGHT, None
    if picture is not None:
      frame = picture.frame
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
      sample_rate_hz=None if sound is None else sound.frame.sample_rate,
      width_px=width,
      height_px=height,
      frames_per_second=float(rate) if rate else None,
      pixel_aspect=aspect,
      orientation=turned,
      tracks=dataclasses.replace(tracks, audio=self._number("audio", sound), video=self._number("video", picture)),
      audio_tracks=self._tracks["audio"],
      video_tracks=self._tracks["video"],
      container=self._format,
      stored=self._stored,
      first_frame=stored,
    )

  def _number(self, kind: Kind, first: _First | None) -> int | None:
    return next((track.number for track in self._tracks[kind] if first and track.index == first.stream), None)


class _Declared:
  """What a container declares of one stream."""

  def __init__(self, stream: Any):
    self.end = _declared_end(stream)
    self.has_duration = stream.duration is not None and self.end is not None
    is_video = stream.type == "video"
    self.rate = stream.average_rate if is_video else None
    self.pixel_aspect = Fraction(stream.sample_aspect_ratio or 1 if is_video else 1)


def recorded_s(
  path: str | os.PathLike[str], tracks: Tracks = DEFAULT_TRACKS, info: MediaInfo | None = None
) -> float | None:
  """How long a recording is: as the file declares, or, where its container lets time stamps leap, as its packets say.

  Args:
    path: the file.
    tracks: which of its sound and pictures are meant.
    info: what `probe` says of the file and these tracks, where it has been asked already.

  Returns:
    Seconds after time zero; None where nothing tells.

  Raises:
    OSError, MediaError: as `probe`.
  """
  info = info or probe(path, tracks)
  with _open(path) as container:
    if not may_leap(container):
      return info.duration_s
    streams = [container.streams[index] for index in map(info.index, KINDS) if index is not None]
    # The sound says how long a recording is, where there is any.
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
  """The sound in mono from time zero to its end, in pieces; `mixing` says how its channels become one.

  Sample ``j`` of the joined pieces is heard at j / sample_rate_hz; where the file has no sound in between, or starts
  late, there are zeros. Memory does not grow with the length.

  Args:
    path: the file.
    sample_rate_hz: rate to resample to.
    info: what `probe` gave for the file and the choice of tracks; where None, it is asked for the file alone.
    warnings: gets one line for each thing that is damaged or odd.
    passages: gets those in which the channels cancel, of which one warning tells at the end; where None, each is warned
      of where it begins.
    order: follows the packets of the sound, and of the pictures beside it.

  Returns:
    An iterator of int16 [n].

  Raises:
    OSError, MediaError: as `probe`, and MediaError where there is no sound.
  """
  info = info or probe(path)
  if not info.has_audio:
    raise MediaError(f"{path}: no sound in this file; expected a video with sound")
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
  """The picture that is on screen at each time: of the last frame whose time stamp is not later.

  A frame stays until the next one comes, for at most `STILL_S`; it stands in for `HOLD_S` beyond that, and the first
  for as long before it; elsewhere there is none (`FrameSampler`).

  Args:
    path: the file.
    times_s: seconds after time zero, ascending; taken one at a time, so they may depend on what was read.
    info: what `probe` gave for the file and the choice of tracks; where None, it is asked for the file alone.
    warnings: gets one line for each thing that is damaged.

  Returns:
    An iterator with one entry for each time: a `Frame`, or None. The same picture may come twice.

  Raises:
    OSError, MediaError: as `probe`.
  """
  return _video(read_timed_frames(path, info or probe(path), [] if warnings is None else warnings), times_s)


def read_timed_frames(path: str | os.PathLike[str], info: MediaInfo, warnings: list[str]) -> Iterator[TimedFrame]:
  """All pictures of a file with their times, in order; arguments as for `read_frames`.

  Each stays until the next comes (for `STILL_S`), and the last as long as those before it did: containers tell lengths
  of their own, or none.
  """
  waiting: TimedFrame | None = None
  lengths_s = deque([0.0], maxlen=2)
  for picture in _timed_frames(path, info, warnings):
    if waiting is not None:
      lengths_s.append(picture.time_s - waiting.time_s)
      yield waiting
    waiting = picture
  if waiting is not None:
    yield waiting._replace(length_s=max(0.0, min(lengths_s)))


def _timed_frames(path: str | os.PathLike[str], info: MediaInfo, warnings: list[str]) -> Iterator[TimedFrame]:
  convert = Converter(info.pixel_aspect)
  index = info.index("video")
  for frame in () if index is None else _frames(path, index, info.start, warnings, beside=info.index("audio")):
    yield timed_frame(frame, info.start, convert)


def timed_frame(frame: av.VideoFrame, start: Fraction, convert: "Converter") -> TimedFrame:
  """A decoded frame, which others may follow, on the clock of its recording, whose time zero is `start`."""
  return TimedFrame(float(frame_time(frame) - start), Frame(frame, convert), STILL_S)


def open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
  """Opens a file for reading, or says in one line why not."""
  _check_file(Path(path))
  return open(path, "rb")


def _check_file(path: Path) -> None:
  if path.is_dir():
    raise IsADirectoryError(f"{path} is a folder; expected a video file")
  if not path.exists():
    raise FileNotFoundError(f"{path}: no such file")
  if path.is_file() and not path.stat().st_size:
    raise MediaError(f"{path}: the file is empty; expected a video with sound")


def _open(path: str | os.PathLike[str], file: io.BufferedReader | None = None) -> av.container.InputContainer:
  """Opens a container for reading, in a file that is open already where it is given, or says in one line why not."""
  _check_file(Path(path))
  try:
    # The prefix keeps FFmpeg from taking a colon in the name for a protocol.
    return av.open(f"file:{Path(path)}" if file is None else file, "r", options=_OPTIONS)
  except av.FFmpegError as error:
    with open(path, "rb") as stream:
      head = stream.read(12)
    if head[4:8] == b"ftyp":
      raise MediaError(f"{path}: mp4 file without its index (moov): cut off while it was written or copied") from error
    raise MediaError(f"{path}: not a video or sound file that FFmpeg can read ({error.strerror})") from error


def _declared_end(stream: Any) -> Fraction | None:
  """Time stamp in seconds at which a stream ends, as the file says."""
  if stream is None or stream.time_base is None:
    return None
  if stream.duration is not None:
    return (stream.duration + (stream.start_time or 0)) * stream.time_base
  # What writers of Matroska note of a track when it is whole.
  end = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
  return None if end is None else 3600 * Fraction(end[1]) + 60 * Fraction(end[2]) + Fraction(end[3])


def frame_time(frame: Any) -> Fraction:
  """Presentation time stamp of a decoded frame in seconds."""
  return frame.pts * frame.time_base


def _frames(
  path: str | os.PathLike[str],
  index: int,
  start: Fraction,
  warnings: list[str],
  beside: int | None = None,
  tell: Callable[[float], None] = lambda place: None,
  order: PacketOrder | None = None,
) -> Iterator[Any]:
  """Decoded frames of a stream that have a time stamp; what is damaged is passed over.

  All parts of the recording are on the clock of the first (`in_parts`), which the stream `beside` it helps to find;
  `tell` is given the time at which each other part begins. The warning tells where there is damage, in seconds after
  `start`.
  """
  with _open(path) as container:
    stream: Any = container.streams[index]
    if stream.codec_context is None:  # no decoder for it
      return
    taken = [stream] if beside is None else [stream, container.streams[beside]]
    _take_only(container, taken)
    decode = _start(stream)
    damage = _Damage("sound" if stream.type == "audio" else "pictures", start, warnings)

    def leaps(place: float) -> None:
      damage.joined()
      tell(place)

    for packet in read_packets(container, taken, damaged=damage.found, tell=leaps, order=order):
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
  """Has a container pass over the packets of all other streams."""
  taken = {stream.index for stream in streams}
  for stream in container.streams:
    if stream.index not in taken:
      stream.discard = av.stream.Discard.all


def _start(stream: Any) -> Callable[[Any], list[Any]]:
  """What decodes a stream, in as many threads as there are cores."""
  stream.codec_context.thread_type = "AUTO"
  return decoder(stream)


class _Damage:
  """Says once where a stream is damaged.

  What a container marks as damaged counts only where no parts have been joined: its packets are numbered anew there.

  Args:
    name: of what is damaged.
    start: time stamp of time zero in seconds.
    warnings: gets the line.
  """

  def __init__(self, name: str, start: Fraction, warnings: list[str]):
    self._name, self._start, self._warnings = name, start, warnings
    self._last = start
    self._marked: Fraction | None = None
    self._joined: Fraction | None = None
    self._is_told = False

  def passed(self, time: Fraction) -> None:
    """A frame is whole."""
    self._last = time
    if self._marked is not None and time - self._marked > _JOINT:
      self.finish()

  def marked(self) -> None:
    """A packet is said to be damaged."""
    if self._marked is None and (self._joined is None or self._last - self._joined > _JOINT):
      self._marked = self._last

  def joined(self) -> None:
    """A part begins about here."""
    self._marked, self._joined = None, self._last

  def found(self) -> None:
    """Something cannot be read or decoded."""
    self._tell(self._last)

  def finish(self) -> None:
    """No part is going to begin any more."""
    if self._marked is not None:
      self._tell(self._marked)

  def _tell(self, place: Fraction) -> None:
    if not self._is_told:
      self._is_told = True
      after_s = float(place - self._start)
      self._warnings.append(f"{self._name} damaged after {after_s:.2f} s: what can be decoded is used")


def read_packets(
  container: Any,
  streams: list[Any],
  *,
  damaged: Callable[[], None] = lambda: None,
  tell: Callable[[float], None] = lambda place: None,
  order: PacketOrder | None = None,
) -> Iterator[Any]:
  """The packets of a file's sound and pictures, all parts on the clock of the first (`in_parts`).

  Args:
    container: the open file.
    streams: those that are taken; whoever takes the same finds the same parts.
    damaged: is called where something cannot be read; what follows it comes all the same.
    tell: is given the time stamp in seconds at which each part but the first begins.
    order: follows them.
  """
  order = PacketOrder() if order is None else order

  def unreadable() -> None:
    order.damaged()
    damaged()

  def leaps(place: float) -> None:
    order.num_leaps += 1
    tell(place)

  return in_parts(order.watch(_packets(container, streams, unreadable)), container, tell=leaps)


def read_order(path: str | os.PathLike[str], info: MediaInfo) -> PacketOrder:
  """How the packets of the tracks that are used follow each other: reads all of them, and decodes none.

  Args:
    path: the file.
    info: what `probe` gave for it.

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
  """As the container has them, with those after a place that cannot be read."""
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
  for frame in _frames(path, index, info.start, warnings, info.index("video"), leaps.tell, order):
    yield from joiner.push(frame)
  yield from joiner.finish()
  leaps.finish()
  warnings += filter(None, [describe(passages or [])])


class AudioJoiner:
  """Decoded frames to resampled sound from time zero on, as they come in.

  Runs without a gap go through one resampler each, which adds no delay; gaps are filled with silence.

  Args:
    rate_hz: rate to resample to.
    start: time stamp of time zero in seconds.
    warnings: gets a line for each notable gap.
    channels: which of the sound's channels are heard, one of `tracks.CHANNELS`.
    passages: gets those in which the channels cancel, and the sound comes in pieces of a second; where None, their
      beginnings are warned of, and the sound comes as soon as it can.
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
    self._written = 0  # samples given out so far
    self._expected = Fraction(0)  # time at which the next frame of this run starts
    self._run: _Run | None = None

  def push(self, frame: av.AudioFrame) -> Iterator[np.ndarray]:
    """The sound, int16 [n] each, that is complete with a frame; to be taken before the next frame is pushed."""
    time = frame_time(frame) - self._start
    run = self._run
    if run is None or not run.takes(frame) or abs(time - self._expected) > GAP:
      yield from self.finish()
      if run is not None and abs(time - self._expected) > _NOTABLE_S:
        what = "is filled with silence" if time > self._expected else "is left out where it overlaps"
        self._warnings.append(f"sound jumps from {float(self._expected):.2f} s to {float(time):.2f} s: the gap {what}")
      first = round(time * self._rate_hz)
      for silence in _silence(first - self._written, self._rate_hz):
        yield self._count(silence)
      if frame.layout.nb_channels == 1 and self._channels != "mix" and run is None:
        self._warnings.append(f"the sound is mono: it is used as it is, there is no {self._channels} channel")
      tell = functools.partial(self._replaced, float(time))
      mixer = Mixer(frame, self._channels, tell, _WINDOWS if self._is_kept else 1)
      run = self._run = _Run(frame, self._rate_hz, self._written - first, mixer)
      self._expected = time
    for piece in run.push(frame):
      yield self._count(piece)
    self._expected += Fraction(frame.samples, frame.sample_rate)

  def finish(self) -> Iterator[np.ndarray]:
    """What the resampler still holds."""
    if self._run is not None:
      for piece in self._run.push(None):
        yield self._count(piece)

  def _count(self, piece: np.ndarray) -> np.ndarray:
    self._written += len(piece)
    return piece

  def _replaced(self, start_s: float, passage: Passage) -> None:
    """Keeps a passage of the run that started at a time, or tells where it begins."""
    passage = Passage(start_s + passage.onset_s, start_s + passage.offset_s, passage.channel)
    is_new = add_passage(self._passages, passage)
    if not self._is_kept:
      del self._passages[:-1]
      if is_new:
        self._warnings.append(
          f"the channels cancel from {passage.onset_s:.1f} s on: the {passage.channel} channel is used while they do"
        )


class _Run:
  """Frames that follow each other without a gap, on their way through one mixer and one resampler."""

  def __init__(self, frame: av.AudioFrame, rate_hz: int, skip: int, mixer: Mixer):
    self._key = self._format(frame)
    # To s16: swresample then keeps a mix of channels from growing louder than they are.
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
      if out is None:  # flushing a resampler that had nothing to do
        continue
      samples = out.to_ndarray().reshape(-1)
      dropped = min(self._skip, len(samples))
      self._skip -= dropped
      if dropped < len(samples):
        yield samples[dropped:]


def _silence(count: int, rate_hz: int) -> Iterator[np.ndarray]:
  """That many zeros in pieces of at most a second."""
  for first in range(0, count, rate_hz):
    yield np.zeros(min(rate_hz, count - first), np.int16)


def _to_the_end(
  pieces: Iterator[np.ndarray], info: MediaInfo, rate_hz: int, warnings: list[str], leaps: Leaps
) -> Iterator[np.ndarray]:
  """Cuts off what an encoder added to fill its last packet, and says where sound is missing at the end.

  Much more than a packet beyond the declared end means that the declaration is wrong; then everything is kept. So it is
  where there are several parts, as nothing declares the length of all.
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
      f"sound ends at {end_s:.2f} s, pictures at {video_s:.2f} s: the timeline ends with the sound, and says "
      "nothing of what is seen after it"
    )
  elif declared_s - end_s > _NOTABLE_S:
    warnings.append(f"sound ends at {end_s:.2f} s, {declared_s:.2f} s were declared: damaged end, or no sound there")


def _video(pictures: Iterator[TimedFrame], times_s: Iterable[float]) -> Iterator[Frame | None]:
  screen = FrameSampler()
  for time_s in times_s:
    while not screen.knows(time_s):
      picture = next(pictures, None)
      if picture is None:
        screen.end()
      else:
        screen.push(picture)
    yield screen.at(time_s)


def _displayed_size(frame: av.VideoFrame, pixel_aspect: Fraction, orientation: Orientation) -> tuple[int, int]:
  """Width and height of a frame with square pixels, upright."""
  width, height = round(frame.width * pixel_aspect), frame.height
  return (height, width) if orientation.is_sideways else (width, height)
