"""Probes files: their tracks, formats and lengths.

Time zero of a recording is the start of its first stream: the earlier of the first audio frame and the first video
frame that decode.
"""

from collections.abc import Iterable, Mapping, Sequence
import contextlib
import dataclasses
from fractions import Fraction
import io
import os
import re
from typing import Any, NamedTuple

import av

from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.frame import displayed_size
from attavvad_jax.media.order import PacketOrder
from attavvad_jax.media.packets import decode_frames, open_container, read_packets, start_decoder, take_only
from attavvad_jax.media.parts import may_leap
from attavvad_jax.media.shown import UPRIGHT, Orientation, frame_time, orientation
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
  with open_container(path, file) as container:
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
  with open_container(path) as container:
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


def read_order(path: str | os.PathLike[str], info: MediaInfo) -> PacketOrder:
  """Returns the order of the packets of the used tracks: reads all packets, but decodes none.

  Args:
    path: the file.
    info: the result of `probe` for it.

  Raises:
    OSError, MediaError: the file cannot be opened.
  """
  order = PacketOrder()
  with open_container(path) as container:
    streams = [container.streams[index] for index in map(info.index, KINDS) if index is not None]
    take_only(container, streams)
    for _ in read_packets(container, streams, order=order):
      pass
  return order


class _First(NamedTuple):
  """The index of a stream among all of its file, and its first decoded frame."""

  stream: int
  frame: Any


def _first(path: str | os.PathLike[str], streams: Iterable[Any], firsts: Mapping[int, Any]) -> _First | None:
  """Returns the first stream that gives a frame; None where there is none. `firsts` holds the frames already known."""
  for stream in streams:
    known = stream.index in firsts
    frame = firsts[stream.index] if known else next(decode_frames(path, stream.index, Fraction(0), []), None)
    if frame is not None:
      return _First(stream.index, frame)
  return None


def _first_frames(container: Any, streams: Sequence[Any]) -> dict[int, Any]:
  """Returns the first frame with a time stamp of each stream, by the stream's index; None where there is none."""
  firsts: dict[int, Any] = {stream.index: None for stream in streams}
  open_streams = [stream for stream in streams if stream.codec_context is not None]  # others have no decoder
  take_only(container, open_streams)
  decoders = {stream.index: start_decoder(stream) for stream in open_streams}
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
      width, height = displayed_size(frame, aspect, turned)
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


def _declared_end(stream: Any) -> Fraction | None:
  """Returns the time stamp in seconds at which a stream ends, as declared."""
  if stream is None or stream.time_base is None:
    return None
  if stream.duration is not None:
    return (stream.duration + (stream.start_time or 0)) * stream.time_base
  # Matroska writers add this tag when a track is complete.
  end = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
  return None if end is None else 3600 * Fraction(end[1]) + 60 * Fraction(end[2]) + Fraction(end[3])
