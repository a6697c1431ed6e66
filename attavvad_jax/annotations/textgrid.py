"""Reads and writes TextGrids of Praat: text files in the long or the short form, in UTF-8 or UTF-16.

Both forms contain the same values in the same order, and the words between the values have no meaning. One reader
serves both forms, as in Praat: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html

In a tier that is named after an event, every interval with text is that event; in other tiers, the text is the label.
Intervals without text are no events. Points have no length and are dropped with a warning. The declared sizes must
match the content.

A TextGrid has the time domain of its audio, from xmin to xmax (see "time domain" in Praat's manual). If xmin is not 0,
the TextGrid was extracted from a longer one by "Extract part" with "Preserve times". A recording with the length of the
domain is that part and begins at xmin. A recording with the length xmax is the whole. For any other length, `origin_s`
must give the start.

Files are written in the long form, with one tier per event label. Overlapping events of one label are placed on
further tiers (`speech 2`), because intervals of a tier cannot overlap. Scores and metadata are not stored.

Library: none; praatio 6.2.2 reads some truncated TextGrids without an error, fails on others with an IndexError, and
reports no line numbers. The tests use it to read written files.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import re
from typing import Any

from attavvad_jax.annotations.base import (
  AnnotationError,
  Document,
  Entry,
  Format,
  format_number,
  without_overlaps,
)
from attavvad_jax.annotations.meaning import ROUNDING_S
from attavvad_jax.timeline import Event, Timeline

# A quoted text ("" inside is a quote), a comment, or another word; of these, only numbers and flags are values.
_TOKEN = re.compile(r'"(?:[^"]|"")*"(?!\S)|!.*|\S+')
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_FILE_TYPE = "ooTextFile"


def recognizes(text: str) -> bool:
  """Returns whether the text begins with the header of Praat's text files."""
  return re.match(rf'\s*File type = "{_FILE_TYPE}"', text) is not None


def parse(text: str, name: str) -> Document:
  """Returns the entries and the duration of a TextGrid; errors contain `name`, the file."""
  values = _Values(text, name)
  values.expect(_FILE_TYPE, "file type")
  values.expect("TextGrid", "object class")
  start_s = values.number("start of the file")
  end_s = values.number("end of the file")
  entries: list[Entry] = []
  if values.flag() == "<exists>":
    for _ in range(values.size("number of tiers")):
      entries += _tier(values)
  values.end()
  # Conversions may turn a start of 0 into a tiny number.
  origin_s = 0.0 if abs(start_s) <= ROUNDING_S else None
  return Document(entries, end_s, origin_s=origin_s, span_s=(start_s, end_s))


def render(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns a TextGrid in the long form; omits metadata and name."""
  del metadata, name
  end_s = max([timeline.duration_s, *(event.offset_s for event in timeline)])
  tiers = without_overlaps(timeline)
  text = [
    f'File type = "{_FILE_TYPE}"',
    'Object class = "TextGrid"',
    "",
    "xmin = 0",
    f"xmax = {format_number(end_s)}",
    "tiers? <exists>" if tiers else "tiers? <absent>",
  ]
  if tiers:
    text += [f"size = {len(tiers)}", "item []:"]
  for number, (tier, events) in enumerate(tiers, start=1):
    intervals = list(_intervals(events, end_s))
    text += [
      f"    item [{number}]:",
      '        class = "IntervalTier"',
      f'        name = "{tier}"',
      "        xmin = 0",
      f"        xmax = {format_number(end_s)}",
      f"        intervals: size = {len(intervals)}",
    ]
    for index, (onset_s, offset_s, label) in enumerate(intervals, start=1):
      text += [
        f"        intervals [{index}]:",
        f"            xmin = {format_number(onset_s)}",
        f"            xmax = {format_number(offset_s)}",
        f'            text = "{label}"',
      ]
  return "\n".join(text) + "\n"


FORMAT = Format(suffixes=(".textgrid",), recognizes=recognizes, parse=parse, render=render)


@dataclasses.dataclass(frozen=True)
class _Token:
  text: str
  line: int


class _Values:
  """A reader of the values of a file in order; each method checks the type of the next value."""

  def __init__(self, text: str, name: str):
    self._name = name
    self._last_line = text.rstrip().count("\n") + 1
    self._tokens = self._scan(text)
    self.line = 1

  @property
  def where(self) -> str:
    return f"{self._name}:{self.line}"

  def string(self, what: str) -> str:
    text = self._next(what).text
    if not text.startswith('"'):
      raise AnnotationError(f"{self.where}: {what} is {_shorten(text)}; expected a text in quotes")
    return text[1:-1].replace('""', '"')

  def expect(self, value: str, what: str) -> None:
    text = self.string(what)
    if text != value:
      raise AnnotationError(f"{self.where}: {what} is {text!r}; expected {value!r}")

  def number(self, what: str) -> float:
    text = self._next(what).text
    if not _NUMBER.fullmatch(text):
      raise AnnotationError(f"{self.where}: {what} is {_shorten(text)}; expected a number")
    return float(text)

  def size(self, what: str) -> int:
    value = self.number(what)
    if value < 0 or not value.is_integer():
      raise AnnotationError(f"{self.where}: {what} is {value}; expected a whole number, 0 or more")
    return int(value)

  def flag(self) -> str:
    text = self._next("<exists>").text
    if text not in ("<exists>", "<absent>"):
      raise AnnotationError(f"{self.where}: {_shorten(text)} before the tiers; expected <exists> or <absent>")
    return text

  def end(self) -> None:
    token = next(self._tokens, None)
    if token is not None:
      found = f"{self._name}:{token.line}: {_shorten(token.text)} after the last tier"
      raise AnnotationError(f"{found}; expected no more values than the declared sizes")

  def _next(self, what: str) -> _Token:
    token = next(self._tokens, None)
    if token is None:
      raise AnnotationError(
        f"{self._name}:{self._last_line}: end of file; expected {what}; is the file truncated, or a size too large?"
      )
    self.line = token.line
    return token

  def _scan(self, text: str) -> Iterator[_Token]:
    line, counted_to = 1, 0
    for match in _TOKEN.finditer(text):
      line += text.count("\n", counted_to, match.start())
      counted_to = match.start()
      token = match[0]
      if token.startswith('"') and (len(token) == 1 or not token.endswith('"') or token.count('"') % 2):
        raise AnnotationError(f"{self._name}:{line}: {_shorten(token)} has no closing quote; expected a text in quotes")
      if token.startswith(('"', "<")) or _NUMBER.fullmatch(token):
        yield _Token(token, line)


def _shorten(text: str) -> str:
  """Returns a value for an error message, on one line and limited in length."""
  return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _tier(values: _Values) -> Iterator[Entry]:
  kind = values.string("class of a tier")
  if kind not in ("IntervalTier", "TextTier"):
    raise AnnotationError(f"{values.where}: class of a tier is {kind!r}; expected 'IntervalTier' or 'TextTier'")
  tier = values.string("name of a tier")
  values.number("start of a tier")
  values.number("end of a tier")
  for _ in range(values.size("size of a tier")):
    onset_s = values.number("time")
    line = values.line
    offset_s = values.number("end of an interval") if kind == "IntervalTier" else onset_s
    label = values.string("text")
    if label.strip():
      yield Entry(line, onset_s, offset_s, label, tier=tier)


def _intervals(events: list[Event], end_s: float) -> Iterator[tuple[float, float, str]]:
  """Yields (onset, offset, text) of the events of a tier and of the gaps between them, which have no text."""
  at_s = 0.0
  for event in events:
    if event.onset_s > at_s:
      yield at_s, event.onset_s, ""
    yield event.onset_s, event.offset_s, event.label
    at_s = event.offset_s
  if at_s < end_s:
    yield at_s, end_s, ""
