"""Subtitles, to see a timeline over its video in any player: WebVTT and SRT, only written.

Each event is a cue with its label as text, to the millisecond; cues may overlap. Scores and metadata have no place.

Library: none; pysubs2 reads both in the tests and would write them, but two lines a cue are not worth a dependency.
"""

from collections.abc import Mapping
from typing import Any

from attavvad_jax.annotations.base import Format
from attavvad_jax.events import Timeline


def render_webvtt(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """A WebVTT file: its head, then the cues with blank lines between."""
  del metadata, name
  cues = [f"{_time(e.onset_s, '.')} --> {_time(e.offset_s, '.')}\n{e.label}\n" for e in timeline]
  return "\n".join(["WEBVTT\n", *cues])


def render_srt(timeline: Timeline, metadata: Mapping[str, Any], name: str) -> str:
  """A SubRip file: numbered cues with blank lines between."""
  del metadata, name
  return "\n".join(
    f"{number}\n{_time(e.onset_s, ',')} --> {_time(e.offset_s, ',')}\n{e.label}\n"
    for number, e in enumerate(timeline, start=1)
  )


WEBVTT = Format(suffixes=(".vtt",), render=render_webvtt, decimals=3)
SRT = Format(suffixes=(".srt",), render=render_srt, decimals=3)


def _time(seconds: float, point: str) -> str:
  minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
  hours, minutes = divmod(minutes, 60)
  return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
