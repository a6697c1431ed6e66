import pytest

from attavvad_jax.annotations import AnnotationError, read, write
from attavvad_jax.events import Event, Timeline

EVENTS = [Event(0.5, 1.25, "speech"), Event(2, 3, "singing")]
ROWS = "0.5\t1.25\tspeech\n2\t3\tsinging\n"
HEADER = "onset\toffset\tevent_label\n"


def read_bytes(tmp_path, data):
  path = tmp_path / "clip.tsv"
  path.write_bytes(data)
  return list(read(path))


@pytest.mark.parametrize(
  "text",
  [
    ROWS,
    HEADER + ROWS,
    "Onset\tOffset\tEvent_Label\n" + ROWS,
    "\ufeff" + HEADER + ROWS,
    (HEADER + ROWS).replace("\n", "\r\n"),
    (HEADER + ROWS).replace("\n", "\r"),
    ROWS.rstrip("\n"),
    "\n" + ROWS + "\n\n",
    ROWS.replace("\t", " \t "),
  ],
  ids=["bare", "header", "capitals", "mark", "CRLF", "CR", "no last line end", "blank lines", "spaces"],
)
def test_ways_to_write_the_same(tmp_path, text):
  assert read_bytes(tmp_path, text.encode()) == EVENTS


def test_scores_may_be_missing(tmp_path):
  events = read_bytes(tmp_path, b"onset\toffset\tevent_label\tscore\n0\t1\tspeech\t0.25\n1\t2\tspeech\t\n2\t3\tspeech")
  assert [event.score for event in events] == [0.25, None, None]


@pytest.mark.parametrize(
  ("row", "message"),
  [
    ("1\t2", "2 tab-separated fields; expected onset<TAB>offset<TAB>event_label"),
    ("1\t2\tspeech\t0.5\tx", "5 tab-separated fields"),
    ("1,5\t2\tspeech", "onset is '1,5'; expected a number"),
    ("1\t\tspeech", "offset is ''; expected a number"),
    ("1\t2\tspeech\thigh", "score is 'high'; expected a number"),
    ("onset\toffset\tevent_label", "onset is 'onset'; expected a number"),
  ],
)
def test_bad_rows_name_file_and_line(tmp_path, row, message):
  with pytest.raises(AnnotationError, match=rf"clip\.tsv:4: {message}"):
    read_bytes(tmp_path, f"{HEADER}0\t1\tspeech\r\n\r\n{row}\n".encode())


def test_what_is_written(tmp_path):
  path = tmp_path / "clip.tsv"
  write(Timeline([Event(0, 10 / 3, "speech", 0.93), Event(5, 7, "others")], 9), path, metadata={"left": "out"})
  assert path.read_bytes() == (b"onset\toffset\tevent_label\tscore\n0.0\t3.333333\tspeech\t0.93\n5.0\t7.0\tothers\t\n")


def test_without_scores_there_is_no_column_for_them(tmp_path):
  path = tmp_path / "clip.tsv"
  write(Timeline([Event(0, 1, "speech")], 1), path)
  assert path.read_text() == HEADER + "0.0\t1.0\tspeech\n"


def test_a_timeline_without_events_is_a_header(tmp_path):
  path = tmp_path / "clip.tsv"
  write(Timeline([], 4), path)
  assert read(path, 4) == Timeline([], 4)
