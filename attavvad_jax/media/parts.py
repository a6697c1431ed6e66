"""Puts recordings whose time stamps leap on one time line.

Joined files (`cat a.ts b.ts`), titles of a DVD, playlists with advertisements, cameras that reset their clock and
counters that wrap give several parts, each with its own time stamps. The parts are placed one after the other: each
begins where the one before has ended, and audio and video of a part keep their offset to each other.

A part begins where time stamps go back by more than `BACK_S`, or, where the container allows for it, ahead by more
than `AHEAD_S`, provided that the leap lasts and that audio and video leap together. All other time stamps stay: those
of a single packet out of place, of one stream that leaps alone, and of shorter leaps, which are gaps or overlaps.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
import dataclasses
import enum
import heapq
import math
from typing import Any, NamedTuple

import av
from av.format import Flags

# Time stamps of video packets without a decoding time go back by up to this, as frames are stored out of display order.
BACK_S = 0.5
# The limit of the program ffmpeg; shorter leaps in broadcasts are gaps.
AHEAD_S = 10.0
# Maximum distance of audio and video of the same time in a container: fragments and segments are seldom longer.
APART_S = 10.0
# A stream that continues for this long after the other has leapt does not leap; a stream without packets for as long
# before the leap is not waited for.
_ALONE_S = 2.0


class Placed(NamedTuple):
  """A pushed item, the number of its part, from 0, and the seconds to add to its time stamps."""

  item: Any
  part: int
  shift: float


class _Held(NamedTuple):
  """A pushed item that waits; its time is None where it has none."""

  track: int
  item: Any
  time: float | None
  onset: float
  end: float


@dataclasses.dataclass
class _Track:
  """The current part of a stream, and the last times of the stream by its own time stamps."""

  part: int
  time: float
  end: float


@dataclasses.dataclass
class _Part:
  """The begin and end of a part by its own time stamps, and the shift that is added to them."""

  first: float
  end: float
  shift: float = 0.0

  def distance(self, time: float) -> float:
    """Returns the distance from a time to the part: 0 within it."""
    return max(self.first - time, time - self.end, 0.0)

  def take(self, held: _Held) -> None:
    self.first, self.end = min(self.first, held.onset), max(self.end, held.end)


class _Verdict(enum.Enum):
  """The meaning of a leap: not known yet, a packet out of place, one stream that leaps alone, or a new part."""

  OPEN = enum.auto()
  ASTRAY = enum.auto()
  ALONE = enum.auto()
  PART = enum.auto()


class Parts:
  """Separates the parts of a recording and places them one after the other, while packets come in container order.

  From a leap on, packets are held until its meaning is clear: until the next packet of the same stream has come and
  the other stream has leapt as well, but for no more than `APART_S` of the recording.

  Args:
    goes_ahead: whether a leap ahead may begin a part.
    is_live: whether streams come as they are recorded, so that one of them does not leap long before the other.
    on_part: receives the time at which each part but the first begins, on the clock of the first.
    on_lone_leap: receives the seconds by which one stream leaps alone, where the leap lasts.
  """

  def __init__(
    self,
    *,
    goes_ahead: bool,
    is_live: bool = False,
    on_part: Callable[[float], None] = lambda place: None,
    on_lone_leap: Callable[[float], None] = lambda by: None,
  ):
    self._goes_ahead, self._is_live = goes_ahead, is_live
    self._on_part, self._on_lone_leap = on_part, on_lone_leap
    self._tracks: dict[int, _Track] = {}
    self._parts: list[_Part] = []
    self._held: list[_Held] = []
    self._reached = 0.0  # latest time of the recording so far, on the clock of the first part

  def push(
    self,
    track: int,
    item: Any,
    time: float | None = None,
    onset: float | None = None,
    end: float | None = None,
  ) -> list[Placed]:
    """Takes the next packet; returns, in order, the packets whose place is clear.

    Args:
      track: number of its stream, audio or video.
      item: object that is returned for the packet.
      time: decoding time in seconds; None where it is not known.
      onset: presentation time; `time` where None.
      end: end of the presentation; `onset` where None.
    """
    onset = (time or 0.0) if onset is None else onset
    self._held.append(_Held(track, item, time, onset, onset if end is None else end))
    return self._release(ended=False)

  def finish(self) -> list[Placed]:
    """Returns the packets that are still held; no more may be pushed."""
    return self._release(ended=True)

  def _release(self, *, ended: bool) -> list[Placed]:
    placed: list[Placed] = []
    while self._held:
      held = self._held[0]
      verdict = self._judge(ended) if self._leaps(held) and not self._joins(held) else None
      if verdict is _Verdict.OPEN:
        break
      if verdict is _Verdict.PART:
        self._begin_part()
        continue
      del self._held[0]
      if verdict is _Verdict.ALONE:
        self._leave_alone(held)
      if verdict is not _Verdict.ASTRAY:
        self._follow(held)
      number = self._tracks[held.track].part if held.track in self._tracks else len(self._parts) - 1
      shift = self._parts[number].shift if self._parts else 0.0
      placed.append(Placed(held.item, max(number, 0), shift))
    return placed

  def _follow(self, held: _Held) -> None:
    """Updates the times of a stream and its part with a packet."""
    if held.time is None:
      return
    if not self._parts:
      self._parts.append(_Part(held.onset, held.end))
      self._reached = held.end
    track = self._tracks.get(held.track)
    if track is None:
      # The last of the nearest parts.
      nearest = min(range(len(self._parts)), key=lambda number: (self._parts[number].distance(held.onset), -number))
      track = self._tracks[held.track] = _Track(nearest, held.time, held.end)
    track.time, track.end = max(track.time, held.time), max(track.end, held.end)
    part = self._parts[track.part]
    part.take(held)
    self._reached = max(self._reached, held.end + part.shift)

  def _leave_alone(self, held: _Held) -> None:
    """Continues a stream after its leap in the same part."""
    track = self._tracks[held.track]
    assert held.time is not None
    self._on_lone_leap(held.time - track.time)
    track.time, track.end = held.time, held.end

  def _leaps(self, held: _Held) -> bool:
    """Returns whether a packet is far from the last times of its stream and part."""
    track = self._tracks.get(held.track)
    if track is None or held.time is None:
      return False
    end = max(track.end, self._parts[track.part].end)
    return held.time < track.time - BACK_S or (self._goes_ahead and held.time > end + AHEAD_S)

  def _joins(self, held: _Held) -> bool:
    """Moves a stream to a later part that the other stream has begun, and returns true, if its packet belongs there."""
    assert held.time is not None
    for number in range(self._tracks[held.track].part + 1, len(self._parts)):
      if self._parts[number].distance(held.onset) <= APART_S:
        self._tracks[held.track] = _Track(number, held.time, held.end)
        return True
    return False

  def _judge(self, ended: bool) -> _Verdict:
    """Returns the meaning of the leap of the first held packet."""
    leaper = self._held[0].track
    _, run = self._split(leaper)
    if len(run) < 2:
      return _Verdict.ASTRAY if ended or len(self._timed(leaper)) > 1 else _Verdict.OPEN
    part, new = self._parts[self._tracks[leaper].part], _extent(run)
    continued: list[float] = []  # seconds since the leap for which each stream has not leapt
    for track, state in self._tracks.items():
      is_active = self._parts[state.part] is part and part.end - state.end <= _ALONE_S
      old, leapt = self._split(track, new)
      if track != leaper and is_active and not leapt:
        continued.append(max((held.end for held in old), default=state.end) - state.end)
    lasts = new.end - new.first
    if not continued:
      return _Verdict.PART
    if max(continued) > _ALONE_S or (ended and 2 * max(continued) > lasts):
      return _Verdict.ALONE
    if not (ended or lasts > APART_S):
      return _Verdict.OPEN
    return _Verdict.ALONE if self._is_live else _Verdict.PART

  def _begin_part(self) -> None:
    """Places the part that begins with the first held packet."""
    leaper = self._held[0].track
    seen = _extent(self._split(leaper)[1])
    new = dataclasses.replace(seen)
    for track in {held.track for held in self._held} - {leaper}:
      old, run = self._split(track, seen)
      for held in run:
        new.take(held)
      if track in self._tracks:
        shift = self._parts[self._tracks[track].part].shift
        self._reached = max([self._reached, *(held.end + shift for held in old)])
    new.shift = self._reached - new.first
    self._parts.append(new)
    self._on_part(self._reached)

  def _timed(self, track: int) -> list[_Held]:
    return [held for held in self._held if held.track == track and held.time is not None]

  def _split(self, track: int, new: _Part | None = None) -> tuple[list[_Held], list[_Held]]:
    """Splits the held packets of a stream: those before its leap, and the run of consecutive packets from the leap on.

    The leap is the first one or, given a new part, the first one that leads into it.
    """
    timed, state = self._timed(track), self._tracks.get(track)
    for number, held in enumerate(timed):
      if state is None:
        # The first packet of a stream belongs to the nearest part.
        leaps = new is not None and all(part.distance(held.onset) >= new.distance(held.onset) for part in self._parts)
      else:
        leaps = self._leaps(held) and (new is None or new.distance(held.onset) <= APART_S)
      if leaps:
        run = timed[number : number + 1]
        for after in timed[number + 1 :]:
          if not _follows(after, run[-1], state):
            break
          run.append(after)
        return timed[:number], run
    return timed, []


def _follows(held: _Held, before: _Held, track: _Track | None) -> bool:
  """Returns whether a packet continues from the one before, rather than from its stream's place before the leap."""
  assert held.time is not None
  assert before.time is not None
  back = track is not None and abs(held.time - track.end) < abs(held.time - before.end)
  return not back and before.time - BACK_S <= held.time <= before.end + AHEAD_S


def _extent(run: list[_Held]) -> _Part:
  return _Part(min(held.onset for held in run), max(held.end for held in run))


class Leaps:
  """Warns where time stamps leap: a line at the first leap, and one at the end with their number.

  Args:
    start_s: time stamp of time zero.
    warnings: receives the lines.
  """

  def __init__(self, start_s: float, warnings: list[str]):
    self._start_s, self._warnings = start_s, warnings
    self.count = 0

  def add(self, place: float) -> None:
    """Counts a part that begins at `place`, a time stamp in seconds on the clock of the first part."""
    self.count += 1
    if self.count == 1:
      self._warnings.append(
        f"time stamps leap at {place - self._start_s:.2f} s: the recording continues there with its next part"
      )

  def finish(self) -> None:
    if self.count > 1:
      self._warnings.append(f"time stamps leapt {self.count} times in all")


def may_leap(container: Any) -> bool:
  """Returns whether the container's format allows time stamps to leap."""
  return bool(container.format.flags & Flags.ts_discont.value)


def in_parts(
  packets: Iterable[Any],
  container: Any,
  *,
  is_live: bool = False,
  on_part: Callable[[float], None] = lambda place: None,
  on_lone_leap: Callable[[float], None] = lambda by: None,
) -> Iterator[Any]:
  """Puts the time stamps of a container's packets on one time line (`Parts`).

  The stamps of the packets are changed in place. All readers of a recording must pass the same streams, audio and
  video, to get the same parts.

  Args:
    packets: packets of an audio stream, a video stream, or both, as they are demuxed.
    container: the container that they come from.
    is_live: whether they come as they are recorded, rather than from a file or a playlist. Leaps ahead then always
      begin a part.
    on_part: as for `Parts`.
    on_lone_leap: as for `Parts`.

  Returns:
    An iterator of the packets, in their order. An exception of `packets` is raised after all earlier packets.
  """
  goes_ahead = is_live or may_leap(container)
  parts = Parts(goes_ahead=goes_ahead, is_live=is_live, on_part=on_part, on_lone_leap=on_lone_leap)
  clocks = {stream.index: _PacketClock(stream) for stream in container.streams}
  failure: Exception | None = None
  try:
    for packet in packets:
      index = packet.stream.index
      for placed in parts.push(index, packet, *clocks[index].times_s(packet)):
        yield _moved(placed)
  except (av.FFmpegError, OSError) as error:
    failure = error
  for placed in parts.finish():
    yield _moved(placed)
  if failure is not None:
    raise failure


def in_order(packets: Iterable[Any], tracks: Collection[int]) -> Iterator[Any]:
  """Sorts packets by decoding time, where a container stores audio and video apart.

  Fragments of mp4 hold all their video before all their audio. A packet waits for the other stream for no more than
  `APART_S` of the recording.

  Args:
    packets: packets on one time line, those of each stream in their order.
    tracks: numbers of their streams.
  """
  waiting: dict[int, deque[tuple[float, Any]]] = {track: deque() for track in tracks}
  last_s = dict.fromkeys(tracks, -math.inf)
  for packet in packets:
    stamp, track = packet.pts if packet.dts is None else packet.dts, packet.stream.index
    if stamp is not None:
      last_s[track] = float(stamp * packet.time_base)
    waiting[track].append((last_s[track], packet))
    while True:
      queue = min(filter(None, waiting.values()), key=lambda queue: queue[0][0], default=None)
      if queue is None or not (all(waiting.values()) or max(last_s.values()) - queue[0][0] > APART_S):
        break
      yield queue.popleft()[1]
  for _, packet in heapq.merge(*waiting.values(), key=lambda entry: entry[0]):
    yield packet


class _PacketClock:
  """Reads the times of a stream's packets."""

  def __init__(self, stream: Any):
    self._tick_s = float(stream.time_base or 0)
    # For packets without a duration.
    self._length_s = float(1 / stream.average_rate) if stream.type == "video" and stream.average_rate else 0.0

  def times_s(self, packet: Any) -> tuple[float | None, float | None, float | None]:
    """Returns the decoding time of a packet and the start and end of its presentation, in seconds."""
    pts, dts = packet.pts, packet.dts
    if pts is None and dts is None:
      return None, None, None
    onset_s = (dts if pts is None else pts) * self._tick_s
    length_s = packet.duration * self._tick_s if packet.duration else self._length_s
    return (pts if dts is None else dts) * self._tick_s, onset_s, onset_s + length_s


def _moved(placed: Placed) -> Any:
  """Moves a packet to the time line of the first part."""
  packet = placed.item
  if placed.part:
    if packet.is_discard:
      packet = _kept(packet)
    shift = round(placed.shift / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts + shift
    packet.dts = None if packet.dts is None else packet.dts + shift
  return packet


def _kept(packet: Any) -> Any:
  """Copies a packet without its discard flag, which FFmpeg sets where times go back within a fragmented mp4."""
  copy = av.Packet(bytes(packet))
  for name in ("stream", "time_base", "pts", "dts", "duration", "is_keyframe"):
    setattr(copy, name, getattr(packet, name))
  return copy
