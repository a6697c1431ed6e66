"""How timelines are compared. Another protocol gives other figures: always print which it was."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Protocol:
  """Settings of sed_eval (Mesaros et al., "Metrics for polyphonic sound event detection", 2016).

  An estimated event is right if its label is, and its onset lies within the collar of the reference's; where offsets
  count, its offset must too, or within a part of the reference event's length, whichever is longer.

  Attributes:
    offsets_count: whether the offset is compared as well as the onset.
    collar_s: time collar of onsets and offsets.
    length_fraction: the part of the reference event's length that an offset may be away.
    segment_s: length of a segment for the segment-based figures.
    shortest_gap_s: shorter gaps between events, and at both ends of a recording, are closed, as `metrics.close_gaps`
      says; 0 leaves them to be events of others, except for the rounding of label files.

  Raises:
    ValueError: a collar or segment is not positive, a gap negative, or the fraction not from 0 to 1.
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
    """One line for tables: the event-based half."""
    if not self.offsets_count:
      return f"event-based, onset only, collar {self.collar_s:g} s{self._gaps}"
    collar = f"{self.collar_s:g} s or {self.length_fraction:.0%} of the event"
    return f"event-based, onset and offset, collar {collar}{self._gaps}"

  @property
  def segment_name(self) -> str:
    """One line for tables: the segment-based half."""
    return f"segment-based, segments of {self.segment_s:g} s{self._gaps}"

  @property
  def _gaps(self) -> str:
    return f", gaps under {self.shortest_gap_s:.3g} s closed" if self.shortest_gap_s else ""


# Half a block of the paper's clock. Hand-made labels leave milliseconds between events that are meant to touch, and a
# decision of a third of a second cannot meet what is shorter than half of it.
HALF_BLOCK_S = 1 / 6

# The released code's; its published figures are the event-based ones, and what stands beside them is counted by it.
PAPER = Protocol(offsets_count=False, collar_s=0.5, length_fraction=0.5, segment_s=1.0)
# The same, without the gaps that no system at this block rate can meet: for labels that were made by hand.
CLOSED = dataclasses.replace(PAPER, shortest_gap_s=HALF_BLOCK_S)
SED_EVAL_DEFAULT = Protocol(offsets_count=True, collar_s=0.2, length_fraction=0.5, segment_s=1.0)

PROTOCOLS = {"paper": PAPER, "closed": CLOSED, "sed_eval_default": SED_EVAL_DEFAULT}
