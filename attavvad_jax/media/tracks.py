"""Which of a file's sound tracks and pictures are used, and which of the sound's channels."""

from collections.abc import Sequence
import dataclasses
from typing import Any, Literal, NamedTuple, Self

import av

from attavvad_jax.media.errors import MediaError

Kind = Literal["audio", "video"]
KINDS: tuple[Kind, Kind] = ("audio", "video")

# `mix` of all, the left or the right one alone, or what tells them apart.
CHANNELS = ("mix", "left", "right", "side")

_NAMES = {"audio": "sound track", "video": "pictures"}
_OPTIONS = {"audio": "audio track", "video": "video track"}
_Flags = av.stream.Disposition
# Tracks beside the main one: for some of the audience, about the recording, or without its voices.
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
  """What is used of recordings that offer a choice.

  Attributes:
    audio: number of the sound track, from 1 in the order of the file, or its language as the file has it (`deu`).
      Where None, what players choose: the first that the file marks as default, else the first; tracks for the hearing
      or visually impaired, comments and accompaniments come after the others.
    video: number of the pictures, likewise. Where None, the only ones that the file marks as default; of several of
      equal rank, those in which faces are found (`camera.with_camera`), else the first.
    channels: one of `CHANNELS`.

  Raises:
    ValueError: a number is below 1, or the channels are none of these.
  """

  audio: int | str | None = None
  video: int | None = None
  channels: str = "mix"

  def __post_init__(self):
    for kind, number in (("audio", self.audio), ("video", self.video)):
      if isinstance(number, int) and number < 1:
        raise ValueError(f"{_OPTIONS[kind]} is {number}; expected 1 or more")
    if self.audio == "":
      raise ValueError("audio track is empty; expected a number or a language")
    if self.channels not in CHANNELS:
      raise ValueError(f"audio channels are {self.channels!r}; expected one of {', '.join(CHANNELS)}")

  @classmethod
  def parse(
    cls, audio: str | None = None, video: str | int | None = None, channels: str | None = None, where: str = ""
  ) -> Self:
    """Of texts as on a command line or in a table, where None and "" are no choice; errors begin with `where`."""
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
  """One sound track, or one stream of pictures.

  Attributes:
    number: from 1, in the order of the file among its kind; cover pictures are not counted.
    index: of the stream among all of the file.
    language: as the file has it; None where it does not say.
    title: likewise.
    codec: FFmpeg's name.
    layout: of the channels, FFmpeg's name; None of pictures.
    channels: how many; None of pictures.
    width_px: of the pictures as stored; None of sound.
    height_px: likewise.
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
    sound = {1: "mono", 2: "stereo"}.get(self.channels or 0, self.layout)
    shape = sound if self.width_px is None else f"{self.width_px}x{self.height_px}"
    title = None if self.title is None else f"“{self.title}”"
    return f"{self.number} ({', '.join(part for part in (self.language, title, self.codec, shape) if part)})"

  def to_dict(self) -> dict[str, Any]:
    """What tells it from the others, for JSON."""
    values = dataclasses.asdict(self)
    unused = ("width_px", "height_px") if self.width_px is None else ("layout", "channels")
    return {key: value for key, value in values.items() if key not in ("index", *unused)}


class Stored(NamedTuple):
  """How a container stores one stream of sound or pictures.

  Attributes:
    kind: of the stream.
    codec: FFmpeg's name; None where there is no decoder.
    pixels: FFmpeg's name of the pixel format; None of sound.
    frames: number that the container declares; 0 where it declares none.
  """

  kind: Kind
  codec: str | None
  pixels: str | None
  frames: int


def all_stored(container: Any) -> list[Stored]:
  """All streams of sound and pictures, cover pictures included."""
  return [
    Stored(kind, context and context.name, getattr(context, "pix_fmt", None), stream.frames)
    for kind in KINDS
    for stream in getattr(container.streams, kind)
    for context in [stream.codec_context]
  ]


def all_tracks(container: Any, kind: Kind) -> list[Track]:
  """All sound tracks, or all pictures, in the order of the file."""
  return [_describe(number, stream) for number, stream in enumerate(_streams(container, kind), start=1)]


def chosen(container: Any, kind: Kind, tracks: Tracks, name: str) -> list[Any]:
  """The streams to be tried, best first: one where it was asked for, none where there are none.

  Raises:
    MediaError: there is no such track; names those that there are, and begins with `name`.
  """
  streams = _streams(container, kind)
  wanted = tracks.audio if kind == "audio" else tracks.video
  if isinstance(wanted, int):
    found = streams[wanted - 1 : wanted]
  elif wanted is not None:
    found = sorted((stream for stream in streams if _speaks(stream, wanted)), key=_rank)
  else:
    return sorted(streams, key=_rank)
  if not found:
    there = ", ".join(map(str, all_tracks(container, kind))) or "none"
    raise MediaError(f"{name}: no {_OPTIONS[kind]} {wanted}; there {'is' if len(streams) < 2 else 'are'} {there}")
  return found


def of_equal_rank(streams: Sequence[Any]) -> list[Any]:
  """Of the streams that `chosen` gives, the first ones, among which the file itself makes no choice."""
  return [stream for stream in streams if _rank(stream) == _rank(streams[0])]


def describe_choice(kind: Kind, used: Track | None, there: Sequence[Track]) -> str | None:
  """One line that names the track that is used and the others; None where there is no choice."""
  others = [str(track) for track in there if used is None or track.number != used.number]
  if used is None or not others:
    return None
  return f"{_NAMES[kind]} {used} of {len(there)}; not used: {', '.join(others)}"


def _streams(container: Any, kind: Kind) -> list[Any]:
  """A cover picture is not a video."""
  return [stream for stream in getattr(container.streams, kind) if not stream.disposition & _Flags.attached_pic]


def _rank(stream: Any) -> tuple[bool, bool, bool, int, int]:
  """The less, the sooner it is chosen; streams that have announced themselves and sent nothing come last.

  A playlist (HLS, DASH) offers the same in several qualities, which have a bit rate each: the best of them.
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
  """Whether a language is that of a stream; `en` is found in `en-GB`, too."""
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
