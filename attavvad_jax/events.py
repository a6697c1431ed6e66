"""The four events, the timeline of a recording, and the ways between timelines, block labels and scores.

Axes: B blocks, E events.
"""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import math
from typing import Any

import numpy as np

from attavvad_jax.clock import Clock

# Order of the paper (Section 2.1); the label map of every data set and checkpoint.
EVENTS = ("silence", "speech", "singing", "others")
VOCAL_EVENTS = ("speech", "singing")
# What is not marked in a label file is the sound of something else than the performer.
BACKGROUND = "others"


def others_meaning(*, has_pictures: bool) -> str:
  """What `others` says of a recording, in words."""
  if has_pictures:
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

  def __post_init__(self):
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


@dataclasses.dataclass(frozen=True)
class Timeline:
  """What happens in one recording: events in order of onset, and its duration in seconds.

  Events may leave gaps, which count as others, and may overlap.
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
    """Seconds that one label covers; where its events overlap, a second counts once."""
    return float(_covered_s([event for event in self.events if event.label == label], np.array([0.0, np.inf]))[0])

  def to_dataframe(self) -> Any:
    """The events as a pandas table: a row each, with the columns onset_s, offset_s, label, score (NaN where none).

    Raises:
      ImportError: pandas is not installed.
    """
    try:
      import pandas
    except ImportError as error:
      raise ImportError("a timeline becomes a table by pandas, which is missing: pip install pandas") from error
    columns = [field.name for field in dataclasses.fields(Event)]
    table = pandas.DataFrame([dataclasses.astuple(event) for event in self.events], columns=columns)
    return table.astype({column: "float64" for column in columns if column != "label"})

  def plot(self, axes: Any = None) -> Any:
    """Draws the events as a lane over the time, on new matplotlib axes or those that are given; returns the axes.

    Raises:
      ValueError: the timeline has no length.
    """
    from attavvad_jax.reports.picture import plot_timeline

    return plot_timeline(self, axes)

  def _repr_html_(self) -> str:
    """What notebooks show: lanes and a table."""
    from attavvad_jax.reports.notebook import timeline_html

    return timeline_html(self)


def overlap_s(timeline: Timeline, clock: Clock, num_blocks: int) -> np.ndarray:
  """Seconds of each block that each event covers. [B,E] float64; what is unmarked counts as others.

  Events of one label that overlap cover a second once; of several labels, each covers it.
  """
  edges = np.array([clock.start_s(i) for i in range(num_blocks + 1)])
  overlap = np.stack([_covered_s([e for e in timeline if e.label == label], edges) for label in EVENTS], axis=1)
  inside = np.clip(np.minimum(edges[1:], timeline.duration_s) - edges[:-1], 0.0, None)
  overlap[:, EVENTS.index(BACKGROUND)] += np.clip(inside - _covered_s(timeline.events, edges), 0.0, None)
  return overlap


def _covered_s(events: Sequence[Event], edges: np.ndarray) -> np.ndarray:
  """Seconds between consecutive edges (in order) that at least one event, in order of onset, covers. [N+1] -> [N]."""
  if not events:
    return np.zeros(len(edges) - 1)
  onsets = np.array([event.onset_s for event in events])
  offsets = np.array([event.offset_s for event in events])
  # What earlier events cover is taken off each, so that what is left does not overlap.
  onsets = np.maximum(onsets, np.maximum.accumulate(np.concatenate([[0.0], offsets[:-1]])))
  offsets = np.maximum(onsets, offsets)
  covered = np.concatenate([[0.0], np.cumsum(offsets - onsets)])
  times = np.stack([onsets, offsets], axis=1).ravel()
  return np.diff(np.interp(edges, times, np.stack([covered[:-1], covered[1:]], axis=1).ravel()))


def block_labels(timeline: Timeline, clock: Clock, num_blocks: int | None = None) -> np.ndarray:
  """The event that fills most of each block. [B] int32, indices into `EVENTS`.

  Where two events fill the same part, the earlier of `EVENTS` but silence wins: a voice is never hidden by a tie.
  Blocks after the end of the timeline are others.
  """
  if num_blocks is None:
    num_blocks = clock.num_blocks(timeline.duration_s)
  # Overlaps are sums of float64 seconds: round to a microsecond so that an exact tie is seen as one.
  overlap = np.round(overlap_s(timeline, clock, num_blocks), 6)
  # Blocks after the end hold nothing, and nothing is no voice.
  overlap[~overlap.any(axis=1), EVENTS.index(BACKGROUND)] = 1.0
  order = [EVENTS.index(name) for name in ("speech", "singing", "others", "silence")]
  return np.asarray(order, np.int32)[np.argmax(overlap[:, order], axis=1)]


def labels_to_timeline(
  labels: np.ndarray, clock: Clock, duration_s: float, scores: np.ndarray | None = None
) -> Timeline:
  """Runs of equal block labels as events; with scores [B,E] each event carries its blocks' mean."""
  events = []
  for first, last in _runs(labels):
    label = int(labels[first])
    score = None if scores is None else float(np.mean(scores[first:last, label]))
    offset_s = min(clock.start_s(last), duration_s)
    if offset_s > clock.start_s(first):
      events.append(Event(clock.start_s(first), offset_s, EVENTS[label], score))
  return Timeline(events, duration_s)


@dataclasses.dataclass(frozen=True)
class Smoothing:
  """How scores become a timeline.

  Attributes:
    mean_blocks: width of the centred moving average over block scores, odd; 1 leaves them alone.
    min_duration_s: a run shorter than this is given to the longer of its neighbours. Those that last this long count
      as equally long, and of such the earlier is chosen: what is heard much later changes nothing, which streams need.
  """

  mean_blocks: int = 3
  min_duration_s: float = 0.5

  def __post_init__(self):
    if self.mean_blocks < 1 or self.mean_blocks % 2 == 0:
      raise ValueError(f"smoothing: mean_blocks is {self.mean_blocks}; expected an odd number of 1 or more")
    if self.min_duration_s < 0:
      raise ValueError(f"smoothing: min_duration_s is {self.min_duration_s}; expected 0 or more")

  def min_blocks(self, clock: Clock) -> int:
    """Blocks that a run must have to last."""
    return math.ceil(self.min_duration_s * clock.block_rate_hz - 1e-9)


def scores_to_timeline(
  scores: np.ndarray, clock: Clock, duration_s: float, smoothing: Smoothing | None = None
) -> Timeline:
  """The most likely event of each block, smoothed, as a timeline.

  Args:
    scores: [B,E] probabilities, one column for each of `EVENTS`.
    clock: the clock of the blocks.
    duration_s: length of the recording; the last event ends there.
    smoothing: moving average and minimum duration; the defaults where None.

  Raises:
    ValueError: scores are not [B,E] or not finite.
  """
  scores = np.asarray(scores, np.float64)
  if scores.ndim != 2 or scores.shape[1] != len(EVENTS):
    raise ValueError(f"scores have shape {scores.shape}; expected [blocks, {len(EVENTS)}]")
  if not np.isfinite(scores).all():
    raise ValueError(f"scores of {int((~np.isfinite(scores)).any(axis=1).sum())} blocks are not finite")
  smoothing = smoothing or Smoothing()
  labels = np.argmax(_moving_average(scores, smoothing.mean_blocks), axis=1)
  labels = _absorb_short_runs(labels, smoothing.min_blocks(clock))
  return labels_to_timeline(labels, clock, duration_s, scores)


def _moving_average(scores: np.ndarray, width: int) -> np.ndarray:
  """Centred mean over `width` blocks; at both ends over the blocks that exist. [B,E] -> [B,E]."""
  if len(scores) == 0:
    return scores
  # Not by a running sum: its rounding would depend on all that came before, and break ties by it.
  margin = (width // 2, width // 2)
  windows = np.lib.stride_tricks.sliding_window_view(np.pad(scores, [margin, (0, 0)]), width, axis=0)
  counts = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones(len(scores)), margin), width)
  return windows.sum(axis=-1) / counts.sum(axis=-1)[:, None]


def _runs(labels: np.ndarray) -> list[tuple[int, int]]:
  """[first, last) of every run of equal labels."""
  if len(labels) == 0:
    return []
  edges = np.flatnonzero(np.diff(labels)) + 1
  return list(zip([0, *edges.tolist()], [*edges.tolist(), len(labels)], strict=True))


def _absorb_short_runs(labels: np.ndarray, min_blocks: int) -> np.ndarray:
  """Gives each run shorter than `min_blocks` to a neighbour, as `Smoothing` says, the shortest first. [B] -> [B]."""
  runs = _runs(labels)
  values = np.array([labels[first] for first, _ in runs], labels.dtype)
  lengths = np.array([last - first for first, last in runs], int)
  while len(lengths) > 1:
    short = int(np.argmin(lengths))
    if lengths[short] >= min_blocks:
      break
    neighbours = [i for i in (short - 1, short + 1) if 0 <= i < len(lengths)]
    values[short] = values[max(neighbours, key=lambda i: min(lengths[i], min_blocks))]
    # Runs that have become equal are one.
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    values, lengths = values[starts], np.add.reduceat(lengths, starts)
  return np.repeat(values, lengths)
