"""Precision, recall, F and error rate of timelines, counted one recording at a time as sed_eval counts.

Every metric is a ratio of counts that are summed over recordings and divided once at the end. A ratio whose denominator
is zero is NaN, never 0.
"""

from collections.abc import Callable, Iterable, Mapping
import dataclasses
import functools
import math

import numpy as np

from attavvad_jax.evaluation.matching import maximum_matching
from attavvad_jax.evaluation.protocols import Protocol
from attavvad_jax.timeline import BACKGROUND, EVENTS, Event, Timeline

# Compares a reference with an estimate by a protocol, like `count`.
Counter = Callable[[Timeline, Timeline, Protocol], "Scores"]
# Key in `Scores` for all events together, beside those of `EVENTS`.
OVERALL = "overall"

# Label files round to the millisecond, so a shorter gap between two events is a rounding error.
# The threshold is a microsecond less, because seconds are float64 sums, in which 1.001 - 1.0 is less than 0.001.
_ROUNDING_S = 1e-3 - 1e-6


@dataclasses.dataclass(frozen=True)
class Counts:
  """Numbers of references, estimates and matches: of events if event-based, of active segments if segment-based.

  Attributes:
    reference: number in the reference (support).
    estimate: number in the estimate.
    hits: number in both.
    substitutions: references matched by an estimate of another label; only counted over all events.
    deletions: references without a match.
    insertions: estimates without a match.
    reference_s: total duration of the reference's events in seconds.
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
    """Hits / estimates; NaN if there are no estimates."""
    return _ratio(self.hits, self.estimate)

  @property
  def recall(self) -> float:
    """Hits / references; NaN if there are no references."""
    return _ratio(self.hits, self.reference)

  @property
  def f_score(self) -> float:
    """Harmonic mean of precision and recall, 2 hits / (references + estimates); NaN if there are no references.

    Differences: sed_eval also gives NaN if there are references but no estimates; here F is then 0.
    """
    return _ratio(2 * self.hits, self.reference + self.estimate) if self.reference else math.nan

  @property
  def error_rate(self) -> float:
    """(Substitutions + deletions + insertions) / references, may exceed 1; NaN if there are no references.

    Differences: sed_eval divides by a tiny number if there are no references.
    """
    return _ratio(self.substitutions + self.deletions + self.insertions, self.reference)


@dataclasses.dataclass(frozen=True)
class Scores:
  """The result of `evaluate`; "overall" takes all events together, as sed_eval does (micro-average).

  Attributes:
    protocol: the protocol by which timelines were compared.
    recordings: number of pairs.
    duration_s: total duration of the references.
    event_based: counts of events for "overall" and each of `EVENTS`.
    segment_based: counts of segments for the same keys.
  """

  protocol: Protocol
  recordings: int
  duration_s: float
  event_based: Mapping[str, Counts]
  segment_based: Mapping[str, Counts]

  def __add__(self, other: "Scores") -> "Scores":
    if self.protocol != other.protocol:
      raise ValueError(f"scores of two protocols cannot be added: {self.protocol}, {other.protocol}")
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
    protocol: the protocol of the comparison; see `PROTOCOLS`.

  Returns:
    Counts summed over the recordings; `count` describes how one recording is counted.

  Raises:
    ValueError: there are no pairs.
  """
  recordings = [count(reference, estimate, protocol) for reference, estimate in pairs]
  if not recordings:
    raise ValueError("nothing to evaluate: no pairs of reference and estimate")
  return functools.reduce(Scores.__add__, recordings)


def count(reference: Timeline, estimate: Timeline, protocol: Protocol) -> Scores:
  """Compares one recording's estimate with its reference.

  The estimate is cut off at the reference's duration. Unmarked time counts as others: gaps in both timelines are first
  filled with others (see `fill_gaps`), and short ones are closed if the protocol demands it (see `close_gaps`).
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
  """Returns reference and estimate ready to be counted: cut to the reference's duration, gaps filled and closed."""
  references, estimates = (
    close_gaps(fill_gaps(timeline, reference.duration_s), protocol.shortest_gap_s) for timeline in (reference, estimate)
  )
  return references, estimates


def reference_seconds(reference: Timeline) -> dict[str, float]:
  """Returns the total duration of each of `EVENTS` in a prepared reference, and of all of them together."""
  seconds = {label: reference.total_s(label) for label in EVENTS}
  return {OVERALL: sum(seconds.values()), **seconds}


def count_events(references: Timeline, estimates: Timeline, protocol: Protocol) -> dict[str, Counts]:
  """Counts matching events of prepared timelines (see `Protocol`), as sed_eval's `EventBasedMetrics` does.

  Hits are a maximum matching of events of one label. An unmatched reference is substituted by the first unmatched
  estimate that matches it in all but the label.

  Returns:
    Counts of "overall" and each of `EVENTS`.
  """
  onsets, offsets, labels = _columns(references)
  estimate_onsets, estimate_offsets, estimate_labels = _columns(estimates)
  meets = abs(onsets[:, None] - estimate_onsets) <= protocol.collar_s
  if protocol.offsets_count:
    collars = np.maximum(protocol.collar_s, protocol.length_fraction * (offsets - onsets))
    meets &= abs(offsets[:, None] - estimate_offsets) <= collars[:, None]
  matching = maximum_matching(meets & (labels[:, None] == estimate_labels))

  left_over = np.ones(len(estimate_labels), bool)
  left_over[list(matching.values())] = False
  substitutions = 0
  for row in meets[[index for index in range(len(labels)) if index not in matching]]:
    candidates = np.flatnonzero(row & left_over)
    left_over[candidates[:1]] = False
    substitutions += bool(len(candidates))

  seconds = reference_seconds(references)
  counts = {OVERALL: _to_counts(len(labels), len(estimate_labels), len(matching), substitutions, seconds[OVERALL])}
  for index, label in enumerate(EVENTS):
    reference, estimate, hits = (int((of == index).sum()) for of in (labels, estimate_labels, labels[list(matching)]))
    counts[label] = _to_counts(reference, estimate, hits, 0, seconds[label])
  return counts


def count_segments(references: Timeline, estimates: Timeline, protocol: Protocol) -> dict[str, Counts]:
  """Counts active segments of prepared timelines, as sed_eval's `SegmentBasedMetrics` does.

  Within a segment, each pair of a missed and a false event is one substitution; the rest are deletions or insertions.

  Returns:
    Counts of "overall" and each of `EVENTS`.
  """
  active, estimated = (_segments(timeline, protocol.segment_s) for timeline in (references, estimates))
  both = active & estimated
  seconds = reference_seconds(references)
  substitutions = int((np.minimum(active.sum(axis=1), estimated.sum(axis=1)) - both.sum(axis=1)).sum())
  reference, estimate, hits = (int(cells.sum()) for cells in (active, estimated, both))
  counts = {OVERALL: _to_counts(reference, estimate, hits, substitutions, seconds[OVERALL])}
  for index, label in enumerate(EVENTS):
    reference, estimate, hits = (int(cells[:, index].sum()) for cells in (active, estimated, both))
    counts[label] = _to_counts(reference, estimate, hits, 0, seconds[label])
  return counts


def _columns(timeline: Timeline) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns onsets and offsets in seconds, and indices into `EVENTS`, of all events."""
  onsets, offsets = (np.array([getattr(event, name) for event in timeline], float) for name in ("onset_s", "offset_s"))
  return onsets, offsets, np.array([EVENTS.index(event.label) for event in timeline], int)


def _segments(timeline: Timeline, segment_s: float) -> np.ndarray:
  """Returns which events overlap each segment of the timeline. Bool [segments, E]."""
  active = np.zeros((math.ceil(timeline.duration_s / segment_s), len(EVENTS)), bool)
  for event in timeline:
    first, last = math.floor(event.onset_s / segment_s), math.ceil(event.offset_s / segment_s)
    active[first:last, EVENTS.index(event.label)] = True
  return active


def _to_counts(reference: int, estimate: int, hits: int, substitutions: int, reference_s: float) -> Counts:
  """Completes counts: references and estimates without hit or substitution are deletions and insertions."""
  matched = hits + substitutions
  return Counts(reference, estimate, hits, substitutions, reference - matched, estimate - matched, reference_s)


def fill_gaps(timeline: Timeline, duration_s: float) -> Timeline:
  """Returns the timeline from 0 to a duration, with others in unmarked time; touching others are merged.

  Gaps shorter than a millisecond come from rounding in label files and stay; events beyond the duration are cut off.
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
  """Returns a filled timeline (see `fill_gaps`) without gaps that block decisions cannot match; 0 leaves it unchanged.

  Events of others shorter than `shortest_s` are dropped, whether they were gaps or marked: labels made by hand leave
  milliseconds between events that are meant to touch, and before the end. The events around them keep their onsets and
  offsets. Events of one label that touch, overlap or have only such a gap between them are merged. Other short events
  stay, and so does a recording of only others.
  """
  if not shortest_s:
    return timeline
  marked = [event for event in timeline if event.label != BACKGROUND]
  background = [event for event in timeline if event.label == BACKGROUND]
  if marked:
    # Seconds are float64 sums, so a microsecond less counts as equal.
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
  """Returns whether two events of a label are separated by at most a short gap in which no other event is marked."""
  if second.onset_s - first.offset_s >= shortest_s - 1e-6:
    return False
  return not any(
    min(event.offset_s, second.onset_s) - max(event.onset_s, first.offset_s) >= _ROUNDING_S for event in between
  )


def _merge_touching(events: list[Event]) -> list[Event]:
  """Merges events of one label, given in order of onset, that touch or overlap."""
  merged: list[Event] = []
  for event in events:
    if merged and event.onset_s - merged[-1].offset_s < _ROUNDING_S:
      merged[-1] = Event(merged[-1].onset_s, max(merged[-1].offset_s, event.offset_s), event.label)
    else:
      merged.append(event)
  return merged


def _ratio(numerator: float, denominator: float) -> float:
  return numerator / denominator if denominator else math.nan
