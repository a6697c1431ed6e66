"""Reads and writes ELAN's annotation files (.eaf).

The XML holds time slots in milliseconds, and tiers whose annotations refer to them. A tier that is named after an event
holds that event, whatever the annotations' values; in other tiers the value names the event. An annotation that refers
to another one (REF_ANNOTATION) has the times of that one. Time slots without a value, which ELAN fills in on its screen
only, are an error where an annotation needs them.

If media were shifted against each other ("Media Synchronization Mode" in ELAN's manual), a medium's descriptor holds a
TIME_ORIGIN: the time in that medium, in milliseconds, at which the document's time begins. The recording is the medium
of the same name. Without one, all media must agree, or `origin_s` must give the recording's start in the document's
time: -2.0 for a TIME_ORIGIN of 2000.

Files are written in format 3.0 with a tier for each event. Annotations of a tier cannot overlap, so overlapping events
of one kind go to further tiers (`speech 2`). Scores are not written; of the metadata only `mark` is, as the author. The
document's date is constant, so that equal timelines give equal files.

The XML may come from strangers, so a document type declaration is refused before any entity is expanded.

Library: Python's expat, for its line numbers. The tests read written files with pympi-ling 1.71, which reports no line
numbers, does not check its input, and expands entities.
"""

from collections.abc import Mapping
import dataclasses
import re
from typing import Any
from urllib.parse import unquote
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from attavvad_jax.annotations.base import AnnotationError, Document, Entry, Format, Medium, to_number, without_overlaps
from attavvad_jax.timeline import Timeline

_ROOT = "ANNOTATION_DOCUMENT"
_UNITS = "milliseconds"


def recognizes(text: str) -> bool:
  """Returns whether the text begins as XML and names ELAN's outermost element."""
  return text.lstrip().startswith("<") and f"<{_ROOT}" in text


def parse(text: str, name: str) -> Document:
  """Returns the entries of an ELAN document; `name` is the file, for errors."""
  reader = _Reader(name)
  entries = reader.read(text)
  return Document(entries, origin_s=None if reader.media else 0.0, media=reader.media)


def render(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns an ELAN document, one annotation a line; the name and all metadata but `mark` are left out."""
  del name
  author = quoteattr(str(metadata.get("mark", "")))
  tiers = without_overlaps(timeline)
  slots: list[str] = []
  annotations: list[str] = []
  number = 0
  for tier, events in tiers:
    annotations.append(f'  <TIER LINGUISTIC_TYPE_REF="event" TIER_ID="{tier}">')
    for event in events:
      number += 1
      for index, seconds in enumerate((event.onset_s, event.offset_s), start=2 * number - 1):
        slots.append(f'    <TIME_SLOT TIME_SLOT_ID="ts{index}" TIME_VALUE="{round(seconds * 1000)}"/>')
      annotations.append(
        f'    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" TIME_SLOT_REF1="ts{2 * number - 1}" '
        f'TIME_SLOT_REF2="ts{2 * number}"><ANNOTATION_VALUE>{event.label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>'
        "</ANNOTATION>"
      )
    annotations.append("  </TIER>")
  return "\n".join(
    [
      '<?xml version="1.0" encoding="UTF-8"?>',
      f'<{_ROOT} AUTHOR={author} DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" '
      'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
      'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">',
      f'  <HEADER MEDIA_FILE="" TIME_UNITS="{_UNITS}"/>',
      "  <TIME_ORDER>",
      *slots,
      "  </TIME_ORDER>",
      *annotations,
      '  <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="event" TIME_ALIGNABLE="true"/>',
      f"</{_ROOT}>",
      "",
    ]
  )


FORMAT = Format(suffixes=(".eaf",), recognizes=recognizes, parse=parse, render=render, decimals=3)


@dataclasses.dataclass
class _Annotation:
  """An annotation as parsed: the ids of its two time slots, or the id of the annotation that it refers to."""

  line: int
  tier: str
  refers_to: tuple[str, ...]
  value: str = ""


class _Reader:
  """A collector of time slots and annotations, filled while expat parses the document."""

  def __init__(self, name: str):
    self._name = name
    self._parser = expat.ParserCreate("utf-8")  # overrides the declared encoding: the text is decoded already
    self._parser.StartDoctypeDeclHandler = self._refuse_declarations
    self._parser.StartElementHandler = self._start
    self._parser.EndElementHandler = self._end
    self._parser.CharacterDataHandler = self._text
    self._depth = 0
    self._tier: str | None = None
    self._in_value = False
    self._current: _Annotation | None = None
    self._slots: dict[str, float | None] = {}
    self._annotations: dict[str, _Annotation] = {}
    self.media: list[Medium] = []

  def read(self, text: str) -> list[Entry]:
    try:
      self._parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
      raise AnnotationError(f"{self._name}:{error.lineno}: not XML: {expat.errors.messages[error.code]}") from None
    return [self._entry(annotation) for annotation in self._annotations.values()]

  @property
  def _where(self) -> str:
    return f"{self._name}:{self._parser.CurrentLineNumber}"

  def _refuse_declarations(self, *_: Any) -> None:
    raise AnnotationError(f"{self._where}: document type declaration; expected none, as in every file that ELAN writes")

  def _start(self, tag: str, attributes: dict[str, str]) -> None:
    if self._depth == 0 and tag != _ROOT:
      raise AnnotationError(f"{self._where}: outermost element is {tag}; expected {_ROOT}")
    self._depth += 1
    get = lambda key: self._attribute(tag, attributes, key)  # noqa: E731
    if tag == "HEADER" and attributes.get("TIME_UNITS", _UNITS) != _UNITS:
      raise AnnotationError(f"{self._where}: time units are {attributes['TIME_UNITS']!r}; expected {_UNITS}")
    elif tag == "MEDIA_DESCRIPTOR":
      origin_ms = to_number(attributes.get("TIME_ORIGIN", "0"), "TIME_ORIGIN", self._where)
      url = attributes.get("RELATIVE_MEDIA_URL") or get("MEDIA_URL")
      # The document's time 0 is the medium's TIME_ORIGIN: the medium begins before it.
      self.media.append(Medium(re.split(r"[/\\]", unquote(url))[-1], -origin_ms / 1000 if origin_ms else 0.0))
    elif tag == "TIME_SLOT":
      self._add(self._slots, get("TIME_SLOT_ID"), self._slot_time(attributes))
    elif tag == "TIER":
      self._tier = get("TIER_ID")
    elif tag == "ALIGNABLE_ANNOTATION":
      self._open(get("ANNOTATION_ID"), (get("TIME_SLOT_REF1"), get("TIME_SLOT_REF2")))
    elif tag == "REF_ANNOTATION":
      self._open(get("ANNOTATION_ID"), (get("ANNOTATION_REF"),))
    self._in_value = tag == "ANNOTATION_VALUE"

  def _end(self, tag: str) -> None:
    self._depth -= 1
    self._in_value = False
    if tag == "TIER":
      self._tier = None
    elif tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
      self._current = None

  def _text(self, text: str) -> None:
    if self._in_value and self._current is not None:
      self._current.value += text

  def _open(self, identity: str, refers_to: tuple[str, ...]) -> None:
    if self._tier is None:
      raise AnnotationError(f"{self._where}: annotation {identity!r} outside of a tier; expected it in a TIER")
    self._current = _Annotation(self._parser.CurrentLineNumber, self._tier, refers_to)
    self._add(self._annotations, identity, self._current)

  def _add(self, known: dict[str, Any], identity: str, value: Any) -> None:
    if identity in known:
      raise AnnotationError(f"{self._where}: duplicate id {identity!r}; expected each id once")
    known[identity] = value

  def _attribute(self, tag: str, attributes: Mapping[str, str], key: str) -> str:
    if key not in attributes:
      raise AnnotationError(f"{self._where}: {tag} without {key}; expected one")
    return attributes[key]

  def _slot_time(self, attributes: Mapping[str, str]) -> float | None:
    value = attributes.get("TIME_VALUE")
    return None if value is None else to_number(value, "TIME_VALUE", self._where) / 1000

  def _entry(self, annotation: _Annotation) -> Entry:
    where = f"{self._name}:{annotation.line}"
    target = annotation
    seen = set()
    while len(target.refers_to) == 1:
      (identity,) = target.refers_to
      if identity in seen or identity not in self._annotations:
        raise AnnotationError(f"{where}: annotation refers to {identity!r}; expected an annotation that has times")
      seen.add(identity)
      target = self._annotations[identity]
    times_s = []
    for slot in target.refers_to:
      seconds = self._slots.get(slot)
      if seconds is None:
        raise AnnotationError(f"{where}: time slot {slot!r} has no time; expected one with a TIME_VALUE")
      times_s.append(seconds)
    onset_s, offset_s = times_s
    return Entry(annotation.line, onset_s, offset_s, annotation.value, tier=annotation.tier)
