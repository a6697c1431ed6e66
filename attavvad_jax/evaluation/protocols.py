"""Protocols by which timelines are compared. Metrics depend on the protocol, so always print which one was used."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Protocol:
  """Settings of sed_eval (Mesaros et al., "Metrics for polyphonic sound event detection", 2016).

  An estimated event is correct if its label is, and its onset lies within the collar of the reference's. If offsets
  count, its offset must lie within the collar or a fraction of the reference event's length, whichever is longer.

  Attributes:
    offsets_count: whether the offset is compared as well as the onset.
    collar_s: collar of onsets and offsets.
    length_fraction: the fraction of the reference event's length by which an offset may be off.
    segment_s: length of a segment for the segment-based metrics.
    shortest_gap_s: shorter gaps between events, and at both ends of a recording, are closed by `metrics.close_gaps`;
      with 0 they are events of others, except for the rounding of label files.

  Raises:
    ValueError: a collar or segment is not positive, a gap is negative, or the fraction is not from 0 to 1.
  """

  offsets_count: bool
  collar_s: float
  length_fraction: float
  segment_s: float
  shortest_gap_s: float = 0.0

  def __post_init__(self):
    if not self.shortest_gap_s >= 0:
      raise ValueError(f"protocol: shortest_gap_s is {self.shortest_gap_s}; expected 0 or more")
    for name in ("collar_s", "segment_s"):
      if not getattr(self, name) > 0:
        raise ValueError(f"protocol: {name} is {getattr(self, name)}; expected more than 0")
    if not 0 <= self.length_fraction <= 1:
      raise ValueError(f"protocol: length_fraction is {self.length_fraction}; expected 0 to 1")

  @property
  def event_name(self) -> str:
    """The event-based settings in one line, for tables."""
    if not self.offsets_count:
      return f"event-based, onset only, collar {self.collar_s:g} s{self._gaps}"
    collar = f"{self.collar_s:g} s or {self.length_fraction:.0%} of the event"
    return f"event-based, onset and offset, collar {collar}{self._gaps}"

  @property
  def segment_name(self) -> str:
    """The segment-based settings in one line, for tables."""
    return f"segment-based, segments of {self.segment_s:g} s{self._gaps}"

  @property
  def _gaps(self) -> str:
    return f", gaps under {self.shortest_gap_s:.3g} s closed" if self.shortest_gap_s else ""


# Half a block of the paper's clock. Labels made by hand leave milliseconds between events that are meant to touch, and
# a decision for a third of a second cannot match an event shorter than half of that.
HALF_BLOCK_S = 1 / 6

# Settings of the released code. The published metrics are its event-based ones; metrics compared with them use it too.
PAPER = Protocol(offsets_count=False, collar_s=0.5, length_fraction=0.5, segment_s=1.0)
# For labels made by hand: as PAPER, but without the gaps that no system at this block rate can match.
CLOSED = dataclasses.replace(PAPER, shortest_gap_s=HALF_BLOCK_S)
SED_EVAL_DEFAULT = Protocol(offsets_count=True, collar_s=0.2, length_fraction=0.5, segment_s=1.0)

PROTOCOLS = {"paper": PAPER, "closed": CLOSED, "sed_eval_default": SED_EVAL_DEFAULT}
