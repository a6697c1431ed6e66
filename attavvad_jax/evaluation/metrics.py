"""Precision, recall, F and error rate of timelines, counted one recording at a time as sed_eval counts.

Every metric is a ratio of counts that are summed over recordings and divided once at the end. A ratio whose denominator
is zero is NaN, never 0.
"""

import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import functools
import itertools
import math
import operator
from typing import NamedTuple

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


class Counts(NamedTuple):
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

  def __add__(self, other: "Counts") -> "Counts":  # type: ignore[override]  # of counts, not of tuples
    return Counts(*map(operator.add, self, other))

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
    return total((self, other))


def total(scores: Iterable[Scores]) -> Scores:
  """Adds up the scores of one or more recordings.

  Raises:
    ValueError: there are none, or they have different protocols.
  """
  scores = list(scores)
  if not scores:
    raise ValueError("nothing to evaluate: no pairs of reference and estimate")
  protocol = scores[0].protocol
  if other := next((each.protocol for each in scores if each.protocol != protocol), None):
    raise ValueError(f"scores of two protocols cannot be added: {protocol}, {other}")
  event_based, segment_based = (
    {name: Counts(*map(sum, zip(*[table[name] for table in tables], strict=True))) for name in tables[0]}
    for tables in ([each.event_based for each in scores], [each.segment_based for each in scores])
  )
  recordings, duration_s = (
    sum(values) for values in zip(*[(each.recordings, each.duration_s) for each in scores], strict=True)
  )
  return Scores(protocol, recordings, duration_s, event_based, segment_based)


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
  return total(count(reference, estimate, protocol) for reference, estimate in pairs)


def count(reference: Timeline, estimate: Timeline, protocol: Protocol) -> Scores:
  """Compares one recording's estimate with its reference.

  The estimate is cut off at the reference's duration. Unmarked time counts as others: gaps in both timelines are first
  filled with others (see `fill_gaps`), and short ones are closed if the protocol demands it (see `close_gaps`).
  """
  references, estimates = prepare(reference, estimate, protocol)
  seconds = reference_seconds(references)
  return Scores(
    protocol,
    1,
    reference.duration_s,
    count_events(references, estimates, protocol, seconds),
    count_segments(references, estimates, protocol, seconds),
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


def count_events(
  references: Timeline, estimates: Timeline, protocol: Protocol, seconds: Mapping[str, float]
) -> dict[str, Counts]:
  """Counts matching events of prepared timelines (see `Protocol`), as sed_eval's `EventBasedMetrics` does.

  Hits are a maximum matching of events of one label. An unmatched reference is substituted by the first unmatched
  estimate that matches it in all but the label.

  Args:
    references: the prepared reference.
    estimates: the prepared estimate.
    protocol: the protocol of the comparison.
    seconds: result of `reference_seconds`.

  Returns:
    Counts of "overall" and each of `EVENTS`.
  """
  labels, estimate_labels = ([event.label for event in timeline] for timeline in (references, estimates))
  meeting = _meeting(references.events, estimates.events, protocol)
  graph: dict[int, list[int]] = {}
  for index, candidates in enumerate(meeting):
    for candidate in candidates:
      if estimate_labels[candidate] == labels[index]:
        graph.setdefault(candidate, []).append(index)
  matching = maximum_matching(graph)

  taken = set(matching.values())
  substitutions = 0
  for index, candidates in enumerate(meeting):
    if index not in matching:
      first = next((candidate for candidate in candidates if candidate not in taken), None)
      if first is not None:
        taken.add(first)
        substitutions += 1

  hit_labels = [labels[index] for index in matching]
  counts = {OVERALL: _to_counts(len(labels), len(estimate_labels), len(matching), substitutions, seconds[OVERALL])}
  for label in EVENTS:
    hits = hit_labels.count(label)
    counts[label] = _to_counts(labels.count(label), estimate_labels.count(label), hits, 0, seconds[label])
  return counts


def _meeting(references: Sequence[Event], estimates: Sequence[Event], protocol: Protocol) -> list[list[int]]:
  """Returns for each reference the indices of the estimates that match it in all but the label."""
  onsets = [event.onset_s for event in estimates]
  meeting = []
  first = 0
  # Wider than the collar by a rounding error: the exact comparison decides.
  reach_s = protocol.collar_s + 1e-6
  for reference in references:
    while first < len(onsets) and onsets[first] < reference.onset_s - reach_s:
      first += 1
    found = []
    for index in range(first, len(onsets)):
      if onsets[index] > reference.onset_s + reach_s:
        break
      if abs(reference.onset_s - onsets[index]) <= protocol.collar_s:
        found.append(index)
    if protocol.offsets_count:
      collar_s = max(protocol.collar_s, protocol.length_fraction * (reference.offset_s - reference.onset_s))
      found = [index for index in found if abs(reference.offset_s - estimates[index].offset_s) <= collar_s]
    meeting.append(found)
  return meeting


def count_segments(
  references: Timeline, estimates: Timeline, protocol: Protocol, seconds: Mapping[str, float]
) -> dict[str, Counts]:
  """Counts active segments of prepared timelines, as sed_eval's `SegmentBasedMetrics` does.

  Within a segment, each pair of a missed and a false event is one substitution; the rest are deletions or insertions.

  Args:
    references: the prepared reference.
    estimates: the prepared estimate.
    protocol: the protocol of the comparison.
    seconds: result of `reference_seconds`.

  Returns:
    Counts of "overall" and each of `EVENTS`.
  """
  active, estimated = (_segments(timeline, protocol.segment_s) for timeline in (references, estimates))
  numbers = [(a.bit_count(), b.bit_count(), (a & b).bit_count()) for a, b in zip(active, estimated, strict=True)]
  reference, estimate, hits = map(sum, zip(*numbers, strict=True))
  # The sum over segments of the smaller number of labels, which are hits or substitutions.
  paired = sum((a & b).bit_count() for a, b in zip(_at_least(active), _at_least(estimated), strict=True))
  counts = {OVERALL: _to_counts(reference, estimate, hits, paired - hits, seconds[OVERALL])}
  for label, (reference, estimate, hits) in zip(EVENTS, numbers, strict=True):
    counts[label] = _to_counts(reference, estimate, hits, 0, seconds[label])
  return counts


def _segments(timeline: Timeline, segment_s: float) -> list[int]:
  """Returns the set of segments that each of `EVENTS` overlaps: an integer with one byte for each segment, 0 or 1."""
  length = math.ceil(timeline.duration_s / segment_s)
  active = {label: bytearray(length) for label in EVENTS}
  for event in timeline:
    first, last = math.floor(event.onset_s / segment_s), min(math.ceil(event.offset_s / segment_s), length)
    active[event.label][first:last] = b"\1" * (last - first)
  return [int.from_bytes(row, "little") for row in active.values()]


def _at_least(active: Sequence[int]) -> list[int]:
  """Returns the sets of segments in which at least 1, 2, ... of the given sets are."""
  levels = [0] * len(active)
  for row in active:
    for index in range(len(levels) - 1, 0, -1):
      levels[index] |= levels[index - 1] & row
    levels[0] |= row
  return levels


def _to_counts(reference: int, estimate: int, hits: int, substitutions: int, reference_s: float) -> Counts:
  """Completes counts: references and estimates without hit or substitution are deletions and insertions."""
  matched = hits + substitutions
  return Counts(reference, estimate, hits, substitutions, reference - matched, estimate - matched, reference_s)


def fill_gaps(timeline: Timeline, duration_s: float) -> Timeline:
  """Returns the timeline from 0 to a duration, with others in unmarked time; touching others are merged.

  Gaps shorter than a millisecond come from rounding in label files and stay; events beyond the duration are cut off.
  """
  if duration_s == timeline.duration_s and _is_filled(timeline):
    return timeline
  kept = [
    event if event.offset_s <= duration_s else dataclasses.replace(event, offset_s=duration_s)
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


def _is_filled(timeline: Timeline) -> bool:
  """Returns whether `fill_gaps` would change nothing, as is so for timelines made of block decisions."""
  covered_to, background_to = 0.0, -math.inf
  for event in timeline:
    onset_s, offset_s = event.onset_s, event.offset_s
    if onset_s - covered_to >= _ROUNDING_S or offset_s > timeline.duration_s:
      return False
    covered_to = max(covered_to, offset_s)
    if event.label == BACKGROUND:
      if onset_s - background_to < _ROUNDING_S:
        return False
      background_to = offset_s
  # An event that begins in the last millisecond would be dropped.
  return timeline.duration_s - covered_to < _ROUNDING_S and all(
    timeline.duration_s - event.onset_s >= _ROUNDING_S for event in timeline.events[-1:]
  )


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
  last: dict[str, int] = {}  # of each label, the index of the last event in `joined`
  others = functools.cache(lambda label: _Marked([event for event in marked if event.label != label]))
  for event in marked:
    before = joined[last[event.label]] if event.label in last else None
    # Two events of a label are one if they have at most a short gap between them, in which no other event is marked.
    if (
      before is not None
      and event.onset_s - before.offset_s < shortest_s - 1e-6
      and not others(event.label).within(before.offset_s, event.onset_s)
    ):
      joined[last[event.label]] = dataclasses.replace(before, offset_s=max(before.offset_s, event.offset_s))
    else:
      last[event.label] = len(joined)
      joined.append(event)
  if len(joined) + len(background) == len(timeline):
    return timeline
  return Timeline([*joined, *background], timeline.duration_s)


class _Marked:
  """Events in order of onset, which tell whether any of them is longer than a rounding error within a span."""

  def __init__(self, events: Sequence[Event]):
    self._onsets = [event.onset_s for event in events]
    self._offsets = [event.offset_s for event in events]
    self._latest = list(itertools.accumulate(self._offsets, max))

  def within(self, onset_s: float, offset_s: float) -> bool:
    """Returns whether an event covers at least a millisecond between two times."""
    first = bisect.bisect_right(self._onsets, onset_s)
    if first and min(self._latest[first - 1], offset_s) - onset_s >= _ROUNDING_S:
      return True
    return any(
      min(self._offsets[index], offset_s) - self._onsets[index] >= _ROUNDING_S
      for index in range(first, bisect.bisect_left(self._onsets, offset_s))
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
