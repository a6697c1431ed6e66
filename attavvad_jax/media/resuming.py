"""What an address has given, so that nothing of it comes again when it is opened anew."""

from collections.abc import Iterable, Iterator
from typing import Any
import zlib

# Some minutes of sound and pictures: more than the window of a live playlist holds.
_PACKETS = 30_000
# After so many new packets in a row what was given before has passed: silence and black look the same everywhere.
_NEW = 50


class Told:
  """Tells new packets from those that an address has given before.

  A live playlist still lists its last segments when it is opened again, and a recording begins anew. Packets are the
  same if their stream, their time stamps and their content are.
  """

  def __init__(self):
    self._first: int | None = None
    self._recent: dict[int, None] = {}

  def new(self, packets: Iterable[Any], *, is_list: bool, is_over: bool) -> Iterator[Any]:
    """The packets that have not been given before.

    Of a recording that has been given in part, nothing is new until the last packets that were given have come again.

    Args:
      packets: of one connection, from its beginning on, before anything of them is changed.
      is_list: whether they are those of a playlist; else they are a recording's.
      is_over: whether the playlist has an end; a recording has.
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
