"""Precision, recall, F and error rate of timelines, counted by sed_eval one recording at a time.

Counts first: every figure is a ratio of counts that were summed over recordings, divided once at the end. A ratio whose
denominator is zero is NaN, never 0.
"""

from collections.abc import Iterable, Mapping
import dataclasses
import functools
import importlib
import math
from types import ModuleType
import warnings

from attavvad_jax.evaluation.protocols import Protocol
from attavvad_jax.events import BACKGROUND, EVENTS, Event, Timeline

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
  filled, found = (
    close_gaps(fill_gaps(timeline, reference.duration_s), protocol.shortest_gap_s) for timeline in (reference, estimate)
  )
  references, estimates = _to_items(filled), _to_items(found)
  seconds = {label: filled.total_s(label) for label in EVENTS}
  seconds["overall"] = sum(seconds.values())

  sound_event = _sed_eval().sound_event
  events = sound_event.EventBasedMetrics(
    list(EVENTS),
    evaluate_onset=True,
    evaluate_offset=protocol.offsets_count,
    t_collar=float(protocol.collar_s),
    percentage_of_length=float(protocol.length_fraction),
  )
  events.evaluate(references, estimates)
  segments = sound_event.SegmentBasedMetrics(list(EVENTS), time_resolution=float(protocol.segment_s))
  segments.evaluate(references, estimates, evaluated_length_seconds=reference.duration_s)

  event_based = {"overall": _counts(events.overall, events.overall["Nsubs"], seconds["overall"])}
  # Over all events, sed_eval's segments count substitutions, deletions and insertions under names of their own.
  total = segments.overall
  segment_based = {"overall": _counts({**total, "Nfn": total["D"], "Nfp": total["I"]}, total["S"], seconds["overall"])}
  for label in EVENTS:
    event_based[label] = _counts(events.class_wise[label], 0, seconds[label])
    segment_based[label] = _counts(segments.class_wise[label], 0, seconds[label])
  return Scores(protocol, 1, reference.duration_s, event_based, segment_based)


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


def _counts(found: Mapping[str, float], substitutions: float, seconds: float) -> Counts:
  reference, estimate, hits, deletions, insertions = (int(found[n]) for n in ("Nref", "Nsys", "Ntp", "Nfn", "Nfp"))
  return Counts(reference, estimate, hits, int(substitutions), deletions, insertions, seconds)


def _ratio(numerator: float, denominator: float) -> float:
  return numerator / denominator if denominator else math.nan


def _to_items(timeline: Timeline) -> list[dict[str, float | str]]:
  return [
    {"event_onset": event.onset_s, "event_offset": event.offset_s, "event_label": event.label} for event in timeline
  ]


@functools.cache
def _sed_eval() -> ModuleType:
  """Imports sed_eval; it and dcase_util have escapes and imports (pkg_resources) that newer Pythons warn of."""
  with warnings.catch_warnings():
    for category in (DeprecationWarning, SyntaxWarning, UserWarning):
      warnings.simplefilter("ignore", category)
    return importlib.import_module("sed_eval")
