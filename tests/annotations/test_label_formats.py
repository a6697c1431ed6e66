"""Tests all label formats: round trips, recognition of the format, and the treatment of times and labels."""

from decimal import Decimal
import warnings

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from attavvad_jax.annotations import FORMATS, LABEL_SUFFIXES, AnnotationError, AnnotationWarning, read, write
from attavvad_jax.timeline import EVENTS, Event, Timeline

# Formats that are read and written; AVA's rows hold only voice or none, and have their own round-trip test.
BOTH_WAYS = [name for name, format in FORMATS.items() if format.parse and format.render and name != "ava"]
SCORED = ("json", "rttm", "tsv", "csv")
both = pytest.mark.parametrize("format", BOTH_WAYS)

millionths = st.integers(1, 10_000_000_000).map(lambda n: n / 1_000_000)
events = st.builds(
  lambda times, label, score: Event(min(times), max(times), label, score),
  st.tuples(millionths, millionths).filter(lambda times: times[0] != times[1]),
  st.sampled_from(EVENTS),
  st.none() | st.integers(0, 1_000_000).map(lambda n: n / 1_000_000),
)


@st.composite
def timelines(draw):
  marked = draw(st.lists(events, max_size=8))
  end_s = max((event.offset_s for event in marked), default=0.0)
  # The margin keeps rounded offsets within the duration.
  return Timeline(marked, round(end_s + 0.001 + draw(millionths), 6))


def save(path, text):
  path.write_bytes(text.encode())
  return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp("labels")


def as_written(timeline, format):
  """Returns what the format should keep, by decimal arithmetic: times to its decimals, scores if it has them."""
  scored = format in SCORED
  unit = Decimal(1).scaleb(-FORMATS[format].decimals)
  times = [[float(Decimal(t).quantize(unit)) for t in (e.onset_s, e.offset_s)] for e in timeline]
  events = [Event(*pair, e.label, e.score if scored else None) for pair, e in zip(times, timeline, strict=True)]
  return Timeline([e for e in events if e.duration_s > 0], timeline.duration_s)


@both
@settings(deadline=None)
@given(timeline=timelines())
def test_round_trip_keeps_the_timeline(format, timeline, folder):
  path = folder / f"clip{FORMATS[format].suffixes[0]}"
  with warnings.catch_warnings():
    # Some events round to no length, and some formats write an empty file if there are no events.
    warnings.simplefilter("ignore", AnnotationWarning)
    write(timeline, path, format)
    back = read(path, timeline.duration_s)
  expected = as_written(timeline, format)
  assert back.duration_s == expected.duration_s
  assert sorted(back, key=repr) == sorted(expected, key=repr)


@both
def test_format_without_extension_is_recognized_by_content(format, tmp_path):
  timeline = Timeline([Event(1.0, 2.0, "speech", 0.5 if format in SCORED else None)], 2.0)
  write(timeline, tmp_path / "labels", format)
  assert read(tmp_path / "labels") == timeline


@both
def test_file_names_in_any_script(format, tmp_path):
  path = tmp_path / f"Un Año, “吕布” {FORMATS[format].suffixes[0]}"
  write(Timeline([Event(1, 2, "singing")], 2), path, format)
  assert list(read(path)) == [Event(1, 2, "singing")]


@both
def test_equal_timelines_give_equal_files(format, tmp_path):
  timeline = Timeline([Event(1, 2, "singing"), Event(1, 3, "speech")], 3)
  write(timeline, tmp_path / "a", format)
  write(timeline, tmp_path / "b", format)
  texts = [(tmp_path / name).read_text().replace(f"SPEAKER {name} ", "") for name in "ab"]
  assert texts[0] == texts[1]


def test_content_overrides_the_extension(tmp_path):
  path = save(tmp_path / "labels.tsv", '{"events": [{"onset_s": 1, "offset_s": 2, "event": "speech"}]}')
  assert list(read(path)) == [Event(1, 2, "speech")]


def test_extension_decides_if_no_format_recognizes_the_content(tmp_path):
  path = save(tmp_path / "labels.tsv", "from\tto\tevent_label\n0\t1\tspeech\n")
  with pytest.raises(AnnotationError, match=r"labels\.tsv:1: onset is 'from'; expected a number"):
    read(path)


def test_error_for_unknown_content_and_extension_lists_the_formats(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.doc: .*json \(\.json\), elan \(\.eaf\), .* mavc100 \(\.csv\)$"):
    read(save(tmp_path / "clip.doc", "hello"))


def test_missing_file_is_an_os_error(tmp_path):
  with pytest.raises(FileNotFoundError):
    read(tmp_path / "none.tsv")


def test_empty_file_gives_no_events_and_a_warning(tmp_path):
  with pytest.warns(AnnotationWarning, match=r"clip\.tsv: empty file"):
    assert read(save(tmp_path / "clip.tsv", ""), 3.0) == Timeline([], 3.0)


def test_error_for_invalid_utf8_names_the_line(tmp_path):
  path = tmp_path / "clip.tsv"
  path.write_bytes(b"0\t1\tspeech\n1\t2\tsp\xe9ech\n")
  with pytest.raises(AnnotationError, match=r"clip\.tsv:2: byte 0xe9 is not UTF-8"):
    read(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_byte_order_mark_sets_the_encoding(tmp_path, encoding):
  mark = "" if encoding == "utf-8-sig" else "\ufeff"
  path = tmp_path / "clip.json"
  path.write_bytes(
    (mark + '{"events": [{"onset_s": 0, "offset_s": 1, "event": "speech"}], "né": "吕"}').encode(encoding)
  )
  assert list(read(path)) == [Event(0, 1, "speech")]


def test_error_for_half_a_utf16_character_names_the_line(tmp_path):
  path = tmp_path / "clip.tsv"
  path.write_bytes("\ufeff0\t1\tspeech\n1\t2\tspeech".encode("utf-16-le") + b"x")
  with pytest.raises(AnnotationError, match=r"clip\.tsv:2: byte 0x78 is not UTF-16"):
    read(path)


def test_error_for_nul_names_the_line(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.tsv:2: NUL character"):
    read(save(tmp_path / "clip.tsv", "0\t1\tspeech\n1\t2\tspe\0ech\n"))


@pytest.mark.parametrize(
  ("name", "text"),
  [
    ("clip.tsv", "0\t1\tspeech\n1\t2\tspeech"),
    ("clip.rttm", "SPEAKER c 1 0 1 <NA> <NA> speech <NA> <NA>\nSPEAKER c 1 1 1 <NA> <NA> speech <NA> <NA>"),
    ("clip.txt", "0\t1\tspeech\n1\t2\tspeech\n\\\t0.1\t2"),
    ("clip.csv", "v,0.5,0,0,1,1,SPEAKING_AUDIBLE,a\nv,0.6,0,0,1,1,SPEAKING_AUDIBLE,b"),
  ],
)
def test_last_line_without_line_end_gives_a_warning(tmp_path, name, text):
  with pytest.warns(AnnotationWarning, match=rf"{name}:{len(text.splitlines())}: no line end after the last line"):
    assert len(read(save(tmp_path / name, text))) == 2


def test_label_suffixes_are_those_of_readable_formats():
  assert set(LABEL_SUFFIXES) == {".json", ".eaf", ".textgrid", ".rttm", ".txt", ".tsv", ".csv", ".lab", ".jams"}


# Times


def read_events(tmp_path, *rows, duration_s=None):
  text = "".join("\t".join(row.split()) + "\n" for row in rows)
  return list(read(save(tmp_path / "clip.tsv", text), duration_s))


def test_unordered_events_are_sorted(tmp_path):
  assert [e.onset_s for e in read_events(tmp_path, "2 3 speech", "0 1 speech", "1 2 singing")] == [0, 1, 2]


def test_overlapping_events_are_kept(tmp_path):
  assert read_events(tmp_path, "0 2 speech", "1 3 singing") == [Event(0, 2, "speech"), Event(1, 3, "singing")]


@pytest.mark.parametrize("times", ["-1 2", "2 1", "nan 1", "0 inf"])
def test_error_for_invalid_times_names_file_and_line(tmp_path, times):
  with pytest.raises(AnnotationError, match=r"clip\.tsv:2: onset .* expected seconds, 0 <= onset <= offset"):
    read_events(tmp_path, "0 1 speech", f"{times} speech")


def test_event_without_length_is_dropped_with_a_warning(tmp_path):
  with pytest.warns(AnnotationWarning, match=r"clip\.tsv:1: speech at 1\.0 s has no length; dropped"):
    assert read_events(tmp_path, "1 1 speech", "1 2 singing") == [Event(1, 2, "singing")]


def test_event_across_the_end_is_clipped_with_a_warning(tmp_path):
  with pytest.warns(AnnotationWarning, match=r"clip\.tsv:1: speech from 1\.0 s to 9\.0 s .* 5\.0 s; clipped"):
    assert read_events(tmp_path, "1 9 speech", duration_s=5.0) == [Event(1, 5, "speech")]


def test_event_after_the_end_is_dropped_with_a_warning(tmp_path):
  with pytest.warns(AnnotationWarning, match=r"clip\.tsv:2: .*; dropped"):
    assert read_events(tmp_path, "1 2 speech", "5 6 singing", duration_s=5.0) == [Event(1, 2, "speech")]


def test_rounding_to_the_millisecond_is_clipped_without_a_warning(tmp_path):
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    assert read_events(tmp_path, "1 5.001 speech", duration_s=5.0003) == [Event(1, 5.0003, "speech")]


def test_duration_defaults_to_the_last_offset(tmp_path):
  assert read(save(tmp_path / "clip.tsv", "3\t4\tspeech\n0\t9.5\tothers\n")).duration_s == 9.5


# Labels and scores


@pytest.mark.parametrize(
  ("label", "event"),
  [("Speech", "speech"), ("SINGING", "singing"), ("sing", "singing"), ("Other", "others"), ("silent", "silence")],
)
def test_accepted_spellings(tmp_path, label, event):
  assert read_events(tmp_path, f"0 1 {label}") == [Event(0, 1, event)]


def test_error_for_unknown_label_names_line_and_expected_labels(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.tsv:1: event is 'humming'; expected one of silence, speech"):
    read_events(tmp_path, "0 1 humming")


def test_all_unknown_labels_are_listed(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.tsv:2: event is 'hum'; .*; the file also holds 'clap'$"):
    read_events(tmp_path, "0 1 speech", "1 2 hum", "2 3 hum", "3 4 clap")


def test_long_list_of_unknown_labels_is_shortened(tmp_path):
  with pytest.raises(AnnotationError, match=r"'w0'; .*; the file also holds 'w1', .*'w9' and 2 more$"):
    read_events(tmp_path, *(f"0 1 w{number}" for number in range(12)))


def test_other_labels_are_mapped_to_an_event_or_left_out(tmp_path):
  path = save(tmp_path / "clip.tsv", "0\t1\tSpk1\n1\t2\tlyrics\n2\t3\tsinging\n")
  events = list(read(path, labels={"spk1": "speech", "Lyrics": None}))
  assert events == [Event(0, 1, "speech"), Event(2, 3, "singing")]


def test_labels_map_to_known_events_only(tmp_path):
  path = save(tmp_path / "clip.tsv", "0\t1\tspeech\n")
  with pytest.raises(ValueError, match="labels: 'spk1' becomes 'talk'; expected one of silence"):
    read(path, labels={"spk1": "talk"})


@pytest.mark.parametrize("score", ["1.5", "-0.1", "nan"])
def test_scores_are_probabilities(tmp_path, score):
  with pytest.raises(AnnotationError, match=r"clip\.tsv:1: score is .*; expected 0 to 1"):
    read_events(tmp_path, f"0 1 speech {score}")


# Writing


def test_error_for_unknown_extension_lists_the_formats(tmp_path):
  with pytest.raises(ValueError, match=r"json \(\.json\), .*srt \(\.srt\)"):
    write(Timeline([], 1.0), tmp_path / "clip.doc")


def test_error_for_unknown_format_lists_the_formats(tmp_path):
  with pytest.raises(ValueError, match="'doc'; expected one of json, elan"):
    write(Timeline([], 1.0), tmp_path / "clip.tsv", "doc")


def test_writing_a_read_only_format_is_an_error(tmp_path):
  with pytest.raises(ValueError, match="'mavc100' can be read but not written; expected one of json"):
    write(Timeline([], 1.0), tmp_path / "clip.csv", "mavc100")


@pytest.mark.parametrize(("format", "length_s"), [("json", 4e-7), ("elan", 4e-4), ("srt", 4e-4)])
def test_event_that_rounds_to_no_length_is_dropped_with_a_warning(tmp_path, format, length_s):
  path = tmp_path / "clip"
  with pytest.warns(AnnotationWarning, match=r"clip: speech at 1 s has no length to \d decimals; dropped"):
    write(Timeline([Event(1, 1 + length_s, "speech")], 2.0), path, format)
  assert "speech" not in path.read_text()


def test_failed_write_leaves_only_the_old_file(tmp_path):
  path = save(tmp_path / "clip.json", "old")
  with pytest.raises(ValueError, match="events"):
    write(Timeline([], 1.0), path, metadata={"events": []})
  assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("clip.json", "old")]


def test_missing_folder_is_an_os_error(tmp_path):
  with pytest.raises(FileNotFoundError):
    write(Timeline([], 1.0), tmp_path / "none" / "clip.tsv")
