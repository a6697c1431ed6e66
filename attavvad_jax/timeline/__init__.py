"""The block clock, events and timelines, and the conversions between timelines, block labels and block scores."""

from attavvad_jax.timeline.clock import Clock
from attavvad_jax.timeline.event import BACKGROUND, EVENTS, VOCAL_EVENTS, Event, others_meaning
from attavvad_jax.timeline.labels import block_labels, labels_to_timeline, overlap_s, unsure_spans
from attavvad_jax.timeline.smoothing import Smoothing, scores_to_timeline
from attavvad_jax.timeline.timeline import Timeline

__all__ = [
  "BACKGROUND",
  "EVENTS",
  "VOCAL_EVENTS",
  "Clock",
  "Event",
  "Smoothing",
  "Timeline",
  "block_labels",
  "labels_to_timeline",
  "others_meaning",
  "overlap_s",
  "scores_to_timeline",
  "unsure_spans",
]
