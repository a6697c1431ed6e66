"""The four event labels of the paper (Section 2.1), and the events of a timeline."""

import dataclasses
import math

# In the paper's order (Section 2.1); the label map of every data set and checkpoint.
EVENTS = ("silence", "speech", "singing", "others")
VOCAL_EVENTS = ("speech", "singing")
# The label of unmarked time in a label file, whose audio does not come from the performer.
BACKGROUND = "others"


def others_meaning(*, has_video: bool) -> str:
  """Explains in words what `others` means for a recording with or without video."""
  if has_video:
    return "others: what is heard does not come from the performer on camera"
  return (
    "others: what is heard is neither speech, singing nor silence, such as music or noise; without video, a voice "
    "cannot be attributed to the performer"
  )


@dataclasses.dataclass(frozen=True)
class Event:
  """One event of a timeline.

  Attributes:
    onset_s: start of the event in seconds, 0 or more.
    offset_s: end of the event in seconds, not before its onset.
    label: one of `EVENTS`.
    score: mean score of the event's blocks; None if there are no scores.

  Raises:
    ValueError: the label is unknown, or onset and offset are not finite, negative or out of order.
  """

  onset_s: float
  offset_s: float
  label: str
  score: float | None = None

  def __post_init__(self) -> None:
    if self.label not in EVENTS:
      raise ValueError(f"unknown event {self.label!r}; expected one of {', '.join(EVENTS)}")
    if not (math.isfinite(self.onset_s) and math.isfinite(self.offset_s)):
      raise ValueError(f"event {self.label}: onset {self.onset_s} and offset {self.offset_s} must be finite seconds")
    if self.onset_s < 0 or self.offset_s < self.onset_s:
      raise ValueError(
        f"event {self.label}: onset {self.onset_s} s, offset {self.offset_s} s; expected 0 <= onset <= offset"
      )

  @property
  def duration_s(self) -> float:
    """Seconds from onset to offset."""
    return self.offset_s - self.onset_s
