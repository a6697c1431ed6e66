"""Reads label files with spaces (.lab, .txt): onset, offset and label on each line, without a header.

    0.000 9.668 nosing
    9.668 26.690 sing

The annotations of Jamendo's vocal detection (Ramona et al., 2008) and the output of pyannote.core's `write_lab` are in
seconds. HTK's label files (HTK Book, "Label Files") count units of 100 ns. They may give scores and further levels
after the label, which are ignored:

    0 3600000 sil
    3600000 9100000 speech -312.5

A file of whole numbers is HTK's if one of them is 100,000 or more (over a day in seconds, 10 ms in HTK's units) and all
are whole milliseconds, as frame times are. Other such large numbers may be samples (as in TIMIT), and `rate_hz` must
give their rate. In files of seconds, a label may hold spaces.

Library: none; mir_eval reads such lists of seconds, but reports no line numbers and does not support HTK's units.
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
  """Returns whether the first line that is not blank starts with two numbers, separated by spaces."""
  line = next((line for _, line in filled_lines(text)), "")
  fields = line.split()
  return "\t" not in line and len(fields) >= 2 and all(is_number(field) for field in fields[:2])


def parse(text: str, name: str) -> Document:
  """Returns the entries of a list; `name` is the file, for errors."""
  entries: list[Entry] = []
  times: list[str] = []
  for number, line in filled_lines(text):
    where = f"{name}:{number}"
    fields = line.split(maxsplit=2)
    if len(fields) < 2:
      raise AnnotationError(f"{where}: {line.strip()!r}; expected onset, offset and label, separated by spaces")
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
