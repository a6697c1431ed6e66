"""The timeline of a recording: its events and its duration."""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
from typing import Any

import numpy as np

from attavvad_jax.timeline.event import Event


@dataclasses.dataclass(frozen=True)
class Timeline:
  """The events of one recording in order of onset, and its duration in seconds.

  Events may overlap and may leave gaps, which count as others.

  Examples:
    >>> timeline = Timeline([Event(2.5, 9.0, "singing"), Event(0.0, 2.5, "speech")], duration_s=10.0)
    >>> [event.label for event in timeline], timeline.total_s("singing")
    (['speech', 'singing'], 6.5)
  """

  events: tuple[Event, ...]
  duration_s: float

  def __init__(self, events: Iterable[Event], duration_s: float):
    object.__setattr__(self, "events", tuple(sorted(events, key=lambda e: (e.onset_s, e.offset_s, e.label))))
    object.__setattr__(self, "duration_s", float(duration_s))

  def __iter__(self) -> Iterator[Event]:
    return iter(self.events)

  def __len__(self) -> int:
    return len(self.events)

  def total_s(self, label: str) -> float:
    """Returns the seconds that one label covers; time in which its events overlap counts once."""
    total_s = covered_to = 0.0
    for event in self.events:
      if event.label == label and event.offset_s > covered_to:
        total_s += event.offset_s - max(event.onset_s, covered_to)
        covered_to = event.offset_s
    return total_s

  def to_dataframe(self) -> Any:
    """Converts the events to a pandas table with the columns onset_s, offset_s, label and score (NaN for no score).

    Raises:
      ImportError: pandas is not installed.
    """
    try:
      import pandas
    except ImportError as error:
      raise ImportError("Timeline.to_dataframe needs pandas, which is not installed: pip install pandas") from error
    columns = [field.name for field in dataclasses.fields(Event)]
    table = pandas.DataFrame([dataclasses.astuple(event) for event in self.events], columns=columns)
    return table.astype({column: "float64" for column in columns if column != "label"})

  def plot(self, axes: Any = None) -> Any:
    """Draws the events as a lane over time, on the given matplotlib axes or on new ones, and returns the axes.

    Raises:
      ValueError: the timeline has no length.
    """
    from attavvad_jax.timeline.plot import plot_timeline

    return plot_timeline(self, axes)

  def _repr_html_(self) -> str:
    """Returns lanes and a table as HTML, which notebooks display."""
    from attavvad_jax.timeline.html import timeline_html

    return timeline_html(self)


def covered_s(events: Sequence[Event], edges: np.ndarray) -> np.ndarray:
  """Computes the seconds between consecutive edges that at least one event covers. [N+1] -> [N].

  Args:
    events: events in order of onset.
    edges: [N+1] times in seconds, ascending.
  """
  if not events:
    return np.zeros(len(edges) - 1)
  onsets = np.array([event.onset_s for event in events])
  offsets = np.array([event.offset_s for event in events])
  # The part of each event that earlier events cover is removed, so that the remaining parts do not overlap.
  onsets = np.maximum(onsets, np.maximum.accumulate(np.concatenate([[0.0], offsets[:-1]])))
  offsets = np.maximum(onsets, offsets)
  covered = np.concatenate([[0.0], np.cumsum(offsets - onsets)])
  times = np.stack([onsets, offsets], axis=1).ravel()
  return np.diff(np.interp(edges, times, np.stack([covered[:-1], covered[1:]], axis=1).ravel()))
