"""JSON: one object with the duration, the events, and any further fields (the model, the clock, …).

    {
      "duration_s": 30.0,
      "events": [
        {"onset_s": 3.3, "offset_s": 7.0, "event": "singing", "score": 0.93}
      ]
    }

`events` is needed, `duration_s` and `score` are not; `score` may be null. A key may not be there twice. JSON of other
tools is told by its own keys: see `json_tools`.

Library: Python's own json.
"""

from collections.abc import Mapping
import json
import re
from typing import Any

from attavvad_jax.annotations import json_tools
from attavvad_jax.annotations.base import AnnotationError, Document, Entry, Format
from attavvad_jax.annotations.json_text import Node, load
from attavvad_jax.timeline import Event, Timeline

_BEGINNING = re.compile(r'\s*(?:\{|\[\s*[\[\]{"0-9-])')


def recognizes(text: str) -> bool:
  """Whether the text begins like an object or a list of JSON; an INI file begins with a bracket, too."""
  return _BEGINNING.match(text) is not None


def parse(text: str, name: str) -> Document:
  """Entries and duration of a JSON document; `name` is the file, for errors."""
  root = load(text, name)
  if isinstance(root.value, dict) and isinstance(root.value.get("events"), list):
    duration_s = None
    if root.value.get("duration_s") is not None:
      # By the line of the value, and not of the object.
      place = root.member("duration_s")
      duration_s = Node(root.value, place.at, place.source).number("duration_s")
    return Document([_entry(node) for node in root.member("events").elements()], duration_s)
  document = json_tools.parse(root)
  if document is None:
    raise AnnotationError(
      f'{name}:1: {json_tools.describe(root.value)}: no list of events; expected an object with "events": [...], or '
      f"JSON of {', '.join(json_tools.TOOLS)}"
    )
  return document


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


FORMAT = Format(suffixes=(".json",), recognizes=recognizes, parse=parse, render=render)


# Of JAMS files the extension alone is another.
JAMS = Format(suffixes=(".jams",), parse=parse)


def _item(event: Event) -> dict[str, Any]:
  item = {"onset_s": round(event.onset_s, 6), "offset_s": round(event.offset_s, 6), "event": event.label}
  return item if event.score is None else {**item, "score": round(event.score, 6)}


def _entry(node: Node) -> Entry:
  node.require("onset_s", "offset_s", "event")
  onset_s, offset_s, score = node.number("onset_s"), node.number("offset_s"), node.number_or_none("score")
  return Entry(node.line, onset_s, offset_s, node.text("event"), score)
