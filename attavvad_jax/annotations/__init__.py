"""Reads and writes label files: one module a format, one registry.

| format | extension | read | written | holds |
| --- | --- | --- | --- | --- |
| `json` | .json | yes | yes | everything: duration, scores, metadata |
| `jams`, JSON of other tools | .jams, .json | yes | no | duration, scores; see `json_tools` |
| `tsv`, `csv` | .tsv, .csv | yes | yes | scores; read with 2 to 5 columns, with or without a header, as sed_eval does |
| `rttm` | .rttm | yes | yes | scores (as confidence) |
| `audacity` | .txt | yes | yes | |
| `lab` | .lab, .txt | yes | no | Jamendo's, pyannote's and HTK's lists with spaces |
| `textgrid` | .TextGrid | yes | yes | duration |
| `elan` | .eaf | yes | yes | times to the millisecond |
| `ava` | .csv | yes | by name | voice or none, 25 times a second; no event but speech comes back |
| `mavc100` | .csv | yes | no | |
| `webvtt`, `srt` | .vtt, .srt | if named | yes | times to the millisecond |

Where nothing else is said, times and scores are written to the millionth. The content decides in which format a file
is read; its extension counts only where the content fits none, so that the error speaks of the format that was meant.
A file is the labels of one recording: rows of several are an error. Subtitles beside a video are not looked for.

What happens to times, in every format:

| in the file | treatment |
| --- | --- |
| not in order of onset | sorted (MAVC100: cues, before they are paired; AVA: a face's frames, before they are joined) |
| overlapping | kept; a timeline may hold events that overlap |
| negative, not finite, offset before onset | error that names the file and the line |
| onset equal to offset | dropped, `AnnotationWarning`, as on writing what rounding leaves no length |
| offset beyond the duration | clipped to it, `AnnotationWarning` |
| onset at or beyond the duration | dropped, `AnnotationWarning` |
| all beyond the duration | error: the file is of another recording, or has another unit or origin |
| an origin of their own (ELAN, TextGrid) | applied; where it cannot be told, an error: `read(..., origin_s=…)` |
| whole numbers of no known unit (JSON, lists) | error, or silero-vad's samples with a warning: `read(..., rate_hz=…)` |
| before the recording begins, where it has an origin | dropped or clipped, `AnnotationWarning` |

A millisecond beyond the duration is rounding: it is clipped without a warning. A tier of a TextGrid or of ELAN cannot
hold overlaps: writing makes a tier for each event, and further ones where events of one kind overlap. AVA's rows say
whether anybody is heard: overlaps of what one face says become one event.

Labels are matched without regard to case; `ALIASES` lists the other spellings that are understood, `TOOL_WORDS` what
tools call what they hear, and `read` takes further ones. In formats with tiers, a tier that is named after an event
holds that event, and elsewhere the label says it. What is not understood is an error that lists it: a diarization's
SPEAKER_00 may be anybody, inaSpeechSegmenter's `music` may be sung. A transcript (Whisper's files, subtitles) is taken
for speech, with a warning: its words may be sung.

A file that was cut off is told from a whole one wherever that can be: JSON, ELAN and TextGrid by their structure (an
error), the other formats, which are lists of lines, by an incomplete line (an error) or by a last line without a line
end (an `AnnotationWarning`). A list that was cut at a line end is a shorter list, except for MAVC100's, where a cue
that is never closed is an error.
"""

from attavvad_jax.annotations.base import (
  ALIASES,
  AnnotationError,
  AnnotationWarning,
  Document,
  Entry,
  Format,
)
from attavvad_jax.annotations.registry import (
  DEFAULT_READING,
  FORMATS,
  LABEL_SUFFIXES,
  Reading,
  is_transcript,
  read,
  write,
)

__all__ = [
  "ALIASES",
  "DEFAULT_READING",
  "FORMATS",
  "LABEL_SUFFIXES",
  "AnnotationError",
  "AnnotationWarning",
  "Document",
  "Entry",
  "Format",
  "Reading",
  "is_transcript",
  "read",
  "write",
]
