"""What holds for every label format: round trips, how the format is found, and the treatment of times and labels."""

import warnings

from hypothesis import given
from hypothesis import strategies as st
import pytest

from attavvad_jax.annotations import FORMATS, AnnotationError, AnnotationWarning, read, write
from attavvad_jax.events import EVENTS, Event, Timeline

both = pytest.mark.parametrize("format", [name for name, format in FORMATS.items() if format.parse and format.render])

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
  return Timeline(marked, round(end_s + draw(millionths), 6))


def save(path, text):
  path.write_bytes(text.encode())
  return path


@both
@given(timeline=timelines())
def test_a_timeline_comes_back_from_its_file(format, timeline, tmp_path_factory):
  path = tmp_path_factory.mktemp("labels") / f"clip{FORMATS[format].suffixes[0]}"
  write(timeline, path)
  back = read(path, timeline.duration_s)
  assert back.duration_s == timeline.duration_s
  assert sorted(back, key=repr) == sorted(timeline, key=repr)


@both
def test_a_file_without_an_extension_is_told_by_its_content(format, tmp_path):
  timeline = Timeline([Event(1.0, 2.0, "speech", 0.5)], 2.0)
  write(timeline, tmp_path / "labels", format)
  assert read(tmp_path / "labels") == timeline


def test_content_goes_before_the_extension(tmp_path):
  path = save(tmp_path / "labels.tsv", '{"events": [{"onset_s": 1, "offset_s": 2, "event": "speech"}]}')
  assert list(read(path)) == [Event(1, 2, "speech")]


def test_extension_decides_where_content_fits_nothing(tmp_path):
  path = save(tmp_path / "labels.tsv", "from\tto\tevent_label\n0\t1\tspeech\n")
  with pytest.raises(AnnotationError, match=r"labels\.tsv:1: onset is 'from'; expected a number"):
    read(path)


def test_unknown_content_and_extension_lists_the_formats(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.doc: .*json \(\.json\), tsv \(\.tsv"):
    read(save(tmp_path / "clip.doc", "hello"))


def test_missing_file_is_an_os_error(tmp_path):
  with pytest.raises(FileNotFoundError):
    read(tmp_path / "none.tsv")


def test_empty_file_is_a_recording_without_events_and_warned_of(tmp_path):
  with pytest.warns(AnnotationWarning, match=r"clip\.tsv: empty file"):
    assert read(save(tmp_path / "clip.tsv", ""), 3.0) == Timeline([], 3.0)


def test_bytes_that_are_not_utf8_name_the_line(tmp_path):
  path = tmp_path / "clip.tsv"
  path.write_bytes(b"0\t1\tspeech\n1\t2\tsp\xe9ech\n")
  with pytest.raises(AnnotationError, match=r"clip\.tsv:2: byte 0xe9 is not UTF-8"):
    read(path)


# Times


def read_events(tmp_path, *rows, duration_s=None):
  return list(read(save(tmp_path / "clip.tsv", "\n".join("\t".join(row.split()) for row in rows)), duration_s))


def test_unordered_events_are_sorted(tmp_path):
  assert [e.onset_s for e in read_events(tmp_path, "2 3 speech", "0 1 speech", "1 2 singing")] == [0, 1, 2]


def test_overlapping_events_are_kept(tmp_path):
  assert read_events(tmp_path, "0 2 speech", "1 3 singing") == [Event(0, 2, "speech"), Event(1, 3, "singing")]


@pytest.mark.parametrize("times", ["-1 2", "2 1", "nan 1", "0 inf"])
def test_times_that_cannot_be_name_file_and_line(tmp_path, times):
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


def test_rounding_to_the_millisecond_is_clipped_in_silence(tmp_path):
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    assert read_events(tmp_path, "1 5.001 speech", duration_s=5.0003) == [Event(1, 5.0003, "speech")]


def test_without_a_duration_the_last_offset_is_the_end(tmp_path):
  assert read(save(tmp_path / "clip.tsv", "3\t4\tspeech\n0\t9.5\tothers\n")).duration_s == 9.5


# Labels and scores


@pytest.mark.parametrize(
  ("label", "event"),
  [("Speech", "speech"), ("SINGING", "singing"), ("sing", "singing"), ("Other", "others"), ("silent", "silence")],
)
def test_spellings_that_are_understood(tmp_path, label, event):
  assert read_events(tmp_path, f"0 1 {label}") == [Event(0, 1, event)]


def test_unknown_label_names_line_and_what_is_expected(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.tsv:1: event is 'humming'; expected one of silence, speech"):
    read_events(tmp_path, "0 1 humming")


@pytest.mark.parametrize("score", ["1.5", "-0.1", "nan"])
def test_scores_are_probabilities(tmp_path, score):
  with pytest.raises(AnnotationError, match=r"clip\.tsv:1: score is .*; expected 0 to 1"):
    read_events(tmp_path, f"0 1 speech {score}")


# Writing


def test_unknown_extension_names_the_formats(tmp_path):
  with pytest.raises(ValueError, match=r"json \(\.json\), tsv"):
    write(Timeline([], 1.0), tmp_path / "clip.doc")


def test_unknown_format_names_the_formats(tmp_path):
  with pytest.raises(ValueError, match="'doc'; expected one of json, tsv"):
    write(Timeline([], 1.0), tmp_path / "clip.tsv", "doc")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
  path = save(tmp_path / "clip.json", "old")
  with pytest.raises(ValueError, match="events"):
    write(Timeline([], 1.0), path, metadata={"events": []})
  assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("clip.json", "old")]


def test_missing_folder_is_an_os_error(tmp_path):
  with pytest.raises(FileNotFoundError):
    write(Timeline([], 1.0), tmp_path / "none" / "clip.tsv")
