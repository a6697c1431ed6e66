"""Reads JSON of other tools, each recognized by keys that it alone has.

| tool | shape | source |
| --- | --- | --- |
| JAMS | `{"file_metadata": …, "annotations": [{"namespace": …, "data": [{"time", "duration", "value", …}]}]}` | jams.readthedocs.io, "JAMS Structure" |
| pyannote.core | `{"pyannote": "Annotation", "content": [{"segment": {"start", "end"}, "track", "label"}]}` | `Annotation.for_json`, to version 5 |
| pyannote.audio | `{"diarization": [{"start", "end", "speaker"}], …}`, under `output` in pyannoteAI's answers | `DiarizeOutput.serialize` |
| silero-vad | `[{"start", "end"}]`, or with a `label` or `speaker` as scripts write it | README, `get_speech_timestamps` |
| FireRedVAD | `{"timestamps": [[start, end]], "dur"}`, `{"event2timestamps": {"speech": [[start, end]], …}, "dur"}` | README |
| Whisper | `{"segments": [{"start", "end", "text", …}], …}`; also faster-whisper and WhisperX | `openai-whisper`, `WriteJSON` |
| whisper.cpp | `{"transcription": [{"offsets": {"from", "to"}, "text"}]}` | `whisper-cli --output-json` |
| Label Studio | `[{"annotations": [{"result": [{"value": {"start", "end", "labels": […]}}]}]}]` | labelstud.io, "Task format" |

Times are seconds, except for whisper.cpp's offsets (milliseconds) and silero-vad's times: these are samples by
default, and have a decimal point if they are seconds. Whole numbers are read as samples at 16 kHz, silero-vad's default
rate, with a warning. If every segment is shorter than 1000 of them, or segments have labels, the unit is unknown and
`rate_hz` must give it. An empty list is read as silero-vad's result for a recording without speech.

JAMS: events are the observations of the namespaces `segment_open` and `tag_open`. A file must hold one annotation of
these; other namespaces are ignored. A confidence from 0 to 1 is the score. FireRedVAD's `music` is the background of
the voice and is ignored: unmarked time counts as others. `labels` must map speakers of pyannote and WhisperX to events.
Whisper's segments are a transcript and count as speech, since Whisper does not distinguish singing. A Label Studio file
must hold one task with one annotation.

Library: none; jams 0.3.5 needs pandas, mir_eval and jsonschema for four keys and reports no line numbers. The readers
of the other formats come with the tools.
"""  # noqa: E501

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attavvad_jax.annotations.base import AnnotationError, Document, Entry
from attavvad_jax.annotations.json_text import Node

_NAMESPACES = ("segment_open", "tag_open")
# Keys that may hold a segment's label in a list.
_NAMES = ("label", "speaker")
_SILERO_HZ = 16_000
# silero-vad drops speech shorter than 250 ms, 2000 samples at 8 kHz; no speech lasts as many seconds.
_MIN_SAMPLES = 1000


def parse(root: Node) -> Document | None:
  """Returns the entries of a document in one of the shapes, or None for any other document."""
  for is_shape, read in TOOLS.values():
    if is_shape(root.value):
      return read(root)
  return None


def describe(value: Any) -> str:
  """Describes the shape of a JSON value, for an error."""
  if isinstance(value, dict):
    return f"an object with {_keys(value)}"
  if not isinstance(value, list):
    return f"{value!r:.40}"
  if value and isinstance(value[0], dict):
    return f"a list of objects with {_keys(value[0])}"
  return f"a list of {type(value[0]).__name__} values" if value else "an empty list"


def _keys(value: Mapping[str, Any]) -> str:
  names = ", ".join(map(repr, list(value)[:8]))
  return f"the keys {names}{', …' if len(value) > 8 else ''}" if value else "no keys"


def _has(value: Any, key: str, kind: type) -> bool:
  return isinstance(value, dict) and isinstance(value.get(key), kind)


def _is_list_of(value: Any, keys: set[str]) -> bool:
  return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and set(value[0]) >= keys


def _listed(node: Node, key: str) -> Iterator[Node]:
  place = node.member(key)
  if not isinstance(place.value, list):
    raise AnnotationError(f"{place.where}: {key} is {place.value!r:.40}; expected a list")
  return place.elements()


def _jams(root: Node) -> Document:
  annotations = []
  namespaces = []
  for node in _listed(root, "annotations"):
    node.require("namespace", "data")
    namespaces.append(node.text("namespace"))
    if namespaces[-1] in _NAMESPACES:
      annotations.append(node)
  if len(annotations) != 1:
    found = f"{len(annotations)} annotations" if annotations else f"annotations of {', '.join(namespaces) or 'nothing'}"
    raise AnnotationError(f"{root.where}: {found}; expected one of the namespace {' or '.join(_NAMESPACES)}")
  metadata = root.value.get("file_metadata")
  duration_s = None
  if isinstance(metadata, dict):
    duration_s = root.member("file_metadata").number_or_none("duration")
  return Document([_observation(node) for node in _listed(annotations[0], "data")], duration_s)


def _observation(node: Node) -> Entry:
  node.require("time", "duration", "value")
  onset_s, confidence = node.number("time"), node.value.get("confidence")
  # Namespaces do not define confidence: it may also be "high" or a number of votes.
  is_score = isinstance(confidence, (int, float)) and not isinstance(confidence, bool) and 0 <= confidence <= 1
  offset_s = round(onset_s + node.number("duration"), 6)
  return Entry(node.line, onset_s, offset_s, node.text("value"), float(confidence) if is_score else None)


def _pyannote_core(root: Node) -> Document:
  return Document([_pyannote_segment(node) for node in _listed(root, "content")])


def _pyannote_segment(node: Node) -> Entry:
  if not _has(node.value, "segment", dict):  # a Timeline: segments without labels
    return _segment(node)
  segment = node.member("segment")
  segment.require("start", "end")
  label = node.value.get("label", "")  # of any hashable type
  return Entry(node.line, segment.number("start"), segment.number("end"), str(label))


def _pyannote_audio(root: Node) -> Document:
  root = root.member("output") if _has(root.value, "output", dict) else root
  return Document([_segment(node, "speaker") for node in _listed(root, "diarization")])


def _segment(node: Node, label: str | None = None) -> Entry:
  node.require("start", "end", *([] if label is None else [label]))
  return Entry(node.line, node.number("start"), node.number("end"), "" if label is None else node.text(label))


def _segments(root: Node) -> Document:
  entries = []
  for node in root.elements():
    node.require("start", "end")
    given = sorted(set(node.value) - {"start", "end"})
    if given and given not in ([name] for name in _NAMES):
      beside = f"{', '.join(given)} beside start and end"
      raise AnnotationError(f"{node.where}: {beside}; expected nothing else, or one of {', '.join(_NAMES)}")
    label = node.text(given[0]) if given else "speech"
    entries.append(Entry(node.line, node.number("start"), node.number("end"), label))
  if not entries or any(isinstance(item[key], float) for item in root.value for key in ("start", "end")):
    return Document(entries)
  has_names = any(len(item) > 2 for item in root.value)
  are_samples = not has_names and max(entry.offset_s - entry.onset_s for entry in entries) >= _MIN_SAMPLES
  return Document(entries, rate_hz=_SILERO_HZ if are_samples else None, rate_is_stated=False)


def _fireredvad(root: Node) -> Document:
  if "event2timestamps" in root.value:
    by_event = root.member("event2timestamps")
    entries = [entry for event in by_event.value for entry in _pairs(by_event.member(event), event) if event != "music"]
    return Document(entries, root.number_or_none("dur"))
  return Document(list(_pairs(root.member("timestamps"), "speech")), root.number_or_none("dur"))


def _pairs(node: Node, label: str) -> Iterator[Entry]:
  if not isinstance(node.value, list):
    raise AnnotationError(f"{node.where}: {label} is {node.value!r:.40}; expected a list of [start, end]")
  for pair in node.elements():
    if not (isinstance(pair.value, list) and len(pair.value) == 2):
      raise AnnotationError(f"{pair.where}: {label} is {pair.value!r:.40}; expected [start, end]")
    times = Node({"start": pair.value[0], "end": pair.value[1]}, pair.at, pair.source)
    yield Entry(pair.line, times.number("start"), times.number("end"), label)


def _whisper(root: Node) -> Document:
  segments = list(_listed(root, "segments"))
  has_speakers = any(isinstance(node.value, dict) and "speaker" in node.value for node in segments)
  entries = []
  for node in segments:
    entry = _segment(node)
    # WhisperX omits the speaker where it found none.
    label = node.text("speaker") if has_speakers and "speaker" in node.value else ""
    entries.append(Entry(entry.line, entry.onset_s, entry.offset_s, label))
  return Document(entries, is_transcript=not has_speakers)


def _whisper_cpp(root: Node) -> Document:
  entries = []
  for node in _listed(root, "transcription"):
    node.require("offsets")
    offsets = node.member("offsets")
    offsets.require("from", "to")
    entries.append(Entry(node.line, offsets.number("from"), offsets.number("to"), ""))
  return Document(entries, rate_hz=1000, is_transcript=True)


def _label_studio(root: Node) -> Document:
  tasks = list(root.elements())
  if len(tasks) != 1:
    raise AnnotationError(f"{root.where}: {len(tasks)} tasks; expected one recording a file: split the file")
  annotations = [
    node
    for node in _listed(tasks[0], "annotations")
    if not _has(node.value, "was_cancelled", bool) or not node.value["was_cancelled"]
  ]
  if len(annotations) != 1:
    raise AnnotationError(f"{root.where}: {len(annotations)} annotations of a task; expected one")
  annotations[0].require("result")
  entries = []
  for node in _listed(annotations[0], "result"):
    node.require("value")
    value = node.member("value")
    value.require("start", "end", "labels")
    labels = value.value["labels"]
    if not isinstance(labels, list):
      raise AnnotationError(f"{value.where}: labels is {labels!r:.40}; expected a list of names")
    for label in labels or [""]:
      entries.append(Entry(node.line, value.number("start"), value.number("end"), str(label)))
  return Document(entries)


def _is_pyannote_audio(value: Any) -> bool:
  answer = value.get("output") if isinstance(value, dict) else None
  return _has(value, "diarization", list) or _has(answer, "diarization", list)


# For each tool: a function that recognizes the shape of a JSON value, and one that reads it.
TOOLS: dict[str, tuple[Callable[[Any], bool], Callable[[Node], Document]]] = {
  "JAMS": (lambda value: _has(value, "annotations", list), _jams),
  "pyannote.core": (lambda value: _has(value, "pyannote", str) and _has(value, "content", list), _pyannote_core),
  "pyannote.audio": (_is_pyannote_audio, _pyannote_audio),
  "silero-vad": (lambda value: value == [] or _is_list_of(value, {"start", "end"}), _segments),
  "FireRedVAD": (lambda value: _has(value, "timestamps", list) or _has(value, "event2timestamps", dict), _fireredvad),
  "Whisper": (lambda value: _has(value, "segments", list), _whisper),
  "whisper.cpp": (lambda value: _has(value, "transcription", list), _whisper_cpp),
  "Label Studio": (lambda value: _is_list_of(value, {"annotations"}), _label_studio),
}
