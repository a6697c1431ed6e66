"""Label files with spaces (.lab, .txt): onset, offset and label on each line, without a header; only read.

    0.000 9.668 nosing
    9.668 26.690 sing

The annotations of Jamendo's vocal detection (Ramona et al., 2008) and what pyannote.core's `write_lab` writes are in
seconds. HTK's label files (HTK Book, "Label Files") count units of 100 ns, and may name scores and further levels after
the label, which are passed over:

    0 3600000 sil
    3600000 9100000 speech -312.5

A whole number of 100,000 or more makes it such a file (a day of seconds, 10 ms of HTK's), if all of its times are whole
milliseconds, as are those of frames. Other such numbers may be samples (TIMIT's), and `rate_hz` must say so. A label in
seconds may hold spaces.

Library: none; mir_eval reads such lists of seconds, names no lines, and does not know HTK's units.
"""

import dataclasses
import re

from attavvad_jax.annotations.base import (
  AnnotationError,
  Document,
  Entry,
  Format,
  cut_off_notes,
  filled_lines,
  is_number,
  to_number,
)

_HTK_HZ = 10_000_000
_MILLISECOND = 10_000
_MIN_TICKS = 100_000
_WHOLE = re.compile("[0-9]+")


def recognizes(text: str) -> bool:
  """Whether the first line that is not blank starts with two numbers with spaces between and after them."""
  line = next((line for _, line in filled_lines(text)), "")
  fields = line.split()
  return "\t" not in line and len(fields) >= 2 and all(is_number(field) for field in fields[:2])


def parse(text: str, name: str) -> Document:
  """Entries of a list; `name` is the file, for errors."""
  entries: list[Entry] = []
  times: list[str] = []
  for number, line in filled_lines(text):
    where = f"{name}:{number}"
    fields = line.split(maxsplit=2)
    if len(fields) < 2:
      raise AnnotationError(f"{where}: {line.strip()!r}; expected onset, offset and label with spaces between them")
    times += fields[:2]
    onset, offset = to_number(fields[0], "onset", where), to_number(fields[1], "offset", where)
    entries.append(Entry(number, onset, offset, "".join(fields[2:]).strip()))
  document = Document(entries, notes=cut_off_notes(text, name))
  if not all(_WHOLE.fullmatch(time) for time in times) or max(map(int, times), default=0) < _MIN_TICKS:
    return document
  names = [dataclasses.replace(entry, label="".join(entry.label.split()[:1])) for entry in entries]
  rate_hz = _HTK_HZ if all(int(time) % _MILLISECOND == 0 for time in times) else None
  return dataclasses.replace(document, entries=names, rate_hz=rate_hz, rate_is_stated=rate_hz is not None)


FORMAT = Format(suffixes=(".lab",), recognizes=recognizes, parse=parse)
