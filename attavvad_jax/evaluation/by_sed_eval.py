"""The counts of `metrics` computed by sed_eval, the published implementation, for comparison and as the tests' oracle.

sed_eval is not installed with this package. Install it with `pip install 'attavvad_jax[sed_eval]'`.
"""

from collections.abc import Mapping
import functools
import importlib
from types import ModuleType
import warnings

from attavvad_jax.evaluation.metrics import OVERALL, Counter, Counts, Scores, count, prepare, reference_seconds
from attavvad_jax.evaluation.protocols import Protocol
from attavvad_jax.timeline import EVENTS, Timeline


def count_by_sed_eval(reference: Timeline, estimate: Timeline, protocol: Protocol) -> Scores:
  """Compares timelines as `metrics.count` does, but with sed_eval (Mesaros et al., 2016).

  Raises:
    ImportError: sed_eval, or the release of setuptools that it needs, is missing.
  """
  prepared = prepare(reference, estimate, protocol)
  references, estimates = map(_to_items, prepared)
  seconds = reference_seconds(prepared[0])
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

  event_based = {OVERALL: _counts(events.overall, events.overall["Nsubs"], seconds[OVERALL])}
  # sed_eval names the overall substitutions, deletions and insertions of segments differently.
  total = segments.overall
  segment_based = {OVERALL: _counts({**total, "Nfn": total["D"], "Nfp": total["I"]}, total["S"], seconds[OVERALL])}
  for label in EVENTS:
    event_based[label] = _counts(events.class_wise[label], 0, seconds[label])
    segment_based[label] = _counts(segments.class_wise[label], 0, seconds[label])
  return Scores(protocol, 1, reference.duration_s, event_based, segment_based)


def _counts(row: Mapping[str, float], substitutions: float, seconds: float) -> Counts:
  reference, estimate, hits, deletions, insertions = (int(row[n]) for n in ("Nref", "Nsys", "Ntp", "Nfn", "Nfp"))
  return Counts(reference, estimate, hits, int(substitutions), deletions, insertions, seconds)


def _to_items(timeline: Timeline) -> list[dict[str, float | str]]:
  return [
    {"event_onset": event.onset_s, "event_offset": event.offset_s, "event_label": event.label} for event in timeline
  ]


@functools.cache
def _sed_eval() -> ModuleType:
  """Imports sed_eval without the warnings that newer Pythons give for its and dcase_util's escapes and imports."""
  with warnings.catch_warnings():
    for category in (DeprecationWarning, SyntaxWarning, UserWarning):
      warnings.simplefilter("ignore", category)
    try:
      return importlib.import_module("sed_eval")
    except ImportError as error:
      raise ImportError(
        f"sed_eval cannot be imported ({error}); install it with: pip install 'attavvad_jax[sed_eval]'"
      ) from error


# The values of `--metrics`: this package's counter and sed_eval's, which give the same counts.
COUNTERS: dict[str, Counter] = {"attavvad": count, "sed_eval": count_by_sed_eval}


def find_counter(name: str) -> Counter:
  """Returns the counter with a name of `COUNTERS`.

  Raises:
    ValueError: the name is unknown.
    ImportError: sed_eval is requested and missing.
  """
  if name not in COUNTERS:
    raise ValueError(f"unknown metrics {name!r}; expected one of {', '.join(COUNTERS)}")
  if name == "sed_eval":
    _sed_eval()
  return COUNTERS[name]
