"""The order of a recording's packets, which decides whether they can be copied."""

from collections.abc import Iterable, Iterator
import math
from typing import Any


class PacketOrder:
  """Records the order of packets while they are read; complete once all of them have been read.

  Attributes:
    num_leaps: number of leaps of the time stamps to another part of the recording.
  """

  def __init__(self):
    self.num_leaps = 0
    self._is_damaged = False
    self._last: dict[int, float] = {}  # decoding time of the last packet of each stream
    self._shown: set[int] = set()  # streams with a packet that is shown
    self._unordered: set[int] = set()

  def watch(self, packets: Iterable[Any]) -> Iterator[Any]:
    """Passes packets on in the container's order, before they are changed."""
    for packet in packets:
      # An empty packet without a time ends a stream.
      if packet.size or packet.dts is not None:
        self._take(packet)
      yield packet

  def damaged(self) -> None:
    """Notes that a packet could not be read."""
    self._is_damaged = True

  def may_be_copied(self, index: int) -> bool:
    """Returns whether the packets of a stream can be copied to another file in their order.

    Hidden packets before the first that is shown can be copied: an edit list hides them again. Later hidden packets
    stand between two parts of a recording, whose times overlap.
    """
    return not self._is_damaged and index not in self._unordered

  def _take(self, packet: Any) -> None:
    index = packet.stream.index
    is_timed = packet.pts is not None and packet.dts is not None
    if not is_timed or packet.dts <= self._last.get(index, -math.inf) or (packet.is_discard and index in self._shown):
      self._unordered.add(index)
    if packet.dts is not None:
      self._last[index] = packet.dts
    if not packet.is_discard:
      self._shown.add(index)
