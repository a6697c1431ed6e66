"""Reads and writes label files. Each format has a module; a registry lists the formats.

| format | extension | read | written | holds |
| --- | --- | --- | --- | --- |
| `json` | .json | yes | yes | everything: duration, scores, metadata |
| `jams`, JSON of other tools | .jams, .json | yes | no | duration, scores; see `json_tools` |
| `tsv`, `csv` | .tsv, .csv | yes | yes | scores; read with 2 to 5 columns, with or without a header, as sed_eval does |
| `rttm` | .rttm | yes | yes | scores (as confidence) |
| `audacity` | .txt | yes | yes | |
| `lab` | .lab, .txt | yes | no | space-separated lists of Jamendo, pyannote and HTK |
| `textgrid` | .TextGrid | yes | yes | duration |
| `elan` | .eaf | yes | yes | times to the millisecond |
| `ava` | .csv | yes | by name | voice or no voice at 25 frames/s; only speech survives writing and reading back |
| `mavc100` | .csv | yes | no | |
| `webvtt`, `srt` | .vtt, .srt | if named | yes | times to the millisecond |

Unless the table says otherwise, times and scores are written with six decimals. The content of a file determines its
format. The extension counts only if the content matches no format, so that the error refers to the intended format. A
label file describes one recording; rows of several recordings are an error. Subtitles beside a video are not read
automatically.

All formats treat times the same way:

| in the file | treatment |
| --- | --- |
| not in order of onset | sorted (MAVC100: cues, before pairing; AVA: frames of a face, before joining) |
| overlapping | kept; events of a timeline may overlap |
| negative, not finite, offset before onset | error with file and line |
| onset equal to offset | dropped, `AnnotationWarning`; also on writing, if rounding leaves no length |
| offset beyond the duration | clipped to it, `AnnotationWarning` |
| onset at or beyond the duration | dropped, `AnnotationWarning` |
| all beyond the duration | error: the file belongs to another recording, or has another unit or origin |
| an origin of their own (ELAN, TextGrid) | applied; an error if ambiguous: `read(..., origin_s=…)` |
| whole numbers of unknown unit (JSON, lists) | error, or silero-vad samples with a warning: `read(..., rate_hz=…)` |
| before the start of the recording, if it has an origin | dropped or clipped, `AnnotationWarning` |

An offset up to 1 ms beyond the duration counts as rounding and is clipped without a warning. A tier of TextGrid or ELAN
cannot hold overlaps: writing creates one tier per event label, and more tiers where events of one label overlap. Rows
of AVA state only whether someone is heard, so overlapping events of one face are merged.

Labels match regardless of case. `ALIASES` lists alternative spellings and `TOOL_WORDS` the vocabulary of other tools;
`read` accepts further ones. In formats with tiers, a tier that is named after an event holds that event; in other tiers
and formats, the label names the event. Unknown labels are an error that lists them, because their meaning is open:
SPEAKER_00 of a diarization may be anyone, `music` of inaSpeechSegmenter includes singing. Transcripts (Whisper's files,
subtitles) are read as speech with a warning, because the words may be sung.

Truncated files are detected where the format allows it. JSON, ELAN and TextGrid have a structure: truncation is an
error. In the line-based formats, an incomplete line is an error, and a last line without a line end is an
`AnnotationWarning`. A list truncated at a line end cannot be detected, except for MAVC100, where a cue that is never
closed is an error.
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
