"""What a label file means: its times in the recording's own, its labels as events.

Whatever cannot be told is an error that says how to tell it; what is assumed is a warning.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import math
from pathlib import PurePath

from attavvad_jax.annotations.base import ALIASES, TOOL_WORDS, AnnotationError, Document, Entry, Medium
from attavvad_jax.timeline import EVENTS, VOCAL_EVENTS, Event, Timeline

# Label files are often written to the millisecond: so much beyond the end of a recording is rounding.
ROUNDING_S = 1e-3
# By so much the length of a recording may differ between two programs: sound is padded to whole packets.
LENGTH_TOLERANCE_S = 0.1

_TELL_ORIGIN = "--label_origin_s=SECONDS, or a manifest's column of that name (origin_s= in Python)"


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
  """Checks the entries of a file (see the package's table) and makes a timeline of them.

  Args:
    document: what the format found.
    name: the file, for errors and warnings.
    duration_s: length of the recording; where None, the document's own, or else the last offset.
    labels: further spellings, as `read` takes them.
    origin_s: where the recording begins in the file's clock, as `read` takes it.
    rate_hz: units of time a second where the file does not state them, as `read` takes it.
    recording: the recording's file.

  Returns:
    The timeline, and one line for each thing that was clipped, dropped or assumed.

  Raises:
    AnnotationError: a label, time or score that cannot be right, or what cannot be told of the times.
  """
  is_assumed = not document.rate_is_stated and rate_hz is None
  document = _in_seconds(document, name, rate_hz)
  named, losses = _name_events(document, name, labels)
  if is_assumed:
    losses.append(
      f"{name}: times are whole numbers, taken for {document.rate_hz} a second; another rate is said by "
      "--label_rate_hz (rate_hz= in Python)"
    )
  if origin_s is None:
    origin_s, assumed = _find_origin(document, name, duration_s, recording)
    losses += assumed
  if duration_s is None:
    end_s = max((entry.offset_s for entry, _ in named), default=origin_s)
    duration_s = (end_s if document.duration_s is None else document.duration_s) - origin_s
    # The difference of two decimal numbers is a decimal number: rounding takes float's error off it.
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
  """The document with its times in seconds."""
  rate_hz = document.rate_hz if document.rate_is_stated or told_hz is None else told_hz
  if rate_hz is None:
    first = document.entries[0]
    raise AnnotationError(
      f"{name}:{first.line}: times are whole numbers ({first.onset_s:.0f}, {first.offset_s:.0f}, …) that may be "
      "samples, milliseconds or seconds; say how many make a second: --label_rate_hz=16000 (rate_hz= in Python)"
    )
  if rate_hz == 1:
    return document
  if not (math.isfinite(rate_hz) and rate_hz > 0):
    raise ValueError(f"rate_hz is {rate_hz}; expected units of time a second, more than 0")
  entries = [
    dataclasses.replace(e, onset_s=round(e.onset_s / rate_hz, 6), offset_s=round(e.offset_s / rate_hz, 6))
    for e in document.entries
  ]
  return dataclasses.replace(document, entries=entries)


def _find_origin(document: Document, name: str, duration_s: float | None, recording: str) -> tuple[float, list[str]]:
  """Where the recording begins in the clock of a file, and what was assumed of it."""
  if document.origin_s is not None:
    return document.origin_s, []
  if document.media:
    return _origin_of_medium(document.media, name, recording)
  return _origin_by_length(document, name, duration_s), []


def _origin_of_medium(media: Sequence[Medium], name: str, recording: str) -> tuple[float, list[str]]:
  """Where the recording begins, by the medium of its name, or by all media where they agree."""
  file = PurePath(recording)
  named = [medium for medium in media if {medium.file, PurePath(medium.file).stem} & {file.name, file.stem}]
  origins_s = {medium.origin_s for medium in named or media}
  each = ", ".join(f"{medium.file} at {medium.origin_s:.6g} s" for medium in named or media)
  remedy = f"say where the recording begins: {_TELL_ORIGIN}"
  if len(origins_s) > 1:
    raise AnnotationError(
      f"{name}: its media begin at different times of it ({each}), and none is called {file.stem}; {remedy}"
    )
  origin_s = origins_s.pop()
  note = f"{name}: begins as its medium does ({each}), which is not called {file.stem}"
  return origin_s, [note] if origin_s and not named else []


def _origin_by_length(document: Document, name: str, duration_s: float | None) -> float:
  """Where the recording begins in a file's clock, by how long it is."""
  assert document.span_s is not None  # a clock of its own has a start and an end
  start_s, end_s = document.span_s
  stated = f"{name}: times run from {start_s:.6g} s to {end_s:.6g} s"
  remedy = f"say where in them the recording begins: {_TELL_ORIGIN}"
  if duration_s is None:
    raise AnnotationError(f"{stated}, of a recording whose length is not known here; {remedy}")
  # A part keeps the times of the whole from which it was taken; or the file is of the whole, whose length then fits.
  misfit_s = {0.0: abs(end_s - duration_s), start_s: abs(end_s - start_s - duration_s)}
  origin_s = min(misfit_s, key=lambda origin_s: misfit_s[origin_s])
  if misfit_s[origin_s] > LENGTH_TOLERANCE_S:
    raise AnnotationError(
      f"{stated}, and the recording has {duration_s:.6g} s; expected {end_s - start_s:.6g} s (a part that begins "
      f"at {start_s:.6g} s) or {end_s:.6g} s (the whole); {remedy}"
    )
  return origin_s


def _check_reach(
  document: Document, named: Sequence[tuple[Entry, str]], name: str, duration_s: float, origin_s: float
) -> None:
  """Refuses a file that says nothing of the recording: it is of another, or its times have another unit or origin."""
  spans_s = [(entry.line, entry.onset_s, entry.offset_s) for entry, _ in named]
  if not spans_s and document.span_s is not None:
    spans_s = [(1, *document.span_s)]
  # Times that are no numbers are the concern of others, who say so.
  outside = [onset_s - origin_s >= duration_s or offset_s < origin_s for _, onset_s, offset_s in spans_s]
  if not outside or not all(outside):
    return
  line, onset_s, _ = min(spans_s, key=lambda span: span[1])
  last_s = max(offset_s for _, _, offset_s in spans_s)
  what = "every event" if named else "all that is described"
  whole = f"{duration_s:.6g} s" + (f" from {origin_s:.6g} s on" if origin_s else "")
  raise AnnotationError(
    f"{name}:{line}: {what} lies beyond the recording's {whole}: from {onset_s:.6g} s to {last_s:.6g} s; expected "
    "seconds of this recording; where it is a part of a longer one, say where in the file's times it begins: "
    f"{_TELL_ORIGIN}"
  )


def _people_notes(document: Document, named: Sequence[tuple[Entry, str]], name: str) -> list[str]:
  """A line of warning where the voices of several people are taken for the performer's."""
  people = list(dict.fromkeys(entry.tier for entry, event in named if event in VOCAL_EVENTS))
  if not document.tiers_are_people or len(people) < 2:
    return []
  first = ", ".join(map(repr, people[:5])) + (f" and {len(people) - 5} more" if len(people) > 5 else "")
  return [
    f"{name}: {len(people)} faces speak ({first}), and all count as the performer's; those of others are left out "
    f'by --map "{people[-1]}=none" (labels= in Python)'
  ]


def _name_events(
  document: Document, name: str, labels: Mapping[str, str | None]
) -> tuple[list[tuple[Entry, str]], list[str]]:
  """The entries with their events' names, without those whose label `labels` leaves out; and what was assumed."""
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
    note = (
      f"{name}: a transcript: its {len(document.entries)} segments are taken for speech, sung words, too; where they "
    )
    notes = [] if "" in told else [note + 'are sung: --map "=singing" (labels={"": "singing"} in Python)']
    return [] if assumed is None else [(entry, assumed) for entry in document.entries], notes
  first, *further = dict.fromkeys(_quote(entry) for entry in unknown)
  also = f"; the file also holds {', '.join(further[:9])}" if further else ""
  more = f" and {len(further) - 9} more" if len(further) > 9 else ""
  raise AnnotationError(
    f"{name}:{unknown[0].line}: event is {first}; expected one of {', '.join((*EVENTS, *ALIASES, *TOOL_WORDS))}, or a "
    f"label that is given an event: --map LABEL=EVENT (labels= in Python){also}{more}"
  )


def _key(label: str) -> str:
  return label.strip().lower()


def _quote(entry: Entry) -> str:
  label = repr(entry.label) if entry.label.strip() else "not named"
  return f"{label} (tier {entry.tier!r})" if entry.tier else label


def _to_event(
  entry: Entry, label: str, where: str, duration_s: float, origin_s: float
) -> tuple[Event | None, str | None]:
  """The event of an entry, None where nothing is left of it, and what was lost, None where nothing was."""
  onset_s, offset_s = entry.onset_s, entry.offset_s
  # Where the recording begins before the file's own 0, so may its events.
  earliest_s = min(0.0, origin_s)
  if not (math.isfinite(onset_s) and math.isfinite(offset_s) and earliest_s <= onset_s <= offset_s):
    raise AnnotationError(f"{where}: onset {onset_s} s, offset {offset_s} s; expected seconds, 0 <= onset <= offset")
  # NaN fails this comparison, too.
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
