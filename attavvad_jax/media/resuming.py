"""Skips packets that an address has delivered before, when it is opened again."""

from collections.abc import Iterable, Iterator
from typing import Any
import zlib

# Packets that are remembered: some minutes of audio and video, more than the window of a live playlist holds.
_PACKETS = 30_000
# After this many new packets in a row, all earlier packets are forgotten: packets of silence or black frames are alike
# everywhere.
_NEW = 50


class DeliveredPackets:
  """Distinguishes new packets from those that an address has delivered before.

  A live playlist still lists its last segments when it is opened again, and a recording restarts from its beginning.
  Packets are the same if their stream, time stamps and content are the same.
  """

  def __init__(self):
    self._first: int | None = None
    self._recent: dict[int, None] = {}

  def new(self, packets: Iterable[Any], *, is_list: bool, is_over: bool) -> Iterator[Any]:
    """Yields the packets that have not been delivered before.

    Where a recording has been delivered in part, nothing is new until the last delivered packets have come again.

    Args:
      packets: packets of one connection, from its beginning, before they are changed.
      is_list: whether they come from a playlist rather than a recording.
      is_over: whether the playlist has an end; true for a recording.
    """
    before, self._recent = self._recent, dict(self._recent)
    skips: bool | None = None
    count = 0  # new packets in a row
    for packet in packets:
      if packet.size:
        name = _name(packet)
        if skips is None:
          skips = bool(before) and (is_over if is_list else name == self._first)
          if not (is_list or skips):  # another recording at the same address
            self._first, self._recent, before = name, {}, {}
        if name in before:
          skips, count = False, 0
          continue
        if skips:
          continue
        count += 1
        if count == _NEW:
          before = {}
        self._recent[name] = None
        if len(self._recent) > _PACKETS:
          del self._recent[next(iter(self._recent))]
      yield packet


def _name(packet: Any) -> int:
  return hash((packet.stream.type, packet.pts, packet.dts, zlib.crc32(bytes(packet))))
