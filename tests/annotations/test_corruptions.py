"""Reads more than a thousand damaged label files.

Each must give an `AnnotationError` (and no other exception), an `AnnotationWarning`, or every event that is left in the
text. `count_visible` counts these, as a person would at a glance. For some kinds of damage an error or a warning is
required; `MUST_REPORT` says for which. A list of lines that is cut exactly at a line end is a valid, shorter list,
which must give all the events that are left.
"""

import collections
import gzip
import json
import re
import warnings

import numpy as np
import pytest

from attavvad_jax.annotations import AnnotationError, AnnotationWarning, read, write
from attavvad_jax.timeline import Event, Timeline

STEM = "Un_Año"  # name of the recording, which some formats hold
CASES_OF_A_KIND = 87
TOOLS_JSON = ("jams", "pyannote", "diarization", "silero", "fireredvad", "whisper", "label_studio")
STRUCTURED = ("json", "elan", "textgrid", "textgrid_short", "textgrid_utf16", *TOOLS_JSON)
# Formats without labels, and the event that the reader is given for them.
UNNAMED = {"csv_two": "singing", "whisper": "speech", "whisper_tsv": "speech"}


# Intact files


def draw_timeline(rng):
  edges = np.sort(rng.choice(np.arange(0, 30_000, 40), 2 * rng.integers(3, 9), replace=False)) / 1000
  labels = rng.choice(["silence", "speech", "singing"], len(edges) // 2)
  scores = [None, *rng.integers(0, 101, len(labels) - 1) / 100]
  events = zip(edges[::2].tolist(), edges[1::2].tolist(), labels.tolist(), scores, strict=True)
  return Timeline([Event(*event) for event in events], 30.0)


def as_mavc100(timeline):
  text = "\ufeffName\tStart\tDuration\tTime Format\tType\tDescription\r\n"
  kinds = {"speech": 1, "singing": 2, "silence": 3}
  for event in timeline:
    for end, seconds in (("s", event.onset_s), ("e", event.offset_s)):
      text += f"{kinds[event.label]}{end}\t0:{seconds:06.3f}\t0:00.000\tdecimal\tCue\t\r\n"
  return text.encode()


def as_short(textgrid):
  """Converts a TextGrid from the long to the short form."""
  return (
    "\n".join(
      line if line.startswith(("File", "Object")) else re.search(r'<exists>|"[^"]*"|[\d.]+$', line)[0]
      for line in textgrid.splitlines()
      if line.strip() and not line.rstrip().endswith(":")
    ).encode()
    + b"\n"
  )


def as_tools_json(format, timeline):
  """Returns indented JSON, one value a line."""
  segments = [{"start": event.onset_s, "end": event.offset_s} for event in timeline]
  labeled = list(zip(segments, [event.label for event in timeline], strict=True))
  if format == "jams":
    data = [
      {"time": s["start"], "duration": round(s["end"] - s["start"], 6), "value": label, "confidence": None}
      for s, label in labeled
    ]
    value = {"annotations": [{"namespace": "segment_open", "data": data}], "file_metadata": {"duration": 30.0}}
  elif format == "pyannote":
    value = {
      "pyannote": "Annotation",
      "content": [{"segment": s, "track": "A", "label": label} for s, label in labeled],
    }
  elif format == "diarization":
    value = {"diarization": [{**s, "speaker": label} for s, label in labeled]}
  elif format == "silero":
    value = segments
  elif format == "fireredvad":
    pairs = [[event.onset_s, event.offset_s] for event in timeline]
    value = {"dur": 30.0, "event2timestamps": {"speech": pairs[::2], "singing": pairs[1::2], "music": []}}
  elif format == "whisper":
    value = {"segments": [{"id": i, **s, "text": " la"} for i, s in enumerate(segments)], "language": "en"}
  else:
    result = [{"value": {**s, "labels": [label]}} for s, label in labeled]
    value = [{"annotations": [{"result": result}]}]
  return json.dumps(value, indent=1).encode() + b"\n"


def as_lines(format, timeline):
  """Returns the lines of other tools' formats."""
  rows = [(event.onset_s, event.offset_s, event.label) for event in timeline]
  if format == "talknet":
    head = "video_id,frame_timestamp,entity_box_x1,entity_box_y1,entity_box_x2,entity_box_y2,label,entity_id"
    text = f"{head},label_id,instance_id\n"
    for frame in range(750):
      heard = any(onset_s <= frame / 25 + 0.02 < offset_s for onset_s, offset_s, _ in rows)
      label = "SPEAKING_AUDIBLE" if heard else "NOT_SPEAKING"
      text += f"v,{frame / 25:.2f},0.1,0.1,0.9,0.9,{label},v:1,{int(heard)},v:1:0\n"
    return text.encode()
  if format == "ina":
    text = "labels\tstart\tstop\n" + "".join(f"{label}\t{onset}\t{offset}\n" for onset, offset, label in rows)
  elif format == "lab":
    text = "".join(f"{onset:.3f} {offset:.3f} {label}\n" for onset, offset, label in rows)
  elif format == "htk":
    text = "".join(f"{round(onset * 1e7)} {round(offset * 1e7)} {label}\n" for onset, offset, label in rows)
  elif format == "commas":
    text = "".join(f"{onset:.6f}\t{offset:.6f}\t{label}\n" for onset, offset, label in rows).replace(".", ",")
  else:
    milliseconds = [(round(onset * 1000), round(offset * 1000)) for onset, offset, _ in rows]
    text = "start\tend\ttext\n" + "".join(f"{onset}\t{offset}\tla la\n" for onset, offset in milliseconds)
  return text.encode()


def draw_file(format, rng, folder):
  """Returns an intact file of one of `FILES`, as bytes."""
  timeline = draw_timeline(rng)
  if format == "mavc100":
    return as_mavc100(timeline)
  if format in TOOLS_JSON:
    return as_tools_json(format, timeline)
  if format in LISTS:
    return as_lines(format, timeline)
  path = folder / STEM
  write(timeline, path, format.split("_")[0])
  data = path.read_bytes()
  text = data.decode()
  if format in ("tsv_bare", "csv_two"):
    rows = text.splitlines(keepends=True)[1:]
    return (
      "".join(rows).encode() if format == "tsv_bare" else re.sub(r"(?m)^(.*?,.*?),.*", r"\1", "".join(rows)).encode()
    )
  if format == "audacity":
    return re.sub(r"(?m)^(2.*\n)", "\\1\\\\\t100.0\t4000.0\n", text).encode()
  if format == "textgrid_short":
    return as_short(text)
  return text.encode("utf-16") if format == "textgrid_utf16" else data


LISTS = ("talknet", "ina", "lab", "htk", "commas", "whisper_tsv")
OURS = ("tsv", "tsv_bare", "csv", "csv_two", "audacity", "rttm", "ava", "mavc100", "srt", "webvtt")
FILES = (*OURS, *LISTS, *STRUCTURED)


# Damage: (bytes, generator) -> bytes


def lines_of(data):
  return data.splitlines(keepends=True)


def cut(data, rng):
  return data[: rng.integers(1, len(data))]


def cut_at_a_line_end(data, rng):
  lines = lines_of(data)
  return b"".join(lines[: rng.integers(1, len(lines))])


def wrong_encoding(data, rng):
  text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
  at = rng.integers(0, len(text) + 1)
  return rng.choice(
    np.array(
      [
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        text.encode("utf-32"),
        text.encode("cp037"),
        (text[:at] + "é" + text[at:]).encode("latin-1"),
        gzip.compress(text.encode()),
      ],
      object,
    )
  )


def nul_characters(data, rng):
  at = rng.integers(0, len(data) + 1)
  return data[:at] + bytes(2 * rng.integers(1, 9)) + data[at:]


def swapped_fields(data, rng):
  lines = lines_of(data)
  at = rng.integers(0, len(lines))
  parts = re.split(rb"([\t ,;]+)", lines[at].rstrip(b"\r\n"))
  end = lines[at][len(lines[at].rstrip(b"\r\n")) :]
  a, b = 2 * rng.integers(0, len(parts) // 2 + 1, 2)
  parts[a], parts[b] = parts[b], parts[a]
  return b"".join([*lines[:at], *parts, end, *lines[at + 1 :]])


def deleted_line(data, rng):
  lines = lines_of(data)
  del lines[rng.integers(0, len(lines))]
  return b"".join(lines)


def deleted_characters(data, rng):
  at = rng.integers(0, len(data))
  return data[:at] + data[at + rng.integers(1, 6) :]


def bit_flip(data, rng):
  damaged = bytearray(data)
  damaged[rng.integers(0, len(data))] ^= 1 << rng.integers(0, 8)
  return bytes(damaged)


def duplicated_line(data, rng):
  lines = lines_of(data)
  at = rng.integers(0, len(lines))
  return b"".join([*lines[: at + 1], *lines[at:]])


def swapped_lines(data, rng):
  lines = lines_of(data)
  a, b = rng.integers(0, len(lines), 2)
  lines[a], lines[b] = lines[b], lines[a]
  return b"".join(lines)


def garbage(data, rng):
  at, length = rng.integers(0, len(data)), rng.integers(1, 12)
  return data[:at] + rng.bytes(length) + data[at + length :]


def joined_lines(data, rng):
  lines = lines_of(data)
  at = rng.integers(0, len(lines))
  lines[at] = lines[at].rstrip(b"\r\n")
  return b"".join(lines)


def misread_digit(data, rng):
  digits = [match.start() for match in re.finditer(rb"[0-9]", data)]
  at = rng.choice(digits)
  return data[:at] + bytes([b"OlzEAsbT8gB,.:- \t"[rng.integers(0, 17)]]) + data[at + 1 :]


def other_delimiters(data, rng):
  old, new = rng.permutation(np.array([b"\t", b",", b";", b" ", b'"'], object))[:2]
  return data.replace(old, new)


DAMAGE = {
  damage.__name__: damage
  for damage in (
    cut,
    cut_at_a_line_end,
    wrong_encoding,
    nul_characters,
    swapped_fields,
    deleted_line,
    deleted_characters,
    bit_flip,
    duplicated_line,
    swapped_lines,
    garbage,
    joined_lines,
    misread_digit,
    other_delimiters,
  )
}


# Expected outcomes


def count_visible(format, text):
  """Counts the events that a person would see in a text."""
  lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
  if format == "json":
    return text.count('"onset_s"')
  if format == "fireredvad":
    return len(re.findall(r"\[\s*[\d.]+,", text))
  if format in TOOLS_JSON:
    return text.count('"time"' if format == "jams" else '"start"')
  if format in ("srt", "webvtt"):
    return text.count("-->")
  if format == "elan":
    return text.count("<ALIGNABLE_ANNOTATION ")
  if format in ("textgrid", "textgrid_utf16"):
    return len(re.findall(r'text = "[^"]+"', text))
  if format == "textgrid_short":
    # Besides events, each tier has a class and a name in quotes.
    return sum(bool(re.fullmatch(r'"[^"]+"', line)) for line in lines) - 2 * text.count('"IntervalTier"')
  if format == "mavc100":
    return max(sum(bool(re.match(f"[123]{end}", line)) for line in lines) for end in "se")
  if format in ("ava", "talknet"):
    # The only face speaks again at each audible frame that follows an inaudible one.
    rows = sorted((line.split(",") for line in lines if "timestamp" not in line), key=lambda row: float(row[1]))
    heard = [row[6].strip().upper() == "SPEAKING_AUDIBLE" for row in rows]
    return sum(now and not before for before, now in zip([False, *heard], heard, strict=False))
  return sum(not re.match("onset|labels|start", line.lower()) and not line.startswith(("\\", ";;")) for line in lines)


def is_detectable_cut(format, before, after):
  """Returns whether the cut broke the structure, or left a list that ends within a line."""
  if format in STRUCTURED:
    return after.rstrip(b"\0 \r\n") != before.rstrip(b"\0 \r\n")
  return not after.endswith((b"\r", b"\n"))


# Kinds of damage that must give an error or a warning, under the condition on (format, before, after).
MUST_REPORT = {
  "wrong_encoding": lambda format, before, after: True,
  "nul_characters": lambda format, before, after: True,
  "cut": is_detectable_cut,
  "cut_at_a_line_end": is_detectable_cut,
}


def outcome(kind, format, before, after, path):
  """Returns "error", "warning" or "read"; fails if the reader ignored the damage."""
  path.write_bytes(after)
  labels = {"": UNNAMED[format]} if format in UNNAMED else None
  message = timeline = None
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
      timeline = read(path, labels=labels)
    except AnnotationError as error:
      message = str(error)
  if message is not None:
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    return "error"
  assert {warning.category for warning in caught} <= {AnnotationWarning}
  if caught:
    return "warning"
  assert not (kind in MUST_REPORT and MUST_REPORT[kind](format, before, after)), (
    f"{kind} of {format} not reported: {after!r}"
  )
  text = after.decode("utf-16" if after.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
  assert len(timeline) >= count_visible(format, text), f"{kind} of {format}: {timeline} read from {text}"
  return "read"


def run(kind, count, seed, folder):
  rng = np.random.default_rng(seed)
  outcomes = collections.Counter()
  for case in range(count):
    format = FILES[case % len(FILES)]
    before = draw_file(format, rng, folder)
    after = before
    while after == before:
      after = DAMAGE[kind](before, rng)
    # Without an extension only the content determines the format; with one, the reader can fall back on it.
    suffix = rng.choice(["", ".tsv", ".csv", ".txt", ".rttm", ".json", ".eaf", ".TextGrid"])
    outcomes[outcome(kind, format, before, after, folder / f"{STEM}_{case}{suffix}")] += 1
  return outcomes


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_never_ignored(kind, tmp_path):
  outcomes = run(kind, CASES_OF_A_KIND, list(kind.encode()), tmp_path)
  assert outcomes.total() * len(DAMAGE) > 1000


@pytest.mark.parametrize("format", FILES)
def test_intact_files_are_read_without_warnings(format, tmp_path):
  rng = np.random.default_rng(7)
  for case in range(3):
    data = draw_file(format, rng, tmp_path)
    path = tmp_path / f"{STEM}_{case}"
    assert outcome("none", format, data, data, path) == "read"
    text = data.decode("utf-16" if format == "textgrid_utf16" else "utf-8-sig")
    labels = {"": UNNAMED[format]} if format in UNNAMED else None
    assert len(read(path, labels=labels)) == count_visible(format, text) > 0
