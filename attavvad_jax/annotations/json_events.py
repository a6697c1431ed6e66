"""JSON: one object with the duration, the events, and any further fields (the model, the clock, …).

    {
      "duration_s": 30.0,
      "events": [
        {"onset_s": 3.3, "offset_s": 7.0, "event": "singing", "score": 0.93}
      ]
    }

`events` is needed, `duration_s` and `score` are not; `score` may be null. A key may not be there twice.

Library: Python's own json.
"""

import bisect
from collections.abc import Callable, Iterator, Mapping
import json
import re
from typing import Any

from attavvad_jax.annotations.base import AnnotationError, Document, Entry, Format
from attavvad_jax.events import Event, Timeline

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def recognises(text: str) -> bool:
  """Whether the text begins like a JSON object."""
  return text.lstrip().startswith("{")


def parse(text: str, name: str) -> Document:
  """Entries and duration of a JSON document; `name` is the file, for errors."""
  try:
    document = json.loads(text, object_pairs_hook=_object)
  except AnnotationError as error:
    raise AnnotationError(f"{name}: {error}") from None
  except json.JSONDecodeError as error:
    raise AnnotationError(f"{name}:{error.lineno}: not JSON: {error.msg}") from None
  except (RecursionError, ValueError) as error:  # nested too deep, a number of thousands of digits
    raise AnnotationError(f"{name}: not JSON that can be read: {error}") from None
  if not isinstance(document, dict) or not isinstance(document.get("events"), list):
    raise AnnotationError(f'{name}:1: no list of events; expected an object with "events": [...]')
  line_at = _line_counter(text)
  starts = dict(_members(text))
  duration_s = document.get("duration_s")
  if duration_s is not None:
    duration_s = _number(duration_s, "duration_s", f"{name}:{line_at(starts['duration_s'])}")
  items = zip(document["events"], _element_starts(text, starts["events"]), strict=True)
  return Document([_entry(item, line_at(start), name) for item, start in items], duration_s)


def render(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """One event a line; the metadata follow the events. The name has no place.

  Raises:
    ValueError: metadata use one of our names, or hold what JSON cannot.
  """
  del name
  clash = {"duration_s", "events"} & set(metadata)
  if clash:
    raise ValueError(f"metadata hold {', '.join(sorted(clash))}; expected other names than those of the label file")
  try:
    further = {key: json.dumps(value, ensure_ascii=False, allow_nan=False) for key, value in metadata.items()}
  except (TypeError, ValueError) as error:
    raise ValueError(f"metadata do not fit into JSON: {error}") from None
  events = ",\n".join(f"    {json.dumps(_item(event))}" for event in timeline)
  members = [
    f'"duration_s": {json.dumps(round(timeline.duration_s, 6))}',
    f'"events": [\n{events}\n  ]' if events else '"events": []',
    *(f"{json.dumps(key, ensure_ascii=False)}: {value}" for key, value in further.items()),
  ]
  return "{\n  " + ",\n  ".join(members) + "\n}\n"


FORMAT = Format(suffixes=(".json",), recognises=recognises, parse=parse, render=render)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  """An object, where no key hides an earlier one of the same name with all that it holds."""
  items: dict[str, Any] = {}
  for key, value in pairs:
    if key in items:
      raise AnnotationError(f"key {key!r} is there twice in one object; expected each key once")
    items[key] = value
  return items


def _item(event: Event) -> dict[str, Any]:
  item = {"onset_s": round(event.onset_s, 6), "offset_s": round(event.offset_s, 6), "event": event.label}
  return item if event.score is None else {**item, "score": round(event.score, 6)}


def _entry(item: Any, line: int, name: str) -> Entry:
  where = f"{name}:{line}"
  if not isinstance(item, dict):
    raise AnnotationError(f"{where}: event is {item!r}; expected an object with onset_s, offset_s and event")
  missing = [key for key in ("onset_s", "offset_s", "event") if key not in item]
  if missing:
    raise AnnotationError(f"{where}: event without {', '.join(missing)}; expected onset_s, offset_s and event")
  if not isinstance(item["event"], str):
    raise AnnotationError(f"{where}: event is {item['event']!r}; expected a name in quotes")
  score = item.get("score")
  return Entry(
    line,
    _number(item["onset_s"], "onset_s", where),
    _number(item["offset_s"], "offset_s", where),
    item["event"],
    None if score is None else _number(score, "score", where),
  )


def _number(value: Any, what: str, where: str) -> float:
  # bool is an int to Python, but true is not a time.
  if isinstance(value, bool) or not isinstance(value, (int, float)):
    raise AnnotationError(f"{where}: {what} is {value!r}; expected a number without quotes")
  try:
    return float(value)
  except OverflowError:
    raise AnnotationError(f"{where}: {what} has {len(str(value))} digits; expected seconds or a score") from None


def _members(text: str) -> Iterator[tuple[str, int]]:
  """Each key of the outermost object of valid JSON, and where its value starts (for line numbers)."""
  at = _skip_space(text, text.index("{") + 1)
  while text[at] != "}":
    key, at = _DECODER.raw_decode(text, at)
    at = _skip_space(text, _skip_space(text, at) + 1)  # the colon
    yield key, at
    at = _skip_space(text, _DECODER.raw_decode(text, at)[1])
    if text[at] == ",":
      at = _skip_space(text, at + 1)


def _element_starts(text: str, at: int) -> Iterator[int]:
  """Where each element of the array that starts at `at` starts, in valid JSON."""
  at = _skip_space(text, at + 1)
  while text[at] != "]":
    yield at
    at = _skip_space(text, _DECODER.raw_decode(text, at)[1])
    if text[at] == ",":
      at = _skip_space(text, at + 1)


def _skip_space(text: str, at: int) -> int:
  match = _SPACE.match(text, at)
  assert match is not None  # it matches nothing, too
  return match.end()


def _line_counter(text: str) -> Callable[[int], int]:
  """A function from a position in a text to its line, counted from 1."""
  breaks = [match.start() for match in re.finditer("\n", text)]
  return lambda at: bisect.bisect_left(breaks, at) + 1
