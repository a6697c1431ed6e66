"""Tests label files of other tools; each file holds speech from 2.0 s to 3.5 s in a recording of 6.1 s.

The samples follow the documentation and the releases of the tools; the docstrings of the formats name the sources.
"""

import json

import pytest

from attavvad_jax.annotations import FORMATS, AnnotationError, AnnotationWarning, Reading, read, write
from attavvad_jax.timeline import Event, Timeline

DURATION_S = 6.1
SPEECH = [Event(2.0, 3.5, "speech")]
BOX = "0.3,0.2,0.6,0.6"
AVA_HEADER = "video_id,frame_timestamp,entity_box_x1,entity_box_y1,entity_box_x2,entity_box_y2,label,entity_id"


def ava_rows(more=lambda frame, label: "", start_s=0.0, face="talk_0000_0060:1"):
  rows = []
  for frame in range(150):
    label = "SPEAKING_AUDIBLE" if 2.0 <= frame / 25 < 3.5 else "NOT_SPEAKING"
    rows.append(f"talk,{start_s + frame / 25:.2f},{BOX},{label},{face}{more(frame, label)}\n")
  return "".join(rows)


def talknet(frame, label):
  return f",{int(label == 'SPEAKING_AUDIBLE')},talk_0000_0060:1:{1 if frame < 50 else 2}"


def textgrid(start, end, onset, offset, tier="speech", text="la"):
  return f'''File type = "ooTextFile"
Object class = "TextGrid"

xmin = {start}
xmax = {end}
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "{tier}"
        xmin = {start}
        xmax = {end}
        intervals: size = 1
        intervals [1]:
            xmin = {onset}
            xmax = {offset}
            text = "{text}"
'''


def as_json(value):
  return json.dumps(value, indent=1) + "\n"


def jams(*annotations, duration=DURATION_S):
  described = [{"annotation_metadata": {}, "sandbox": {}, "time": 0, "duration": duration, **a} for a in annotations]
  return as_json({"annotations": described, "file_metadata": {"jams_version": "0.3.4", "duration": duration}})


def observation(value="speech", confidence=None):
  return {"time": 2.0, "duration": 1.5, "value": value, "confidence": confidence}


def whisper(**more):
  segment = {"id": 0, "seek": 0, "start": 2.0, "end": 3.5, "text": " la", "tokens": [1], "temperature": 0.0, **more}
  return as_json({"text": " la", "segments": [segment], "language": "en"})


# Format, extension and text of each sample, by the name of the tool. Transcripts have no labels.
SAMPLES = {
  "AVA": ("ava", "csv", AVA_HEADER + "\n" + ava_rows()),
  "AVA without a header": ("ava", "csv", ava_rows()),
  "TalkNet": ("ava", "csv", AVA_HEADER + ",label_id,instance_id\n" + ava_rows(talknet)),
  "TalkNet without a header": ("ava", "csv", ava_rows(talknet)),
  "inaSpeechSegmenter": ("tsv", "csv", "labels\tstart\tstop\nfemale\t2.0\t3.0\nmale\t3.0\t3.5\n"),
  "inaSpeechSegmenter, TextGrid": ("textgrid", "TextGrid", textgrid(0, 6.1, 2, 3.5, "inaSpeechSegmenter", "male")),
  "CVAT": (
    "tsv",
    "tsv",
    "id\tfilename\tstart\tstop\tlabel\tsource\tscore\n1\ta.wav\t00:00:02.000\t00:00:03.500\tspeech\tmanual\t\n",
  ),
  "start, end, label": ("csv", "csv", "start,end,label\n2.0,3.5,speech\n"),
  "pandas": ("csv", "csv", ",start,end,label\n0,2.0,3.5,speech\n"),
  "BIDS": ("tsv", "tsv", "onset\tduration\ttrial_type\n2.0\t1.5\tspeech\n"),
  "segments with labels": ("json", "json", as_json([{"start": 2.0, "end": 3.5, "label": "speech"}])),
  "Raven": ("tsv", "txt", "Begin Time (s)\tEnd Time (s)\tLabel\n2.0\t3.5\tspeech\n"),
  "Excel": ("csv", "csv", "onset;offset;event_label\n2;3,5;speech\n"),
  "Excel without a header": ("csv", "csv", "2,0;3,5;speech\n"),
  "Audacity, decimal commas": ("tsv", "txt", "2,000000\t3,500000\tspeech\n"),
  "Audacity, decimal commas and frequencies": ("audacity", "txt", "2,000000\t3,500000\tspeech\n\\\t120,5\t4000,0\n"),
  "Audacity, capitals": ("tsv", "txt", "\ufeff2.000000\t3.500000\tSpeech\r\n"),
  "Jamendo": ("lab", "lab", "0.000 2.000 nosing\n2.000 3.500 speech\n3.500 6.100 nosing\n"),
  "pyannote, write_lab": ("lab", "lab", "2.000 3.500 speech\n"),
  "HTK": ("lab", "lab", "20000000 35000000 speech -312.5 la\n"),
  "pyannote, RTTM": ("rttm", "rttm", "SPEAKER talk 1 2.000 1.500 <NA> <NA> speech <NA> <NA>\n"),
  "RTTM, name with spaces": ("rttm", "rttm", "SPEAKER my mono vocals 1 2.0 1.5 <NA> <NA> speech <NA> <NA>\n"),
  "JAMS": ("json", "jams", jams({"namespace": "segment_open", "data": [observation()]})),
  "JAMS, tags beside beats": (
    "json",
    "jams",
    jams(
      {"namespace": "beat", "data": [observation(1)]}, {"namespace": "tag_open", "data": [observation(confidence=7)]}
    ),
  ),
  "pyannote.core": (
    "json",
    "json",
    as_json(
      {"pyannote": "Annotation", "content": [{"segment": {"start": 2, "end": 3.5}, "track": "A", "label": "speech"}]}
    ),
  ),
  "pyannote.audio": ("json", "json", as_json({"diarization": [{"start": 2.0, "end": 3.5, "speaker": "SPEECH"}]})),
  "pyannoteAI": (
    "json",
    "json",
    as_json({"jobId": "1", "output": {"diarization": [{"speaker": "speech", "start": 2, "end": 3.5}]}}),
  ),
  "silero-vad, seconds": ("json", "json", as_json([{"start": 2.0, "end": 3.5}])),
  "FireRedVAD": ("json", "json", as_json({"dur": 6.1, "timestamps": [[2.0, 3.5]], "wav_path": "a.wav"})),
  "FireRedVAD, events": (
    "json",
    "txt",
    as_json({"dur": 6.1, "event2timestamps": {"speech": [[2, 3.5]], "singing": [], "music": [[0, 6]]}}),
  ),
  "Label Studio": (
    "json",
    "json",
    as_json(
      [
        {
          "id": 1,
          "data": {"audio": "a.wav"},
          "annotations": [
            {
              "id": 2,
              "was_cancelled": False,
              "result": [{"type": "labels", "value": {"start": 2.0, "end": 3.5, "channel": 0, "labels": ["Speech"]}}],
            }
          ],
        }
      ]
    ),
  ),
}
TRANSCRIPTS = {
  "Whisper": ("json", "json", whisper()),
  "whisper.cpp": (
    "json",
    "json",
    as_json({"result": {}, "transcription": [{"offsets": {"from": 2000, "to": 3500}, "text": " la"}]}),
  ),
  "Whisper, TSV": ("tsv", "tsv", 'start\tend\ttext\n2000\t3500\t"la, he said\n'),
  "whisper.cpp, CSV": ("csv", "csv", 'start,end,text\n2000,3500," la, ""he"" said"\n'),
  "Whisper, SRT": ("srt", "srt", "1\n00:00:02,000 --> 00:00:03,500\nla\n\n"),
  "YouTube, VTT": (
    "webvtt",
    "vtt",
    "WEBVTT\nKind: captions\n\n00:00:02.000 --> 00:00:03.500 align:start position:0%\n \nla<c> la</c>\n\n",
  ),
  "Whisper, VTT": ("webvtt", "vtt", "WEBVTT\n\n00:02.000 --> 00:03.500\nla\n\n"),
}
ALL = SAMPLES | TRANSCRIPTS


def save(path, text):
  path.write_bytes(text.encode())
  return path


@pytest.mark.parametrize("tool", SAMPLES)
def test_reads_labels_of_other_tools(tool, tmp_path):
  _, suffix, text = SAMPLES[tool]
  events = list(read(save(tmp_path / f"talk.{suffix}", text), DURATION_S))
  spoken = [event for event in events if event.label == "speech"]
  # Some samples split the speech between speakers, and AVA's times are frames; onset and offset stay the same.
  assert spoken[0].onset_s == 2.0
  assert spoken[-1].offset_s == pytest.approx(3.5, abs=0.04 if "AVA" in tool or "TalkNet" in tool else 0)
  assert {event.label for event in events} <= {"speech", "others"}


@pytest.mark.parametrize("tool", TRANSCRIPTS)
def test_transcript_is_read_as_speech_with_warning(tool, tmp_path):
  _, suffix, text = TRANSCRIPTS[tool]
  path = save(tmp_path / f"talk.{suffix}", text)
  with pytest.warns(AnnotationWarning, match="a transcript: its 1 segments are read as speech, even if sung"):
    assert list(read(path, DURATION_S)) == SPEECH
  assert list(read(path, DURATION_S, labels={"": "singing"})) == [Event(2.0, 3.5, "singing")]
  assert list(read(path, DURATION_S, labels={"": None})) == []


@pytest.mark.parametrize("tool", ALL)
def test_exactly_one_format_recognizes_each_sample(tool):
  expected, _, text = ALL[tool]
  text = text.removeprefix("\ufeff")
  # The first row of a label track with frequencies is also a table row; the first match in `FORMATS` is used.
  formats = ["audacity", "tsv"] if expected == "audacity" else [expected]
  assert [name for name, format in FORMATS.items() if format.recognizes and format.recognizes(text)] == formats


@pytest.mark.parametrize("format", [name for name, format in FORMATS.items() if format.render])
def test_exactly_one_format_recognizes_written_files(format, tmp_path):
  write(Timeline([Event(1, 2, "speech", 0.5), Event(3, 4, "singing", 0.5)], 5), tmp_path / "talk", format)
  text = (tmp_path / "talk").read_text()
  # Audacity label tracks without frequencies are tables.
  expected = {"audacity": "tsv"}.get(format, format)
  assert [name for name, each in FORMATS.items() if each.recognizes and each.recognizes(text)] == [expected]


@pytest.mark.parametrize("tool", ALL)
def test_extension_does_not_affect_reading(tool, tmp_path):
  _, suffix, text = ALL[tool]
  labels = {"": "speech"}
  expected = read(save(tmp_path / f"talk.{suffix}", text), DURATION_S, labels=labels)
  for other in ["", *(format.suffixes[0] for format in FORMATS.values())]:
    assert read(save(tmp_path / f"talk{other}", text), DURATION_S, labels=labels) == expected


# Labels that are not events


@pytest.mark.parametrize(
  ("suffix", "text", "label"),
  [
    # inaSpeechSegmenter's README: "Singing voice is tagged as music".
    ("csv", "labels\tstart\tstop\nmusic\t2.0\t3.5\n", "music"),
    ("rttm", "SPEAKER talk 1 2.0 1.5 <NA> <NA> SPEAKER_00 <NA> <NA>\n", "SPEAKER_00"),
    ("json", as_json({"diarization": [{"start": 2.0, "end": 3.5, "speaker": "SPEAKER_00"}]}), "SPEAKER_00"),
    ("json", whisper(speaker="SPEAKER_00"), "SPEAKER_00"),
    ("lab", "20000000 35000000 sil\n", "sil"),
  ],
)
def test_ambiguous_label_requires_mapping(tmp_path, suffix, text, label):
  path = save(tmp_path / f"talk.{suffix}", text)
  with pytest.raises(AnnotationError, match=rf"event is '{label}'; expected .* --map LABEL=EVENT"):
    read(path, DURATION_S)
  assert list(read(path, DURATION_S, labels={label.lower(): "singing"})) == [Event(2.0, 3.5, "singing")]


def test_maps_labels_of_inaspeechsegmenter(tmp_path):
  rows = "noEnergy\t0\t1\nnoise\t1\t2\nmale\t2\t3\nfemale\t3\t4\nspeech\t4\t5\n"
  events = read(save(tmp_path / "talk.csv", "labels\tstart\tstop\n" + rows), DURATION_S)
  assert [event.label for event in events] == ["silence", "others", "speech", "speech", "speech"]


def test_tool_words_do_not_apply_to_tier_names(tmp_path):
  path = save(tmp_path / "talk.TextGrid", textgrid(0, 6.1, 2, 3.5, tier="female", text="singing"))
  assert list(read(path, DURATION_S)) == [Event(2.0, 3.5, "singing")]


def test_fireredvad_speech_and_singing_are_read_and_music_is_ignored(tmp_path):
  value = {"event2timestamps": {"speech": [[0, 1]], "singing": [[2, 3]], "music": [[0, 6]]}, "dur": 6.1}
  timeline = read(save(tmp_path / "talk.json", as_json(value)))
  assert list(timeline) == [Event(0, 1, "speech"), Event(2, 3, "singing")]
  assert timeline.duration_s == 6.1


@pytest.mark.parametrize(
  ("pairs", "labels"),
  [
    (["SPEAKER_00=speech", "music = none"], {"SPEAKER_00": "speech", "music": None}),
    (["=Singing"], {"": "singing"}),
    (["a=b=speech"], {"a=b": "speech"}),
    ([], {}),
  ],
)
def test_parses_label_mappings_of_the_command_line(pairs, labels):
  assert Reading.parse(pairs).labels == labels


@pytest.mark.parametrize(
  ("pairs", "message"),
  [
    (["speech"], "'speech'; expected LABEL=EVENT .* silence, speech, singing, others, or none"),
    (["a=whistling"], "'a=whistling'; expected LABEL=EVENT"),
    (["a=speech", "A=singing"], "label 'A' is repeated"),
  ],
)
def test_rejects_invalid_label_mappings(pairs, message):
  with pytest.raises(ValueError, match=message):
    Reading.parse(pairs)


# Units of time


SAMPLES_16K = as_json([{"start": 32_000, "end": 56_000}])


def test_empty_list_of_silero_has_no_events(tmp_path):
  assert list(read(save(tmp_path / "talk.json", "[]\n"), DURATION_S)) == []


def test_whole_numbers_of_silero_are_samples_with_warning(tmp_path):
  path = save(tmp_path / "talk.json", SAMPLES_16K)
  with pytest.warns(AnnotationWarning, match="whole numbers, read as samples at 16000 Hz.*--label_rate_hz"):
    assert list(read(path, DURATION_S)) == SPEECH
  assert list(read(path, DURATION_S, rate_hz=32_000)) == [Event(1.0, 1.75, "speech")]


@pytest.mark.parametrize(
  ("suffix", "text"),
  [
    ("json", as_json([{"start": 2, "end": 3}])),
    ("json", as_json([{"start": 2, "end": 3, "speaker": "speech"}])),
    ("lab", "32000 56000 speech\n99001 99200 speech\n0 123456 others\n"),
  ],
)
def test_whole_numbers_of_unknown_unit_require_rate(tmp_path, suffix, text):
  path = save(tmp_path / f"talk.{suffix}", text)
  with pytest.raises(AnnotationError, match=r"whole numbers .* second: --label_rate_hz=16000"):
    read(path, 60.0)
  first = read(path, 60.0, rate_hz=16_000).events[-1] if suffix == "lab" else read(path, 60.0, rate_hz=1).events[0]
  assert (first.onset_s, first.offset_s) == ((6.187563, 6.2) if suffix == "lab" else (2, 3))


def test_rate_does_not_affect_seconds(tmp_path):
  path = save(tmp_path / "talk.csv", "start,end,label\n2.0,3.5,speech\n")
  assert list(read(path, DURATION_S, rate_hz=16_000)) == SPEECH


def test_small_whole_numbers_with_spaces_are_seconds(tmp_path):
  assert list(read(save(tmp_path / "talk.lab", "2 5 speech\n"), DURATION_S)) == [Event(2, 5, "speech")]


# Origins


ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T10:00:00+01:00" FORMAT="3.0" VERSION="3.0">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">{media}</HEADER>
  <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="3000"/></TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="lt" TIER_ID="speech"><ANNOTATION>
    <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION>
  </ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""  # noqa: E501


def elan(**origins):
  media = "".join(
    f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/my%20films/{name}" MIME_TYPE="video/mp4" RELATIVE_MEDIA_URL="./{name}"'
    + ("/>" if origin is None else f' TIME_ORIGIN="{origin}"/>')
    for name, origin in origins.items()
  )
  return ELAN.format(media=media)


@pytest.mark.parametrize(
  ("origins", "offset_s"),
  [
    ({"talk.mp4": None}, 0.0),
    ({"talk.mp4": 500}, 0.5),
    ({"talk.mp4": 500, "microphone.wav": None}, 0.5),
    ({"microphone.wav": 700, "talk.mp4": None}, 0.0),
  ],
)
def test_elan_origin_is_that_of_the_medium_with_the_recordings_name(tmp_path, origins, offset_s):
  # Time 0 of the document is at TIME_ORIGIN in the medium.
  for name in ("talk.eaf", "talk.mp4.eaf"):
    path = save(tmp_path / name, elan(**origins))
    assert list(read(path, DURATION_S)) == [Event(1.5 + offset_s, 3.0 + offset_s, "speech")]


@pytest.mark.parametrize("origins", [{"camera.mp4": 500}, {"left.mp4": 500, "right.mp4": 500}])
def test_elan_media_with_other_names_cause_warning(tmp_path, origins):
  path = save(tmp_path / "talk.eaf", elan(**origins))
  with pytest.warns(AnnotationWarning, match=r"its medium \(.*\.mp4 at -0\.5 s\), .* not named talk"):
    assert list(read(path, DURATION_S)) == SPEECH


def test_elan_media_with_different_origins_require_origin_or_recording(tmp_path):
  path = save(tmp_path / "talk.eaf", elan(**{"left.mp4": 500, "right.mp4": 700}))
  with pytest.raises(AnnotationError, match=r"talk\.eaf: .*left\.mp4 at -0\.5 s, right\.mp4 at -0\.7 s.*origin_s"):
    read(path, DURATION_S)
  assert list(read(path, DURATION_S, origin_s=-0.5)) == SPEECH
  assert list(read(path, DURATION_S, recording="videos/left.mp4")) == SPEECH


def test_reads_origin_written_by_pympi(tmp_path):
  pympi = pytest.importorskip("pympi")
  theirs = pympi.Elan.Eaf()
  theirs.add_linked_file("talk.mp4", relpath="./talk.mp4", mimetype="video/mp4", time_origin=500)
  theirs.add_tier("speech")
  theirs.add_annotation("speech", 1500, 3000, "")
  theirs.to_file(str(tmp_path / "talk.eaf"))
  assert list(read(tmp_path / "talk.eaf", DURATION_S)) == SPEECH


@pytest.mark.parametrize(
  ("start", "end", "duration_s", "events"),
  [
    ("-0", "6.1", 6.1, [Event(4, 5.5, "speech")]),
    ("0.0001", "6.1", 6.1, [Event(4, 5.5, "speech")]),
    ("2", "8.1", 6.1, SPEECH),  # a part with the times of the whole
    ("2", "8.1", 6.14, SPEECH),  # the part with padded audio
    ("2", "8.1", 8.1, [Event(4, 5.5, "speech")]),  # the whole, annotated in part
    ("-1", "6.1", 7.1, [Event(5, 6.5, "speech")]),
  ],
)
def test_duration_determines_textgrid_origin(tmp_path, start, end, duration_s, events):
  path = save(tmp_path / "talk.TextGrid", textgrid(start, end, 4.0, 5.5))
  assert list(read(path, duration_s)) == events


@pytest.mark.parametrize("duration_s", [None, 7.0, 30.0])
def test_textgrid_of_other_duration_requires_origin(tmp_path, duration_s):
  path = save(tmp_path / "talk.TextGrid", textgrid(2, 8.1, 4.0, 5.5))
  with pytest.raises(AnnotationError, match=r"times run from 2 s to 8\.1 s.*--label_origin_s"):
    read(path, duration_s)
  assert list(read(path, duration_s, origin_s=1.0)) == [Event(3.0, 4.5, "speech")]


def test_textgrid_duration_is_measured_from_origin(tmp_path):
  assert read(save(tmp_path / "talk.TextGrid", textgrid(2, 8.1, 4.0, 5.5)), origin_s=2.0).duration_s == 6.1


def test_ava_times_of_a_movie_require_origin(tmp_path):
  path = save(tmp_path / "talk.csv", ava_rows(start_s=900))
  with pytest.raises(AnnotationError, match=r"every event lies beyond the recording's 6\.1 s: from 902 s to 903\.52 s"):
    read(path, DURATION_S)
  (event,) = read(path, DURATION_S, origin_s=900)
  assert (event.onset_s, event.offset_s) == (2.0, 3.52)


def test_ava_times_of_a_movie_without_speech_are_an_error(tmp_path):
  path = save(tmp_path / "talk.csv", ava_rows(start_s=900).replace("SPEAKING_AUDIBLE", "NOT_SPEAKING"))
  with pytest.raises(AnnotationError, match=r"the labeled span lies beyond the recording's 6\.1 s: from 900 s"):
    read(path, DURATION_S)


def test_events_before_origin_are_dropped_or_clipped(tmp_path):
  path = save(tmp_path / "talk.tsv", "0\t1\tspeech\n1.5\t3\tsinging\n4\t5\tspeech\n")
  with pytest.warns(AnnotationWarning) as caught:
    assert list(read(path, DURATION_S, origin_s=2.0)) == [Event(0, 1, "singing"), Event(2, 3, "speech")]
  assert [str(warning.message).rpartition("; ")[2] for warning in caught] == ["dropped", "clipped"]


def test_event_without_length_at_start_is_dropped(tmp_path):
  with pytest.warns(AnnotationWarning, match="speech at 0.0 s has no length; dropped"):
    assert list(read(save(tmp_path / "talk.tsv", "0.0\t0.0\tspeech\n"), DURATION_S)) == []


@pytest.mark.parametrize("origin_s", [None, 0.0, 0.5])
def test_negative_times_are_an_error(tmp_path, origin_s):
  path = save(tmp_path / "talk.tsv", "-1\t3\tspeech\n")
  with pytest.raises(AnnotationError, match=r"talk\.tsv:1: onset -1\.0 s, offset 3\.0 s; expected seconds, 0 <= onset"):
    read(path, DURATION_S, origin_s=origin_s)


@pytest.mark.parametrize(
  ("suffix", "text"),
  [
    ("tsv", "100\t101\tspeech\n107\t108\tsinging\n"),
    ("tsv", "2000\t3500\tspeech\n"),  # milliseconds
    ("json", as_json({"duration_s": 200, "events": [{"onset_s": 100, "offset_s": 101, "event": "speech"}]})),
  ],
)
def test_times_beyond_the_recording_are_an_error(tmp_path, suffix, text):
  with pytest.raises(AnnotationError, match=r"every event lies beyond the recording's 6\.1 s"):
    read(save(tmp_path / f"talk.{suffix}", text), DURATION_S)


# Recordings without events, faces, decimal commas


@pytest.mark.parametrize("row", ["talk.wav\t\t\t", "talk.wav\tnan\tnan\tnan", "talk.wav\tNaN\tNaN\t"])
def test_dcase_row_of_a_recording_without_events(tmp_path, row):
  path = save(tmp_path / "talk.tsv", f"filename\tonset\toffset\tevent_label\n{row}\n")
  assert list(read(path, DURATION_S)) == []


def test_event_without_times_is_an_error(tmp_path):
  path = save(tmp_path / "talk.tsv", "filename\tonset\toffset\tevent_label\ntalk.wav\t\t\tspeech\n")
  with pytest.raises(AnnotationError, match=r"talk\.tsv:2: onset is '' and event 'speech'; expected both or neither"):
    read(path, DURATION_S)


def test_several_speaking_faces_cause_warning(tmp_path):
  path = save(tmp_path / "talk.csv", ava_rows() + ava_rows(face="other"))
  with pytest.warns(AnnotationWarning, match=r"2 faces speak \('other', 'talk_0000_0060:1'\), and all count as"):
    assert len(read(path, DURATION_S)) == 2
  assert len(read(path, DURATION_S, labels={"other": None})) == 1
  assert {event.label for event in read(path, DURATION_S, labels={"other": "others"})} == {"speech", "others"}


@pytest.mark.parametrize(
  ("text", "line"),
  [
    ("2,0;3,5;speech\n4.0;5.0;speech\n", 2),
    ("4.0;5.0;speech\n2,0;3,5;speech\n", 1),
    ("2,0\t3,5\tspeech\n4.0\t5.0\tspeech\n", 2),
  ],
)
def test_mixed_decimal_commas_and_points_are_an_error(tmp_path, text, line):
  with pytest.raises(AnnotationError, match=rf"talk\.csv:{line}: onset is '4\.0'; expected a decimal comma"):
    read(save(tmp_path / "talk.csv", text), DURATION_S)


# Invalid files


@pytest.mark.parametrize(
  ("suffix", "text", "message"),
  [
    (
      "tsv",
      "from\tto\twhat\n2\t3\tspeech\n",
      r":1: onset is 'from'; expected a number, or a header with onset \(or event_onset, start",
    ),
    (
      "csv",
      "onset,offset,loudness\n2,3,4\n",
      r":1: column 'loudness' is unknown; expected .* filename",
    ),
    ("csv", "start,end,text\n2.0,3.5,la\n", r":2: .* expected start and end in whole milliseconds, and text"),
    (
      "json",
      '{"a": 1, "b": 2}',
      r":1: an object with the keys 'a', 'b': no list of events; expected .* JAMS",
    ),
    ("json", '[{"from": 1}]', r":1: a list of objects with the keys 'from': no list of events"),
    (
      "json",
      '[\n{"start": 2.0, "end": 3.5},\n{"start": 4.0}]',
      r":3: event without end; expected start and end",
    ),
    (
      "json",
      '[{"start": 2.0, "end": 3.5, "word": "la"}]',
      r":1: word beside start and end; expected nothing",
    ),
    ("json", '{"segments": [\n{"start": 2.0, "text": ""}]}', r":2: event without end"),
    ("json", '{"timestamps": [[2.0,\n3.5], [4.0]]}', r":2: speech is \[4\.0\]; expected \[start, end\]"),
    ("json", '{"event2timestamps": {"clap": [[2, 3]]}}', r":1: event is 'clap'"),
    (
      "jams",
      '{"annotations": [{"namespace": "beat", "data": []}]}',
      ":1: annotations of beat; expected one of the namespace",
    ),
    ("jams", jams(*2 * [{"namespace": "tag_open", "data": []}]), ":1: 2 annotations; expected one of the namespace"),
    ("json", '[{"annotations": []}, {"annotations": []}]', ":1: 2 tasks; expected one recording a file"),
    ("srt", "1\n00:00:02,000 -> 00:00:03,500\nla\n", r":2: .* expected a cue's times"),
    (
      "srt",
      "1\n00:00:02,000 --> 00:00:03,500\nla\n2\n00:00:04,000 --> 00:00:05,000\nla\n",
      r":5: .* blank line",
    ),
    ("vtt", "WEBVTT\n00:02.000 --> 00:03.500\nla\n", r":2: .* expected a blank line before a cue"),
    ("lab", "2.0 3.5 speech\nspeech\n", r":2: 'speech'; expected onset, offset and label, separated by spaces"),
    ("lab", "2.0 3.5 speech\n4.0 end speech\n", r":2: offset is 'end'; expected a number"),
    ("rttm", "SPEAKER a b 1 2.0 1.5 x y speech <NA> <NA>\n", r":1: 11 fields; expected 9 or 10"),
  ],
)
def test_errors_state_found_and_expected_content(tmp_path, suffix, text, message):
  with pytest.raises(AnnotationError, match=rf"talk\.{suffix}{message}") as caught:
    read(save(tmp_path / f"talk.{suffix}", text), DURATION_S)
  assert "\n" not in str(caught.value)


def test_table_of_sonic_visualiser_is_an_error(tmp_path):
  path = save(tmp_path / "talk.csv", "2.0,0,1.5,speech\n")  # time, value, duration, label
  with pytest.raises(AnnotationError, match=r"talk\.csv:1: row is .*; expected onset, offset and label, or a header"):
    read(path, DURATION_S)
