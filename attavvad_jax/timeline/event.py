"""The four events of the paper (Section 2.1), and one event of a timeline."""

import dataclasses
import math

# Order of the paper (Section 2.1); the label map of every data set and checkpoint.
EVENTS = ("silence", "speech", "singing", "others")
VOCAL_EVENTS = ("speech", "singing")
# What is not marked in a label file is the sound of something else than the performer.
BACKGROUND = "others"


def others_meaning(*, has_video: bool) -> str:
  """What `others` says of a recording, in words."""
  if has_video:
    return "others: what is heard does not come from the performer on camera"
  return (
    "others, as there are no pictures: what is heard is neither speech, singing nor silence, such as music and noise; "
    "whose voice it is cannot be told"
  )


@dataclasses.dataclass(frozen=True)
class Event:
  """One event of a timeline: seconds, a label of `EVENTS`, and the mean score of its blocks where there is one."""

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
    return self.offset_s - self.onset_s
