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

  Raises:
    ValueError: a collar or segment is not positive, or the fraction not from 0 to 1.
  """

  offsets_count: bool
  collar_s: float
  length_fraction: float
  segment_s: float

  def __post_init__(self):
    for name in ("collar_s", "segment_s"):
      if not getattr(self, name) > 0:
        raise ValueError(f"protocol: {name} is {getattr(self, name)}; expected more than 0")
    if not 0 <= self.length_fraction <= 1:
      raise ValueError(f"protocol: length_fraction is {self.length_fraction}; expected 0 to 1")

  @property
  def event_name(self) -> str:
    """One line for tables: the event-based half."""
    if not self.offsets_count:
      return f"event-based, onset only, collar {self.collar_s:g} s"
    return f"event-based, onset and offset, collar {self.collar_s:g} s or {self.length_fraction:.0%} of the event"

  @property
  def segment_name(self) -> str:
    """One line for tables: the segment-based half."""
    return f"segment-based, segments of {self.segment_s:g} s"


# The released code's; its published figures are the event-based ones.
PAPER = Protocol(offsets_count=False, collar_s=0.5, length_fraction=0.5, segment_s=1.0)
SED_EVAL_DEFAULT = Protocol(offsets_count=True, collar_s=0.2, length_fraction=0.5, segment_s=1.0)

PROTOCOLS = {"paper": PAPER, "sed_eval_default": SED_EVAL_DEFAULT}
