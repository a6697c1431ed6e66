"""Parses the rule that chooses the performer among the faces of a recording."""

import dataclasses
import math

_EXPECTED = "prominent, largest, vocal, at:SECONDS or box:X,Y,WIDTH,HEIGHT in fractions of the frame"


@dataclasses.dataclass(frozen=True)
class Performer:
  """The rule that chooses the performer among the faces.

  | as text | the performer is |
  | --- | --- |
  | `prominent` | the face that is large, near the center and visible for long, chosen while the recording is read |
  | `largest` | the face that is largest and visible for longest, anywhere in the frame |
  | `vocal` | the face whose mouth vocalizes for longest according to the network |
  | `at:12.5` | the most prominent face 12.5 seconds after the start; in other shots the most prominent one |
  | `box:0.4,0.2,0.1,0.2` | the content of this box (x, y, width, height) throughout; no face is detected |
  """

  by: str = "prominent"
  time_s: float | None = None
  box: tuple[float, float, float, float] | None = None

  def __str__(self) -> str:
    if self.box is not None:
      return f"box:{','.join(map(repr, self.box))}"
    return self.by if self.time_s is None else f"at:{self.time_s!r}"

  @classmethod
  def parse(cls, text: str) -> "Performer":
    """Parses a text of the table above.

    Raises:
      ValueError: the text is none of them.
    """
    kind, _, value = text.partition(":")
    try:
      if text in ("prominent", "largest", "vocal"):
        return cls(text)
      if kind == "at" and 0 <= float(value) < math.inf:
        return cls("at", time_s=float(value))
      if kind == "box":
        x, y, width, height = (float(part) for part in value.split(","))
        return cls("box", box=(x, y, width, height))
    except ValueError:
      pass
    raise ValueError(f"performer is {text!r}; expected {_EXPECTED}")
