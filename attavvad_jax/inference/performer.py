"""Who of the faces in a recording is the performer, as a user says it."""

import dataclasses
import math

_EXPECTED = "prominent, largest, vocal, at:SECONDS or box:X,Y,WIDTH,HEIGHT in fractions of the picture"


@dataclasses.dataclass(frozen=True)
class Performer:
  """How the performer is chosen among the faces.

  | as text | the performer is |
  | --- | --- |
  | `prominent` | the face that is large, near the center and there for long, told while the recording is read |
  | `largest` | of those seen, the one that is the largest and longest there, wherever in the picture |
  | `vocal` | of those seen, the one whose mouth the network takes to vocalize for the longest |
  | `at:12.5` | the most prominent face 12.5 seconds after the start; in other shots the most prominent one |
  | `box:0.4,0.2,0.1,0.2` | what is in this place (x, y, width, height), all the time; no face is looked for |
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
    """From the text of the table above.

    Raises:
      ValueError: it is not understood.
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
