"""Converts between timelines and block labels.

Axes: B blocks, E events.
"""

import math

import numpy as np

from attavvad_jax.timeline.clock import Clock
from attavvad_jax.timeline.event import BACKGROUND, EVENTS, Event
from attavvad_jax.timeline.timeline import Timeline, covered_s

# An event whose score is lower is more likely wrong than right.
UNSURE_BELOW = 0.5


def overlap_s(timeline: Timeline, clock: Clock, num_blocks: int) -> np.ndarray:
  """Computes the seconds of each block that each event covers; unmarked time counts as others. [B,E] float64.

  Time in which events of one label overlap counts once; time in which events of different labels overlap counts for
  each label.
  """
  edges = np.array([clock.start_s(i) for i in range(num_blocks + 1)])
  overlap = np.stack([covered_s([e for e in timeline if e.label == label], edges) for label in EVENTS], axis=1)
  inside = np.clip(np.minimum(edges[1:], timeline.duration_s) - edges[:-1], 0.0, None)
  overlap[:, EVENTS.index(BACKGROUND)] += np.clip(inside - covered_s(timeline.events, edges), 0.0, None)
  return overlap


def block_labels(timeline: Timeline, clock: Clock, num_blocks: int | None = None) -> np.ndarray:
  """Returns the event that covers most of each block. [B] int32, indices into `EVENTS`.

  Ties go to speech, then singing, then others, then silence, so that no tie hides a voice. Blocks after the end of the
  timeline are others.

  Examples:
    >>> timeline = Timeline([Event(0.0, 0.5, "speech"), Event(0.5, 1.0, "singing")], duration_s=1.0)
    >>> block_labels(timeline, Clock()).tolist()
    [1, 1, 2]
  """
  if num_blocks is None:
    num_blocks = clock.num_blocks(timeline.duration_s)
  # Overlaps are sums of float64 seconds: rounding to a microsecond makes exact ties equal.
  overlap = np.round(overlap_s(timeline, clock, num_blocks), 6)
  # Blocks after the end have no overlap with any event.
  overlap[~overlap.any(axis=1), EVENTS.index(BACKGROUND)] = 1.0
  order = [EVENTS.index(name) for name in ("speech", "singing", "others", "silence")]
  labels: np.ndarray = np.asarray(order, np.int32)[np.argmax(overlap[:, order], axis=1)]
  return labels


def labels_to_timeline(
  labels: np.ndarray, clock: Clock, duration_s: float, scores: np.ndarray | None = None
) -> Timeline:
  """Converts runs of equal block labels to events; with scores [B,E], each event gets the mean score of its blocks.

  Examples:
    >>> timeline = labels_to_timeline(np.array([1, 1, 1, 2]), Clock(), duration_s=1.2)
    >>> [(event.onset_s, event.offset_s, event.label) for event in timeline]
    [(0.0, 1.0, 'speech'), (1.0, 1.2, 'singing')]
  """
  events = []
  for first, last in runs(labels):
    label = int(labels[first])
    score = None if scores is None else float(np.mean(scores[first:last, label]))
    offset_s = min(clock.start_s(last), duration_s)
    if offset_s > clock.start_s(first):
      events.append(Event(clock.start_s(first), offset_s, EVENTS[label], score))
  return Timeline(events, duration_s)


def unsure_spans(timeline: Timeline, scores: np.ndarray, clock: Clock) -> list[Event]:
  """Returns the parts of events in which their own score is below `UNSURE_BELOW`, each with its mean score.

  Examples:
    >>> timeline = Timeline([Event(0.0, 1.0, "speech")], duration_s=1.0)
    >>> scores = np.array([[0.0, 0.9, 0.1, 0.0], [0.0, 0.4, 0.6, 0.0], [0.0, 0.9, 0.1, 0.0]])
    >>> [(round(span.onset_s, 2), round(span.offset_s, 2)) for span in unsure_spans(timeline, scores, Clock())]
    [(0.33, 0.67)]

  Args:
    timeline: events that begin with blocks, such as those of `scores_to_timeline`.
    scores: scores of each block, [B,E].
    clock: clock of the blocks.
  """
  spans = []
  for event in timeline:
    start = round(event.onset_s * clock.block_rate_hz)
    own = scores[start : math.ceil(event.offset_s * clock.block_rate_hz - 1e-6), EVENTS.index(event.label)]
    for first, last in runs(own < UNSURE_BELOW):
      if own[first] < UNSURE_BELOW:
        offset_s = min(clock.start_s(start + last), event.offset_s)
        spans.append(Event(clock.start_s(start + first), offset_s, event.label, float(np.mean(own[first:last]))))
  return spans


def runs(labels: np.ndarray) -> list[tuple[int, int]]:
  """Returns the interval [first, last) of every run of equal labels."""
  if len(labels) == 0:
    return []
  edges = np.flatnonzero(np.diff(labels)) + 1
  return list(zip([0, *edges.tolist()], [*edges.tolist(), len(labels)], strict=True))
