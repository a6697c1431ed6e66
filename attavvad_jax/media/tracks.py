"""Chooses the audio and video tracks of a file that are used, and the channels of the audio."""

from collections.abc import Sequence
import dataclasses
from typing import Any, Literal, NamedTuple, Self

import av

from attavvad_jax.media.errors import MediaError

Kind = Literal["audio", "video"]
KINDS: tuple[Kind, Kind] = ("audio", "video")

# The mix of all channels, the left or the right one alone, or half the difference of left and right.
CHANNELS = ("mix", "left", "right", "side")

_NAMES = {"audio": "audio track", "video": "video track"}
_Flags = av.stream.Disposition
# Flags of tracks beside the main one: for some of the audience, about the recording, or without its voices.
_BESIDE = (
  _Flags.hearing_impaired
  | _Flags.visual_impaired
  | _Flags.comment
  | _Flags.descriptions
  | _Flags.karaoke
  | _Flags.clean_effects
  | _Flags.still_image
  | _Flags.dependent
)


@dataclasses.dataclass(frozen=True)
class Tracks:
  """The choice of tracks and channels, for recordings that have several.

  Attributes:
    audio: number of the audio track, from 1 in the order of the file, or its language as stored in the file (`deu`).
      Where None, the choice of players: the first track that the file marks as default, else the first; tracks for the
      hearing or visually impaired, comments and accompaniments come after the others.
    video: number of the video track, from 1 in the order of the file. Where None, the only one that the file marks as
      default; of several of equal rank, the one in which faces are detected (`camera.with_camera`), else the first.
    channels: one of `CHANNELS`.

  Raises:
    ValueError: a number is below 1, or the channels are not in `CHANNELS`.
  """

  audio: int | str | None = None
  video: int | None = None
  channels: str = "mix"

  def __post_init__(self):
    for kind, number in (("audio", self.audio), ("video", self.video)):
      if isinstance(number, int) and number < 1:
        raise ValueError(f"{_NAMES[kind]} is {number}; expected 1 or more")
    if self.audio == "":
      raise ValueError("audio track is empty; expected a number or a language")
    if self.channels not in CHANNELS:
      raise ValueError(f"audio channels are {self.channels!r}; expected one of {', '.join(CHANNELS)}")

  @classmethod
  def parse(
    cls, audio: str | None = None, video: str | int | None = None, channels: str | None = None, where: str = ""
  ) -> Self:
    """Parses texts of a command line or a table, where None and "" mean no choice; errors begin with `where`."""
    try:
      if isinstance(video, str) and video and not video.isdecimal():
        raise ValueError(f"video track is {video!r}; expected a number")
      return cls(
        int(audio) if audio and audio.isdecimal() else audio or None, int(video) if video else None, channels or "mix"
      )
    except ValueError as error:
      raise ValueError(f"{where}{error}") from None


DEFAULT_TRACKS = Tracks()


@dataclasses.dataclass(frozen=True)
class Track:
  """One audio or video track.

  Attributes:
    number: number among the tracks of its kind, from 1 in the order of the file; cover images are not counted.
    index: index of the stream among all of the file.
    language: language as stored in the file; None where it is not stored.
    title: title as stored in the file; None where it is not stored.
    codec: FFmpeg's name of the codec.
    layout: FFmpeg's name of the channel layout; None for video.
    channels: number of channels; None for video.
    width_px: width of the frames as stored; None for audio.
    height_px: height of the frames as stored; None for audio.
  """

  number: int
  index: int
  language: str | None
  title: str | None
  codec: str
  layout: str | None = None
  channels: int | None = None
  width_px: int | None = None
  height_px: int | None = None

  def __str__(self) -> str:
    layout = {1: "mono", 2: "stereo"}.get(self.channels or 0, self.layout)
    shape = layout if self.width_px is None else f"{self.width_px}x{self.height_px}"
    title = None if self.title is None else f"“{self.title}”"
    return f"{self.number} ({', '.join(part for part in (self.language, title, self.codec, shape) if part)})"

  def to_dict(self) -> dict[str, Any]:
    """Returns the attributes that identify the track, for JSON."""
    values = dataclasses.asdict(self)
    unused = ("width_px", "height_px") if self.width_px is None else ("layout", "channels")
    return {key: value for key, value in values.items() if key not in ("index", *unused)}


class Stored(NamedTuple):
  """The format in which a container stores one audio or video stream.

  Attributes:
    kind: kind of the stream.
    codec: FFmpeg's name of the codec; None where there is no decoder.
    pixels: FFmpeg's name of the pixel format; None for audio.
    frames: declared number of frames; 0 where it is not declared.
  """

  kind: Kind
  codec: str | None
  pixels: str | None
  frames: int


def all_stored(container: Any) -> list[Stored]:
  """Returns the formats of all audio and video streams, cover images included."""
  return [
    Stored(kind, context and context.name, getattr(context, "pix_fmt", None), stream.frames)
    for kind in KINDS
    for stream in getattr(container.streams, kind)
    for context in [stream.codec_context]
  ]


def all_tracks(container: Any, kind: Kind) -> list[Track]:
  """Returns all audio tracks, or all video tracks, in the order of the file."""
  return [_describe(number, stream) for number, stream in enumerate(_streams(container, kind), start=1)]


def chosen(container: Any, kind: Kind, tracks: Tracks, name: str) -> list[Any]:
  """Returns the streams to try, best first: one where a number is requested, none where the file has none.

  Raises:
    MediaError: there is no such track; the message begins with `name` and lists the tracks of the file.
  """
  streams = _streams(container, kind)
  wanted = tracks.audio if kind == "audio" else tracks.video
  if isinstance(wanted, int):
    matching = streams[wanted - 1 : wanted]
  elif wanted is not None:
    matching = sorted((stream for stream in streams if _speaks(stream, wanted)), key=_rank)
  else:
    return sorted(streams, key=_rank)
  if not matching:
    there = ", ".join(map(str, all_tracks(container, kind))) or "none"
    raise MediaError(f"{name}: no {_NAMES[kind]} {wanted}; there {'is' if len(streams) < 2 else 'are'} {there}")
  return matching


def of_equal_rank(streams: Sequence[Any]) -> list[Any]:
  """Returns those of the streams of `chosen` that the file ranks equal to the first."""
  return [stream for stream in streams if _rank(stream) == _rank(streams[0])]


def describe_choice(kind: Kind, used: Track | None, there: Sequence[Track]) -> str | None:
  """Returns a line that names the used track and the others; None where there is no choice."""
  others = [str(track) for track in there if used is None or track.number != used.number]
  if used is None or not others:
    return None
  return f"{_NAMES[kind]} {used} of {len(there)}; not used: {', '.join(others)}"


def _streams(container: Any, kind: Kind) -> list[Any]:
  """Returns the streams of a kind without cover images."""
  return [stream for stream in getattr(container.streams, kind) if not stream.disposition & _Flags.attached_pic]


def _rank(stream: Any) -> tuple[bool, bool, bool, int, int]:
  """Returns a sort key: the smallest is chosen first; declared streams that have sent nothing come last.

  A playlist (HLS, DASH) offers the same stream in several qualities, each with a bit rate; the best is chosen.
  """
  context, flags = stream.codec_context, stream.disposition
  is_video, quality = stream.type == "video", stream.metadata.get("variant_bitrate")
  is_known = context is not None and bool(context.width if is_video else context.sample_rate)
  lines = context.height if is_known and is_video else 0
  is_beside = bool(flags & _BESIDE)
  if quality is None:
    return not is_known, not flags & _Flags.default, is_beside, 0, 0
  return not is_known, not flags & _Flags.default, is_beside, -lines, -int(quality)


def _speaks(stream: Any, language: str) -> bool:
  """Returns whether a stream is in a language; `en` also matches `en-GB`."""
  tag = (_language(stream) or "").lower()
  return language.lower() in (tag, tag.partition("-")[0])


def _language(stream: Any) -> str | None:
  tag = stream.metadata.get("language")
  return None if tag in (None, "", "und") else tag


def _describe(number: int, stream: Any) -> Track:
  context = stream.codec_context
  track = Track(
    number,
    stream.index,
    _language(stream),
    stream.metadata.get("title") or None,
    "unknown" if context is None else context.name,
  )
  if context is None:
    return track
  if stream.type == "video":
    return dataclasses.replace(track, width_px=context.width, height_px=context.height)
  return dataclasses.replace(track, layout=context.layout.name, channels=context.channels)
