"""Reads and writes subtitles in WebVTT and SRT.

Written files show a timeline over its video in any player. Each event becomes a cue with the label as text and times in
milliseconds; cues may overlap. Scores and metadata are not stored.

On reading, cues are events if the text of every cue is a label. Otherwise the file is a transcript, as speech
recognizers such as Whisper write it: its cues are read as speech with a warning, because the text does not distinguish
sung from spoken words. Subtitles lie beside many videos for display, so they are read only if named. Cue identifiers,
cue settings and the blocks NOTE, STYLE and REGION of WebVTT (W3C, "WebVTT: The Web Video Text Tracks Format") are
ignored.

Library: none; pysubs2, the reference of the tests, reports no line numbers and appends a damaged cue to the text of the
previous one.
"""

from collections.abc import Iterator, Mapping
import re
from typing import Any

from attavvad_jax.annotations.base import AnnotationError, Document, Entry, Format, cut_off_notes, lines
from attavvad_jax.timeline import Timeline

_HEAD = "WEBVTT"
_ARROW = "-->"
_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)[,.](\d{3})"
_CUE = re.compile(rf"{_TIME}[ \t]+{_ARROW}[ \t]+{_TIME}(?:[ \t].*)?")
_PASSED_OVER = ("NOTE", "STYLE", "REGION")


def recognizes_webvtt(text: str) -> bool:
  """Returns whether the text begins with the WebVTT header."""
  return re.match(rf"{_HEAD}(?:[ \t\r\n]|$)", text) is not None


def recognizes_srt(text: str) -> bool:
  """Returns whether the first two lines are the number and the times of a cue."""
  first = [line.strip() for line in lines(text.lstrip())[:2]]
  return len(first) == 2 and first[0].isdigit() and _CUE.fullmatch(first[1]) is not None


def parse(text: str, name: str) -> Document:
  """Returns one entry per cue; errors contain `name`, the file."""
  entries = []
  for number, block in _blocks(text):
    is_head = number == 1 and block[0].startswith(_HEAD)
    if not is_head and not block[0].startswith(_PASSED_OVER):
      entries.append(_entry(number, block, name))
    else:
      _refuse_times(number, block, 0, name)
  return Document(entries, notes=cut_off_notes(text, name), is_transcript=True)


def render_webvtt(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns a WebVTT file: the header and the cues, separated by blank lines."""
  del metadata, name
  cues = [f"{_time(e.onset_s, '.')} --> {_time(e.offset_s, '.')}\n{e.label}\n" for e in timeline]
  return "\n".join([f"{_HEAD}\n", *cues])


def render_srt(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """Returns a SubRip file: numbered cues, separated by blank lines."""
  del metadata, name
  return "\n".join(
    f"{number}\n{_time(e.onset_s, ',')} --> {_time(e.offset_s, ',')}\n{e.label}\n"
    for number, e in enumerate(timeline, start=1)
  )


WEBVTT = Format(
  suffixes=(".vtt",),
  recognizes=recognizes_webvtt,
  parse=parse,
  render=render_webvtt,
  decimals=3,
  lies_beside=False,
)
SRT = Format(
  suffixes=(".srt",), recognizes=recognizes_srt, parse=parse, render=render_srt, decimals=3, lies_beside=False
)


def _time(seconds: float, point: str) -> str:
  minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
  hours, minutes = divmod(minutes, 60)
  return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
  """Yields the blocks between blank lines, each with the number of its first line, counted from 1."""
  block: list[str] = []
  for number, line in enumerate([*lines(text), ""], start=1):
    # YouTube captions contain lines with a single space, which do not end a block.
    if line:
      block.append(line.strip())
    elif block:
      if any(block):
        yield number - len(block), block
      block = []


def _entry(number: int, block: list[str], name: str) -> Entry:
  """Returns the entry of a cue, which consists of an optional number or name, the times and the text."""
  at = 1 if len(block) > 1 and _ARROW not in block[0] else 0
  where = f"{name}:{number + at}"
  match = _CUE.fullmatch(block[at])
  if match is None:
    raise AnnotationError(f"{where}: {block[at]!r:.60}; expected a cue's times, such as 00:00:02,000 --> 00:00:03,500")
  _refuse_times(number, block, at + 1, name)
  return Entry(number, _seconds(*match.groups()[:4]), _seconds(*match.groups()[4:]), " ".join(block[at + 1 :]))


def _refuse_times(number: int, block: list[str], start: int, name: str) -> None:
  """Raises an error if a line of the block, from index `start` on, contains the times of a cue."""
  for index, line in enumerate(block[start:], start=start):
    if _ARROW in line:
      raise AnnotationError(f"{name}:{number + index}: {line!r:.60} inside a block; expected a blank line before a cue")


def _seconds(hours: str | None, minutes: str, seconds: str, milliseconds: str) -> float:
  return (((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(milliseconds)) / 1000
