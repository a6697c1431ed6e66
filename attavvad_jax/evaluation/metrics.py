"""Precision, recall, F and error rate of timelines, one recording at a time, with the counts of sed_eval.

Counts first: every figure is a ratio of counts that were summed over recordings, divided once at the end. A ratio whose
denominator is zero is NaN, never 0.
"""

from collections.abc import Callable, Iterable, Mapping
import dataclasses
import functools
import math

import numpy as np

from attavvad_jax.evaluation.matching import maximum_matching
from attavvad_jax.evaluation.protocols import Protocol
from attavvad_jax.timeline import BACKGROUND, EVENTS, Event, Timeline

# Compares a reference with an estimate by a protocol, as `count` does.
Counter = Callable[[Timeline, Timeline, Protocol], "Scores"]
# In `Scores`: all events together, beside each of `EVENTS`.
OVERALL = "overall"

# Label files round to the millisecond: a shorter gap between two events is none.
# A microsecond less than a millisecond: seconds are float64 sums, of which 1.001 - 1.0 is less than 0.001.
_ROUNDING_S = 1e-3 - 1e-6


@dataclasses.dataclass(frozen=True)
class Counts:
  """How often estimates met references: events in the event-based case, active segments in the segment-based one.

  Attributes:
    reference: how many there are in the reference (support).
    estimate: how many there are in the estimate.
    hits: those in both.
    substitutions: references met by an estimate of another label; only counted over all events.
    deletions: references that nothing met.
    insertions: estimates that met nothing.
    reference_s: seconds that the reference's events last.
  """

  reference: int = 0
  estimate: int = 0
  hits: int = 0
  substitutions: int = 0
  deletions: int = 0
  insertions: int = 0
  reference_s: float = 0.0

  def __add__(self, other: "Counts") -> "Counts":
    return Counts(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

  @property
  def precision(self) -> float:
    """Hits by estimates; NaN where nothing was estimated."""
    return _ratio(self.hits, self.estimate)

  @property
  def recall(self) -> float:
    """Hits by references; NaN where the reference has none."""
    return _ratio(self.hits, self.reference)

  @property
  def f_score(self) -> float:
    """Harmonic mean of precision and recall, 2 hits / (references + estimates); NaN where the reference has none.

    Differences: sed_eval gives NaN, too, where there are references but no estimate; here missing all of them is 0.
    """
    return _ratio(2 * self.hits, self.reference + self.estimate) if self.reference else math.nan

  @property
  def error_rate(self) -> float:
    """Substitutions, deletions and insertions by references, may exceed 1; NaN where the reference has none.

    Differences: sed_eval divides by a tiny number where the reference has none.
    """
    return _ratio(self.substitutions + self.deletions + self.insertions, self.reference)


@dataclasses.dataclass(frozen=True)
class Scores:
  """What `evaluate` found; "overall" takes all events together, as sed_eval does (micro-average).

  Attributes:
    protocol: how timelines were compared.
    recordings: number of pairs.
    duration_s: total length of the references.
    event_based: counts for "overall" and each of `EVENTS`.
    segment_based: the same for segments.
  """

  protocol: Protocol
  recordings: int
  duration_s: float
  event_based: Mapping[str, Counts]
  segment_based: Mapping[str, Counts]

  def __add__(self, other: "Scores") -> "Scores":
    if self.protocol != other.protocol:
      raise ValueError(f"scores of two protocols do not add up: {self.protocol}, {other.protocol}")
    return Scores(
      self.protocol,
      self.recordings + other.recordings,
      self.duration_s + other.duration_s,
      {name: self.event_based[name] + other.event_based[name] for name in self.event_based},
      {name: self.segment_based[name] + other.segment_based[name] for name in self.segment_based},
    )


def evaluate(pairs: Iterable[tuple[Timeline, Timeline]], protocol: Protocol) -> Scores:
  """Compares estimates with references.

  Args:
    pairs: (reference, estimate) of each recording.
    protocol: how they are compared; see `PROTOCOLS`.

  Returns:
    Counts summed over the recordings; `count` says how one recording is treated.

  Raises:
    ValueError: there are no pairs.
  """
  recordings = [count(reference, estimate, protocol) for reference, estimate in pairs]
  if not recordings:
    raise ValueError("nothing to evaluate: no pairs of reference and estimate")
  return functools.reduce(Scores.__add__, recordings)


def count(reference: Timeline, estimate: Timeline, protocol: Protocol) -> Scores:
  """Compares one recording's estimate with its reference.

  The reference's duration is what counts: the estimate is cut off there. What is unmarked in either counts as others,
  so gaps are filled with others in both first (see `fill_gaps`), and short ones closed where the protocol says so (see
  `close_gaps`).
  """
  references, estimates = prepare(reference, estimate, protocol)
  return Scores(
    protocol,
    1,
    reference.duration_s,
    count_events(references, estimates, protocol),
    count_segments(references, estimates, protocol),
  )


def prepare(reference: Timeline, estimate: Timeline, protocol: Protocol) -> tuple[Timeline, Timeline]:
  """Returns reference and estimate as they are counted: cut to the reference's duration, gaps filled and closed."""
  filled, found = (
    close_gaps(fill_gaps(timeline, reference.duration_s), protocol.shortest_gap_s) for timeline in (reference, estimate)
  )
  return filled, found


def reference_seconds(reference: Timeline) -> dict[str, float]:
  """Returns how long each of `EVENTS` lasts in a prepared reference, and all of them together."""
  seconds = {label: reference.total_s(label) for label in EVENTS}
  return {OVERALL: sum(seconds.values()), **seconds}


def count_events(references: Timeline, estimates: Timeline, protocol: Protocol) -> dict[str, Counts]:
  """Counts events of prepared timelines that meet (see `Protocol`), as sed_eval's `EventBasedMetrics` does.

  Hits are a maximum matching of events of one label. A reference that is left over is substituted by the first
  estimate that is left over and meets it but for the label.

  Returns:
    Counts of "overall" and each of `EVENTS`.
  """
  onsets, offsets, labels = _columns(references)
  found_onsets, found_offsets, found_labels = _columns(estimates)
  meets = abs(onsets[:, None] - found_onsets) <= protocol.collar_s
  if protocol.offsets_count:
    collars = np.maximum(protocol.collar_s, protocol.length_fraction * (offsets - onsets))
    meets &= abs(offsets[:, None] - found_offsets) <= collars[:, None]
  matching = maximum_matching(meets & (labels[:, None] == found_labels))

  left_over = np.ones(len(found_labels), bool)
  left_over[list(matching.values())] = False
  substitutions = 0
  for row in meets[[index for index in range(len(labels)) if index not in matching]]:
    candidates = np.flatnonzero(row & left_over)
    left_over[candidates[:1]] = False
    substitutions += bool(len(candidates))

  seconds = reference_seconds(references)
  counts = {OVERALL: _to_counts(len(labels), len(found_labels), len(matching), substitutions, seconds[OVERALL])}
  for index, label in enumerate(EVENTS):
    reference, estimate, hits = (int((of == index).sum()) for of in (labels, found_labels, labels[list(matching)]))
    counts[label] = _to_counts(reference, estimate, hits, 0, seconds[label])
  return counts


def count_segments(references: Timeline, estimates: Timeline, protocol: Protocol) -> dict[str, Counts]:
  """Counts segments that events of prepared timelines touch, as sed_eval's `SegmentBasedMetrics` does.

  Within a segment, as many missed events as there are false ones are substitutions; the rest are deletions or
  insertions.

  Returns:
    Counts of "overall" and each of `EVENTS`.
  """
  active, found = (_segments(timeline, protocol.segment_s) for timeline in (references, estimates))
  both = active & found
  seconds = reference_seconds(references)
  substitutions = int((np.minimum(active.sum(axis=1), found.sum(axis=1)) - both.sum(axis=1)).sum())
  reference, estimate, hits = (int(cells.sum()) for cells in (active, found, both))
  counts = {OVERALL: _to_counts(reference, estimate, hits, substitutions, seconds[OVERALL])}
  for index, label in enumerate(EVENTS):
    reference, estimate, hits = (int(cells[:, index].sum()) for cells in (active, found, both))
    counts[label] = _to_counts(reference, estimate, hits, 0, seconds[label])
  return counts


def _columns(timeline: Timeline) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Onsets and offsets in seconds, and indices into `EVENTS`, of all events."""
  onsets, offsets = (np.array([getattr(event, name) for event in timeline], float) for name in ("onset_s", "offset_s"))
  return onsets, offsets, np.array([EVENTS.index(event.label) for event in timeline], int)


def _segments(timeline: Timeline, segment_s: float) -> np.ndarray:
  """Which events each segment of the timeline touches. Bool [segments, E]."""
  active = np.zeros((math.ceil(timeline.duration_s / segment_s), len(EVENTS)), bool)
  for event in timeline:
    first, last = math.floor(event.onset_s / segment_s), math.ceil(event.offset_s / segment_s)
    active[first:last, EVENTS.index(event.label)] = True
  return active


def _to_counts(reference: int, estimate: int, hits: int, substitutions: int, reference_s: float) -> Counts:
  """Completes counts: what is neither hit nor substituted was deleted or inserted."""
  matched = hits + substitutions
  return Counts(reference, estimate, hits, substitutions, reference - matched, estimate - matched, reference_s)


def fill_gaps(timeline: Timeline, duration_s: float) -> Timeline:
  """The timeline from 0 to a duration, with others where nothing is marked, and others that touch made one.

  Gaps shorter than a millisecond are the rounding of label files and stay; events beyond the duration are cut off.
  """
  kept = [
    dataclasses.replace(event, offset_s=min(event.offset_s, duration_s))
    for event in timeline
    if duration_s - event.onset_s >= _ROUNDING_S
  ]
  background = [event for event in kept if event.label == BACKGROUND]
  marked = [event for event in kept if event.label != BACKGROUND]
  covered_to = 0.0
  # The sentinel closes the last gap.
  for event in [*kept, Event(duration_s, duration_s, BACKGROUND)]:
    if event.onset_s - covered_to >= _ROUNDING_S:
      background.append(Event(covered_to, event.onset_s, BACKGROUND))
    covered_to = max(covered_to, event.offset_s)
  return Timeline([*marked, *_merge_touching(sorted(background, key=lambda e: e.onset_s))], duration_s)


def close_gaps(timeline: Timeline, shortest_s: float) -> Timeline:
  """A filled timeline (see `fill_gaps`) without what block decisions cannot meet; 0 leaves it as it is.

  Others that last less than `shortest_s` are no event, whether they were a gap or marked: hand-made labels leave
  milliseconds between events that are meant to touch, and before the end. The events around keep their onsets and
  offsets. Events of one label that touch or overlap, or have only such a gap between them, are one. Other short events
  stay, and whatever stands alone.
  """
  if not shortest_s:
    return timeline
  marked = [event for event in timeline if event.label != BACKGROUND]
  background = [event for event in timeline if event.label == BACKGROUND]
  if marked:
    # Seconds are float64 sums: a microsecond less is as long.
    background = [event for event in background if event.duration_s >= shortest_s - 1e-6]
  joined: list[Event] = []
  for label in EVENTS:
    between = [event for event in marked if event.label != label]
    for event in (event for event in marked if event.label == label):
      if joined and joined[-1].label == label and _is_one(joined[-1], event, between, shortest_s):
        joined[-1] = dataclasses.replace(joined[-1], offset_s=max(joined[-1].offset_s, event.offset_s))
      else:
        joined.append(event)
  return Timeline([*joined, *background], timeline.duration_s)


def _is_one(first: Event, second: Event, between: Iterable[Event], shortest_s: float) -> bool:
  """Whether two events of a label have nothing between them but a short gap, in which no other event is marked."""
  if second.onset_s - first.offset_s >= shortest_s - 1e-6:
    return False
  return not any(
    min(event.offset_s, second.onset_s) - max(event.onset_s, first.offset_s) >= _ROUNDING_S for event in between
  )


def _merge_touching(events: list[Event]) -> list[Event]:
  """Events of one label in order of onset, with those that touch or overlap made one."""
  merged: list[Event] = []
  for event in events:
    if merged and event.onset_s - merged[-1].offset_s < _ROUNDING_S:
      merged[-1] = Event(merged[-1].onset_s, max(merged[-1].offset_s, event.offset_s), event.label)
    else:
      merged.append(event)
  return merged


def _ratio(numerator: float, denominator: float) -> float:
  return numerator / denominator if denominator else math.nan
