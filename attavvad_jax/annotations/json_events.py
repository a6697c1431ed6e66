"""Reads and writes JSON: one object with the duration, the events, and any further fields (the model, the clock, …).

    {
      "duration_s": 30.0,
      "events": [
        {"onset_s": 3.3, "offset_s": 7.0, "event": "singing", "score": 0.93}
      ]
    }

`events` is required; `duration_s` and `score` are optional, and may be null. A duplicate key is an error. JSON of other
tools is recognized by its own keys: see `json_tools`.

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
  """Returns whether the text begins like a JSON object or list; a bracket alone could also begin an INI file."""
  return _BEGINNING.match(text) is not None


def parse(text: str, name: str) -> Document:
  """Returns the entries and duration of a JSON document; `name` is the file, for errors."""
  root = load(text, name)
  if isinstance(root.value, dict) and isinstance(root.value.get("events"), list):
    duration_s = None
    if root.value.get("duration_s") is not None:
      # Errors give the line of the value, not that of the object.
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
  """Returns JSON with one event a line, and the metadata after the events; the name is left out.

  Raises:
    ValueError: metadata use a name of the label file, or hold values that JSON cannot represent.
  """
  del name
  clash = {"duration_s", "events"} & set(metadata)
  if clash:
    raise ValueError(f"metadata hold {', '.join(sorted(clash))}; expected names that the label file does not use")
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


# JAMS files are JSON with an extension of their own.
JAMS = Format(suffixes=(".jams",), parse=parse)


def _item(event: Event) -> dict[str, Any]:
  item = {"onset_s": round(event.onset_s, 6), "offset_s": round(event.offset_s, 6), "event": event.label}
  return item if event.score is None else {**item, "score": round(event.score, 6)}


def _entry(node: Node) -> Entry:
  node.require("onset_s", "offset_s", "event")
  onset_s, offset_s, score = node.number("onset_s"), node.number("offset_s"), node.number_or_none("score")
  return Entry(node.line, onset_s, offset_s, node.text("event"), score)
