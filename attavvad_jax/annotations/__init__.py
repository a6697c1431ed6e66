"""Reads and writes label files: one module a format, one registry.

What happens to times, in every format:

| in the file | treatment |
| --- | --- |
| not in order of onset | sorted |
| overlapping | kept; a timeline may hold events that overlap |
| negative, not finite, offset before onset | error that names the file and the line |
| onset equal to offset | dropped, `AnnotationWarning` |
| offset beyond the duration | clipped to it, `AnnotationWarning` |
| onset at or beyond the duration | dropped, `AnnotationWarning` |

A millisecond beyond the duration is rounding: it is clipped without a warning. Labels are matched without regard to
case; `ALIASES` lists the other spellings that are understood.
"""

from attavvad_jax.annotations.base import ALIASES, AnnotationError, AnnotationWarning, Document, Entry, Format
from attavvad_jax.annotations.registry import FORMATS, read, write

__all__ = [
  "ALIASES",
  "FORMATS",
  "AnnotationError",
  "AnnotationWarning",
  "Document",
  "Entry",
  "Format",
  "read",
  "write",
]
