"""Interprets label files: converts their times to the recording's clock and their labels to events.

Ambiguous content is an error that says how to resolve it; an assumption is a warning.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import math
from pathlib import PurePath

from attavvad_jax.annotations.base import ALIASES, TOOL_WORDS, AnnotationError, Document, Entry, Medium
from attavvad_jax.timeline import EVENTS, VOCAL_EVENTS, Event, Timeline

# Label files are often rounded to the millisecond, so they may exceed the end of a recording by as much.
ROUNDING_S = 1e-3
# Tolerated difference between two programs in the length of a recording: audio is padded to whole packets.
LENGTH_TOLERANCE_S = 0.1

_TELL_ORIGIN = "--label_origin_s=SECONDS, or a manifest's column label_origin_s (origin_s= in Python)"


def to_timeline(
  document: Document,
  name: str,
  duration_s: float | None,
  labels: Mapping[str, str | None],
  *,
  origin_s: float | None,
  rate_hz: float | None,
  recording: str,
) -> tuple[Timeline, list[str]]:
  """Checks the entries of a file (see the package's table) and converts them to a timeline.

  Args:
    document: content of the file.
    name: name of the file, for errors and warnings.
    duration_s: length of the recording; where None, the document's own, or else the last offset.
    labels: further spellings, as in `read`.
    origin_s: start of the recording in the file's clock, as in `read`.
    rate_hz: units of time per second where the file does not state them, as in `read`.
    recording: the recording's file.

  Returns:
    The timeline, and a warning for each clipped or dropped event and each assumption.

  Raises:
    AnnotationError: a label, time or score is invalid, or the unit or origin of the times is ambiguous.
  """
  is_assumed = not document.rate_is_stated and rate_hz is None
  document = _in_seconds(document, name, rate_hz)
  named, losses = _name_events(document, name, labels)
  if is_assumed:
    losses.append(
      f"{name}: times are whole numbers, read as samples at {document.rate_hz} Hz; set another "
      "rate with --label_rate_hz (rate_hz= in Python)"
    )
  if origin_s is None:
    origin_s, assumed = _find_origin(document, name, duration_s, recording)
    losses += assumed
  if duration_s is None:
    end_s = max((entry.offset_s for entry, _ in named), default=origin_s)
    duration_s = (end_s if document.duration_s is None else document.duration_s) - origin_s
    # Rounding removes the floating-point error of the difference.
    duration_s = round(duration_s, 6) if origin_s else duration_s
  else:
    _check_reach(document, named, name, duration_s, origin_s)
    losses += _people_notes(document, named, name)
  events = []
  for entry, label in named:
    event, loss = _to_event(entry, label, f"{name}:{entry.line}", duration_s, origin_s)
    if event is not None:
      events.append(event)
    if loss is not None:
      losses.append(loss)
  if not (math.isfinite(duration_s) and duration_s >= 0):
    raise AnnotationError(f"{name}: duration is {duration_s} s; expected 0 or more")
  return Timeline(events, duration_s), losses


def _in_seconds(document: Document, name: str, told_hz: float | None) -> Document:
  """Returns the document with its times in seconds."""
  rate_hz = document.rate_hz if document.rate_is_stated or told_hz is None else told_hz
  if rate_hz is None:
    first = document.entries[0]
    raise AnnotationError(
      f"{name}:{first.line}: times are whole numbers ({first.onset_s:.0f}, {first.offset_s:.0f}, …) that may be "
      "samples, milliseconds or seconds; set their number per second: --label_rate_hz=16000 (rate_hz= in Python)"
    )
  if rate_hz == 1:
    return document
  if not (math.isfinite(rate_hz) and rate_hz > 0):
    raise ValueError(f"rate_hz is {rate_hz}; expected more than 0 units of time per second")
  entries = [
    dataclasses.replace(e, onset_s=round(e.onset_s / rate_hz, 6), offset_s=round(e.offset_s / rate_hz, 6))
    for e in document.entries
  ]
  return dataclasses.replace(document, entries=entries)


def _find_origin(document: Document, name: str, duration_s: float | None, recording: str) -> tuple[float, list[str]]:
  """Returns the start of the recording in the file's clock, and warnings of assumptions."""
  if document.origin_s is not None:
    return document.origin_s, []
  if document.media:
    return _origin_of_medium(document.media, name, recording)
  return _origin_by_length(document, name, duration_s), []


def _origin_of_medium(media: Sequence[Medium], name: str, recording: str) -> tuple[float, list[str]]:
  """Returns the start of the medium named like the recording, or of all media if they agree, and warnings."""
  file = PurePath(recording)
  named = [medium for medium in media if {medium.file, PurePath(medium.file).stem} & {file.name, file.stem}]
  origins_s = {medium.origin_s for medium in named or media}
  each = ", ".join(f"{medium.file} at {medium.origin_s:.6g} s" for medium in named or media)
  remedy = f"say where the recording begins: {_TELL_ORIGIN}"
  if len(origins_s) > 1:
    raise AnnotationError(
      f"{name}: its media begin at different times ({each}), and none is named {file.stem}; {remedy}"
    )
  origin_s = origins_s.pop()
  note = f"{name}: assumed to begin with its medium ({each}), which is not named {file.stem}"
  return origin_s, [note] if origin_s and not named else []


def _origin_by_length(document: Document, name: str, duration_s: float | None) -> float:
  """Returns the start of the recording in the file's clock, derived from its length."""
  assert document.span_s is not None  # a file with its own clock has a span
  start_s, end_s = document.span_s
  stated = f"{name}: times run from {start_s:.6g} s to {end_s:.6g} s"
  remedy = f"say where in them the recording begins: {_TELL_ORIGIN}"
  if duration_s is None:
    raise AnnotationError(f"{stated}, and the recording's length is not known; {remedy}")
  # The recording is the whole, or a part that keeps the times of the whole; the better fit of the lengths decides.
  misfit_s = {0.0: abs(end_s - duration_s), start_s: abs(end_s - start_s - duration_s)}
  origin_s = min(misfit_s, key=lambda origin_s: misfit_s[origin_s])
  if misfit_s[origin_s] > LENGTH_TOLERANCE_S:
    raise AnnotationError(
      f"{stated}, and the recording is {duration_s:.6g} s long; expected {end_s - start_s:.6g} s (a part that begins "
      f"at {start_s:.6g} s) or {end_s:.6g} s (the whole); {remedy}"
    )
  return origin_s


def _check_reach(
  document: Document, named: Sequence[tuple[Entry, str]], name: str, duration_s: float, origin_s: float
) -> None:
  """Raises an error if all of the file lies outside the recording, since its recording, unit or origin is wrong."""
  spans_s = [(entry.line, entry.onset_s, entry.offset_s) for entry, _ in named]
  if not spans_s and document.span_s is not None:
    spans_s = [(1, *document.span_s)]
  # `_to_event` reports NaN, which fails both comparisons.
  outside = [onset_s - origin_s >= duration_s or offset_s < origin_s for _, onset_s, offset_s in spans_s]
  if not outside or not all(outside):
    return
  line, onset_s, _ = min(spans_s, key=lambda span: span[1])
  last_s = max(offset_s for _, _, offset_s in spans_s)
  what = "every event" if named else "the labeled span"
  whole = f"{duration_s:.6g} s" + (f" from {origin_s:.6g} s on" if origin_s else "")
  raise AnnotationError(
    f"{name}:{line}: {what} lies beyond the recording's {whole}: from {onset_s:.6g} s to {last_s:.6g} s; expected "
    "seconds of this recording; if it is a part of a longer one, say where in the file's times it begins: "
    f"{_TELL_ORIGIN}"
  )


def _people_notes(document: Document, named: Sequence[tuple[Entry, str]], name: str) -> list[str]:
  """Returns a warning if the voices of several people count as the performer's."""
  people = list(dict.fromkeys(entry.tier for entry, event in named if event in VOCAL_EVENTS))
  if not document.tiers_are_people or len(people) < 2:
    return []
  first = ", ".join(map(repr, people[:5])) + (f" and {len(people) - 5} more" if len(people) > 5 else "")
  return [
    f"{name}: {len(people)} faces speak ({first}), and all count as the performer's; leave out those of others "
    f'with --map "{people[-1]}=none" (labels= in Python)'
  ]


def _name_events(
  document: Document, name: str, labels: Mapping[str, str | None]
) -> tuple[list[tuple[Entry, str]], list[str]]:
  """Returns the entries with their events, without those that `labels` leaves out, and warnings of assumptions."""
  told: dict[str, str | None] = {}
  for label, event in labels.items():
    if event is not None and event not in EVENTS:
      raise ValueError(f"labels: {label!r} becomes {event!r}; expected one of {', '.join(EVENTS)}, or None")
    told[_key(label)] = event
  names: dict[str, str | None] = {**{event: event for event in EVENTS}, **ALIASES, **told}
  spellings = {**TOOL_WORDS, **names}
  of_tiers = told if document.tiers_are_people else names
  named: list[tuple[Entry, str]] = []
  unknown: list[Entry] = []
  for entry in document.entries:
    # A tier that is named after an event holds that event, and its texts are remarks: lyrics, a word, a number.
    tier, label = _key(entry.tier), _key(entry.label)
    key, meaning = (tier, of_tiers) if tier and tier in of_tiers else (label, spellings)
    if key not in meaning:
      unknown.append(entry)
    elif (event := meaning[key]) is not None:
      named.append((entry, event))
  if not unknown:
    return named, []
  if document.is_transcript:
    assumed = told.get("", "speech")
    note = f"{name}: a transcript: its {len(document.entries)} segments are read as speech, even if sung; if they "
    notes = [] if "" in told else [note + 'are sung, use --map "=singing" (labels={"": "singing"} in Python)']
    return [] if assumed is None else [(entry, assumed) for entry in document.entries], notes
  first, *further = dict.fromkeys(_quote(entry) for entry in unknown)
  also = f"; the file also holds {', '.join(further[:9])}" if further else ""
  more = f" and {len(further) - 9} more" if len(further) > 9 else ""
  raise AnnotationError(
    f"{name}:{unknown[0].line}: event is {first}; expected one of {', '.join((*EVENTS, *ALIASES, *TOOL_WORDS))}, or "
    f"map the label to an event: --map LABEL=EVENT (labels= in Python){also}{more}"
  )


def _key(label: str) -> str:
  return label.strip().lower()


def _quote(entry: Entry) -> str:
  label = repr(entry.label) if entry.label.strip() else "not named"
  return f"{label} (tier {entry.tier!r})" if entry.tier else label


def _to_event(
  entry: Entry, label: str, where: str, duration_s: float, origin_s: float
) -> tuple[Event | None, str | None]:
  """Returns the event of an entry, or None if it was dropped, and a warning, or None if nothing was lost."""
  onset_s, offset_s = entry.onset_s, entry.offset_s
  # If the recording begins before the file's 0, events may, too.
  earliest_s = min(0.0, origin_s)
  if not (math.isfinite(onset_s) and math.isfinite(offset_s) and earliest_s <= onset_s <= offset_s):
    raise AnnotationError(f"{where}: onset {onset_s} s, offset {offset_s} s; expected seconds, 0 <= onset <= offset")
  # NaN also fails this comparison.
  if entry.score is not None and not 0 <= entry.score <= 1:
    raise AnnotationError(f"{where}: score is {entry.score}; expected 0 to 1")
  if onset_s == offset_s:
    return None, f"{where}: {label} at {onset_s} s has no length; dropped"
  span = f"{where}: {label} from {onset_s} s to {offset_s} s goes beyond the recording's {duration_s} s"
  if origin_s:
    span += f" from {origin_s:.6g} s on"
    onset_s, offset_s = round(onset_s - origin_s, 6), round(offset_s - origin_s, 6)
  if onset_s >= duration_s or offset_s <= 0:
    return None, f"{span}; dropped"
  event = Event(max(onset_s, 0.0), min(offset_s, duration_s), label, entry.score)
  is_clipped = offset_s > duration_s + ROUNDING_S or onset_s < -ROUNDING_S
  return event, f"{span}; clipped" if is_clipped else None
