"""One time line for recordings whose time stamps leap.

Joined files (`cat a.ts b.ts`), titles of a DVD, playlists with advertisements, cameras that set their clock anew and
counters that wrap give several parts, each with time stamps of its own. They are put in a row: the first sound or
picture of a part comes where the last one of the part before has ended, and within a part sound and pictures stay as
they were to each other.

A part begins where time stamps go back by more than `BACK_S`, or, where the container allows for it, ahead by more
than `AHEAD_S`, and where that lasts and sound and pictures do it together. Everything else is left as it is: a single
packet out of place, one stream alone, and what is shorter, which is a gap or an overlap.
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

# Pictures whose packets do not tell when they are decoded go back by up to this, as they do not come as they are shown.
BACK_S = 0.5
# The limit of the program ffmpeg; shorter gaps of broadcasts are gaps.
AHEAD_S = 10.0
# How far sound and pictures may be apart in a container: fragments and segments are seldom longer.
APART_S = 10.0
# A stream that goes on for this long after the other has leapt stays where it is, and one that has given nothing for as
# long before is not waited for.
_ALONE_S = 2.0


class Placed(NamedTuple):
  """What was pushed; the number of its part, from 0; and the seconds that its time stamps are to be shifted by."""

  item: Any
  part: int
  shift: float


class _Held(NamedTuple):
  """One thing that was pushed. Its time is None where it has none."""

  track: int
  item: Any
  time: float | None
  onset: float
  end: float


@dataclasses.dataclass
class _Track:
  """The part that a stream is in, and where it has come to by its own time stamps."""

  part: int
  time: float
  end: float


@dataclasses.dataclass
class _Part:
  """Where a part begins and has come to by its own time stamps, and what is added to them."""

  first: float
  end: float
  shift: float = 0.0

  def distance(self, time: float) -> float:
    """From a time to the part: 0 within it."""
    return max(self.first - time, time - self.end, 0.0)

  def take(self, held: _Held) -> None:
    self.first, self.end = min(self.first, held.onset), max(self.end, held.end)


class _Verdict(enum.Enum):
  """On what a leap means: not known yet, a packet out of place, one stream alone, or that a part begins."""

  OPEN = enum.auto()
  ASTRAY = enum.auto()
  ALONE = enum.auto()
  PART = enum.auto()


class Parts:
  """Tells the parts of a recording and puts them in a row, while packets come in as the container has them.

  From a leap on, packets are held until it is clear what it means: until the next of the same stream has come and the
  other stream has leapt as well, but for no more than `APART_S` of the recording.

  Args:
    goes_ahead: whether a leap ahead may begin a part.
    is_live: whether streams come as they are recorded, so that one of them does not leap long before the other.
    tell: is given the time at which each part but the first begins, on the clock of the first.
    tell_alone: is given the seconds by which one stream alone leaps, where that lasts.
  """

  def __init__(
    self,
    *,
    goes_ahead: bool,
    is_live: bool = False,
    tell: Callable[[float], None] = lambda place: None,
    tell_alone: Callable[[float], None] = lambda by: None,
  ):
    self._goes_ahead, self._is_live = goes_ahead, is_live
    self._tell, self._tell_alone = tell, tell_alone
    self._tracks: dict[int, _Track] = {}
    self._parts: list[_Part] = []
    self._held: list[_Held] = []
    self._reached = 0.0  # where the recording has come to, on the clock of the first part

  def push(
    self,
    track: int,
    item: Any,
    time: float | None = None,
    onset: float | None = None,
    end: float | None = None,
  ) -> list[Placed]:
    """Takes the next packet; gives those whose place is clear, in their order.

    Args:
      track: its stream, of sound or of pictures.
      item: what is given back for it.
      time: when it is to be decoded, in seconds; None where that is not known.
      onset: when it is heard or seen; `time` where None.
      end: and until when; `onset` where None.
    """
    onset = (time or 0.0) if onset is None else onset
    self._held.append(_Held(track, item, time, onset, onset if end is None else end))
    return self._release(ended=False)

  def finish(self) -> list[Placed]:
    """The rest, when no more come."""
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
    """Notes where a stream and its part have come to."""
    if held.time is None:
      return
    if not self._parts:
      self._parts.append(_Part(held.onset, held.end))
      self._reached = held.end
    track = self._tracks.get(held.track)
    if track is None:
      # The last of those that are nearest.
      nearest = min(range(len(self._parts)), key=lambda number: (self._parts[number].distance(held.onset), -number))
      track = self._tracks[held.track] = _Track(nearest, held.time, held.end)
    track.time, track.end = max(track.time, held.time), max(track.end, held.end)
    part = self._parts[track.part]
    part.take(held)
    self._reached = max(self._reached, held.end + part.shift)

  def _leave_alone(self, held: _Held) -> None:
    """Lets a stream go on from its leap, in the same part."""
    track = self._tracks[held.track]
    assert held.time is not None
    self._tell_alone(held.time - track.time)
    track.time, track.end = held.time, held.end

  def _leaps(self, held: _Held) -> bool:
    """Whether a packet is far from where its stream, and the recording, have come to."""
    track = self._tracks.get(held.track)
    if track is None or held.time is None:
      return False
    end = max(track.end, self._parts[track.part].end)
    return held.time < track.time - BACK_S or (self._goes_ahead and held.time > end + AHEAD_S)

  def _joins(self, held: _Held) -> bool:
    """Lets a stream go on in a part that the other has begun, if that is where its packet belongs."""
    assert held.time is not None
    for number in range(self._tracks[held.track].part + 1, len(self._parts)):
      if self._parts[number].distance(held.onset) <= APART_S:
        self._tracks[held.track] = _Track(number, held.time, held.end)
        return True
    return False

  def _judge(self, ended: bool) -> _Verdict:
    """What the leap of the first packet that is held means."""
    leaper = self._held[0].track
    _, run = self._split(leaper)
    if len(run) < 2:
      return _Verdict.ASTRAY if ended or len(self._timed(leaper)) > 1 else _Verdict.OPEN
    part, new = self._parts[self._tracks[leaper].part], _extent(run)
    gone_on: list[float] = []  # of streams that have not leapt, by how much since the leap
    for track, state in self._tracks.items():
      is_heard = self._parts[state.part] is part and part.end - state.end <= _ALONE_S
      old, leapt = self._split(track, new)
      if track != leaper and is_heard and not leapt:
        gone_on.append(max((held.end for held in old), default=state.end) - state.end)
    lasts = new.end - new.first
    if not gone_on:
      return _Verdict.PART
    if max(gone_on) > _ALONE_S or (ended and 2 * max(gone_on) > lasts):
      return _Verdict.ALONE
    if not (ended or lasts > APART_S):
      return _Verdict.OPEN
    return _Verdict.ALONE if self._is_live else _Verdict.PART

  def _begin_part(self) -> None:
    """Gives a place to the part whose first packet is the first that is held."""
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
    self._tell(self._reached)

  def _timed(self, track: int) -> list[_Held]:
    return [held for held in self._held if held.track == track and held.time is not None]

  def _split(self, track: int, new: _Part | None = None) -> tuple[list[_Held], list[_Held]]:
    """What is held of a stream: up to its leap, and from there on as long as one follows the other.

    The leap is the first one or, given a part that begins, the first one that leads there.
    """
    timed, state = self._timed(track), self._tracks.get(track)
    for number, held in enumerate(timed):
      if state is None:
        # A stream that has not been there before belongs to what is nearest.
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
  """Whether a packet goes on from the one before, and not from where its stream was before that had leapt."""
  assert held.time is not None
  assert before.time is not None
  back = track is not None and abs(held.time - track.end) < abs(held.time - before.end)
  return not back and before.time - BACK_S <= held.time <= before.end + AHEAD_S


def _extent(run: list[_Held]) -> _Part:
  return _Part(min(held.onset for held in run), max(held.end for held in run))


class Leaps:
  """Says where time stamps leap: a line for the first time, and one at the end for all.

  Args:
    start_s: time stamp of time zero.
    warnings: gets the lines.
  """

  def __init__(self, start_s: float, warnings: list[str]):
    self._start_s, self._warnings = start_s, warnings
    self.count = 0

  def tell(self, place: float) -> None:
    """Another part begins at a time stamp of the first, in seconds."""
    self.count += 1
    if self.count == 1:
      self._warnings.append(
        f"time stamps leap at {place - self._start_s:.2f} s: what follows is taken as the next part"
      )

  def finish(self) -> None:
    if self.count > 1:
      self._warnings.append(f"time stamps leapt {self.count} times in all")


def may_leap(container: Any) -> bool:
  """Whether time stamps of such containers need not go on from each other."""
  return bool(container.format.flags & Flags.ts_discont.value)


def in_parts(
  packets: Iterable[Any],
  container: Any,
  *,
  is_live: bool = False,
  tell: Callable[[float], None] = lambda place: None,
  tell_alone: Callable[[float], None] = lambda by: None,
) -> Iterator[Any]:
  """Packets as they come from a container, with their time stamps on one time line (`Parts`).

  The stamps of the packets are changed. All that read a recording must give the same streams, those of its sound and
  of its pictures, to find the same parts.

  Args:
    packets: of a stream of sound, a stream of pictures, or both, as they are demuxed.
    container: where they come from.
    is_live: whether they come as they are recorded, and not from a file or a playlist. Leaps ahead begin a part then,
      too.
    tell: as for `Parts`.
    tell_alone: likewise.

  Returns:
    An iterator of the packets, in their order. What `packets` raises comes after all packets before.
  """
  goes_ahead = is_live or may_leap(container)
  parts = Parts(goes_ahead=goes_ahead, is_live=is_live, tell=tell, tell_alone=tell_alone)
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
  """Packets in the order in which they are to be decoded, from a container that keeps sound and pictures apart.

  Fragments of mp4 hold all their pictures before all their sound. A packet waits for the other stream for no more than
  `APART_S` of the recording.

  Args:
    packets: on one time line, those of each stream in their order.
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
    # Where a packet does not say how long it is.
    self._length_s = float(1 / stream.average_rate) if stream.type == "video" and stream.average_rate else 0.0

  def times_s(self, packet: Any) -> tuple[float | None, float | None, float | None]:
    """When a packet is decoded, when it is heard or seen, and until when, in seconds."""
    pts, dts = packet.pts, packet.dts
    if pts is None and dts is None:
      return None, None, None
    onset_s = (dts if pts is None else pts) * self._tick_s
    length_s = packet.duration * self._tick_s if packet.duration else self._length_s
    return (pts if dts is None else dts) * self._tick_s, onset_s, onset_s + length_s


def _moved(placed: Placed) -> Any:
  """A packet on the time line of the first part."""
  packet = placed.item
  if placed.part:
    if packet.is_discard:
      packet = _kept(packet)
    shift = round(placed.shift / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts + shift
    packet.dts = None if packet.dts is None else packet.dts + shift
  return packet


def _kept(packet: Any) -> Any:
  """The same to be shown: FFmpeg marks what goes back within a fragmented mp4 as not to be."""
  copy = av.Packet(bytes(packet))
  for name in ("stream", "time_base", "pts", "dts", "duration", "is_keyframe"):
    setattr(copy, name, getattr(packet, name))
  return copy
