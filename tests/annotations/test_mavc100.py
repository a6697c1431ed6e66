import pytest

from attavvad_jax.annotations import AnnotationError, AnnotationWarning, read
from attavvad_jax.timeline import Event, Timeline

HEADER = "Name\tStart\tDuration\tTime Format\tType\tDescription"


def save(path, *cues):
  rows = [f"{name}\t{time}\t0:00.000\tdecimal\tCue\t" for name, time in (cue.split() for cue in cues)]
  path.write_bytes("".join(f"{row}\r\n" for row in ["\ufeff" + HEADER, *rows]).encode())
  return path


def read_cues(tmp_path, *cues):
  return list(read(save(tmp_path / "clip.csv", *cues)))


def test_three_kinds_of_cues(tmp_path):
  assert read_cues(
    tmp_path, "3s 0:00.000", "3e 0:00.028", "1s 0:00.910", "1e 0:15.511", "2s 0:16.148", "2e 0:29.000"
  ) == [
    Event(0, 0.028, "silence"),
    Event(0.91, 15.511, "speech"),
    Event(16.148, 29.0, "singing"),
  ]


def test_non_ascii_file_name(tmp_path):
  path = save(tmp_path / "Sebastian_Yatra_performs_Un_Año_0.csv", "1s 0:01.000", "1e 0:02.000")
  assert list(read(path)) == [Event(1, 2, "speech")]


def test_space_after_the_name_of_a_cue(tmp_path):
  path = save(tmp_path / "clip.csv", "2s 0:01.000", "2e 0:02.000")
  path.write_bytes(path.read_bytes().replace(b"2s\t", b"2s \t"))
  assert list(read(path)) == [Event(1, 2, "singing")]


@pytest.mark.parametrize(("last", "duration_s"), [("0:28.451", 30.0), ("0:30.030", 30.03)])
def test_duration_is_30_s_or_the_last_cue(tmp_path, last, duration_s):
  assert read(save(tmp_path / "clip.csv", "3s 0:02.000", f"3e {last}")).duration_s == duration_s


def test_silences_shorter_than_a_block_are_events(tmp_path):
  assert read_cues(tmp_path, "3s 0:29.977", "3e 0:30.030") == [Event(29.977, 30.03, "silence")]


def test_times_with_minutes_and_hours(tmp_path):
  assert read_cues(tmp_path, "1s 1:00.1", "1e 1:02:03.500") == [Event(60.1, 3723.5, "speech")]


def test_events_may_overlap(tmp_path):
  cues = "1s 0:01.000", "2s 0:02.000", "1e 0:03.000", "2e 0:04.000"
  assert read_cues(tmp_path, *cues) == [Event(1, 3, "speech"), Event(2, 4, "singing")]


def test_unordered_cues_are_sorted(tmp_path):
  cues = "1s 0:05.000", "1s 0:01.000", "1e 0:06.000", "1e 0:02.000"
  assert read_cues(tmp_path, *cues) == [Event(1, 2, "speech"), Event(5, 6, "speech")]


def test_header_alone_is_a_clip_without_events(tmp_path):
  assert read(save(tmp_path / "clip.csv")) == Timeline([], 30.0)


# Closing cues of another event


def test_broken_file_of_the_data_set_is_repaired_with_a_warning(tmp_path):
  # As in xiaoxiami_chuangtianya_5.csv.
  cues = "2s 0:12.957", "2e 0:29.977", "2s 0:29.977", "3e 0:30.000"
  with pytest.warns(
    AnnotationWarning, match=r"clip\.csv:5: cue 3e closes 2s of line 4; .* continues from line 2$"
  ) as caught:
    assert read_cues(tmp_path, *cues) == [Event(12.957, 30.0, "singing")]
  assert len(caught) == 1


def test_closing_cue_of_another_event_closes_the_only_open_one(tmp_path):
  with pytest.warns(AnnotationWarning, match=r"clip\.csv:3: cue 3e closes 1s of line 2; read as the end of speech$"):
    assert read_cues(tmp_path, "1s 0:01.000", "3e 0:02.000") == [Event(1, 2, "speech")]


def test_closing_cue_of_another_event_is_an_error_if_two_are_open(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.csv:4: cue 3e closes silence, which is not open"):
    read_cues(tmp_path, "1s 0:01.000", "2s 0:02.000", "3e 0:03.000", "1e 0:04.000", "2e 0:05.000")


@pytest.mark.parametrize(
  ("cues", "message"),
  [
    (["1s 0:01.000"], "2: cue 1s is never closed; expected 1e after it"),
    (["1e 0:01.000"], "2: cue 1e closes speech, which is not open"),
    (["1s 0:01.000", "1s 0:02.000", "1e 0:03.000"], "3: cue 1s opens speech, open since line 2"),
    (["4s 0:01.000"], "2: cue is '4s'; expected 1s, 1e"),
    (["1s 0:1.000"], r"2: start is '0:1.000'; expected \[h:\]m:ss"),
    (["1s -0:01.000"], "2: start is '-0:01.000'"),
  ],
)
def test_errors_name_file_and_line(tmp_path, cues, message):
  with pytest.raises(AnnotationError, match=rf"clip\.csv:{message}"):
    read_cues(tmp_path, *cues)


@pytest.mark.parametrize(
  ("row", "message"),
  [
    ("1s\t0:01.000\t0:00.000\tdecimal\tCue", "5 tab-separated fields; expected 6"),
    ("1s\t0:00.000\t0:01.000\tdecimal\tCue\t", "cue 1s is 1.0 s long"),
    ("1s\t0:01.000\t0:00.000\t75 fps\tCue\t", "time format '75 fps'"),
    ("1s\t0:01.000\t0:00.000\tdecimal\tSubclip\t", "type 'Subclip'"),
    (HEADER, "cue is 'Name'"),
  ],
)
def test_rows_without_a_valid_cue_are_errors(tmp_path, row, message):
  path = tmp_path / "clip.csv"
  path.write_text(f"{HEADER}\n{row}\n")
  with pytest.raises(AnnotationError, match=rf"clip\.csv:2: .*{message}"):
    read(path)
