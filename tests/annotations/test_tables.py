import pytest

from attavvad_jax.annotations import AnnotationError, read, write
from attavvad_jax.timeline import Event, Timeline

EVENTS = [Event(0.5, 1.25, "speech"), Event(2, 3, "singing")]
ROWS = "0.5\t1.25\tspeech\n2\t3\tsinging\n"
HEADER = "onset\toffset\tevent_label\n"
SCORED = "onset\toffset\tevent_label\tscore\n"


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
    ROWS.replace("\t", ","),
    ROWS.replace("\t", ";"),
    (HEADER + ROWS).replace("\t", ","),
    'onset,offset,event_label\n0.5,1.25,"speech"\n"2",3,singing\n',
    "\n" + ROWS + "\n\n",
    ROWS.replace("\t", " \t "),
  ],
  ids=[
    "bare",
    "header",
    "capitals",
    "byte order mark",
    "CRLF",
    "CR",
    "commas",
    "semicolons",
    "commas and header",
    "quotes",
    "blank lines",
    "spaces",
  ],
)
def test_reads_equivalent_tables(tmp_path, text):
  assert read_bytes(tmp_path, text.encode()) == EVENTS


def test_scores_may_be_missing(tmp_path):
  events = read_bytes(
    tmp_path, b"onset\toffset\tevent_label\tscore\n0\t1\tspeech\t0.25\n1\t2\tspeech\t\n2\t3\tspeech\n"
  )
  assert [event.score for event in events] == [0.25, None, None]


@pytest.mark.parametrize(
  ("row", "message"),
  [
    ("1\t2", "2 tab-separated fields; expected 4: onset<TAB>offset<TAB>event_label<TAB>score"),
    ("1\t2\tspeech\t0.5\tx", "5 tab-separated fields"),
    ("1,5\t2\tspeech", "onset is '1,5'; expected a number"),
    ("1\t\tspeech", "offset is ''; expected a number"),
    ("1\t2\tspeech\thigh", "score is 'high'; expected a number"),
    ("onset\toffset\tevent_label", "onset is 'onset'; expected a number"),
    ('1\t"2\tspeech', "not a row of a table: unexpected end of data"),
    ("1_0\t20\tspeech", "onset is '1_0'; expected a number"),
    ("١\t2\tspeech", "onset is '١'; expected a number"),
  ],
)
def test_errors_name_file_and_line(tmp_path, row, message):
  with pytest.raises(AnnotationError, match=rf"clip\.tsv:4: {message}"):
    read_bytes(tmp_path, f"{SCORED}0\t1\tspeech\r\n\r\n{row}\n".encode())


def test_writes_tsv_with_scores(tmp_path):
  path = tmp_path / "clip.tsv"
  write(Timeline([Event(0, 10 / 3, "speech", 0.93), Event(5, 7, "others")], 9), path, metadata={"left": "out"})
  assert path.read_bytes() == (b"onset\toffset\tevent_label\tscore\n0.0\t3.333333\tspeech\t0.93\n5.0\t7.0\tothers\t\n")


def test_writes_no_score_column_without_scores(tmp_path):
  path = tmp_path / "clip.tsv"
  write(Timeline([Event(0, 1, "speech")], 1), path)
  assert path.read_text() == HEADER + "0.0\t1.0\tspeech\n"


def test_round_trip_without_events(tmp_path):
  path = tmp_path / "clip.tsv"
  write(Timeline([], 4), path)
  assert read(path, 4) == Timeline([], 4)


def test_writes_csv_with_commas(tmp_path):
  path = tmp_path / "clip.csv"
  write(Timeline([Event(0, 1, "speech", 0.5)], 1), path)
  assert path.read_text() == "onset,offset,event_label,score\n0.0,1.0,speech,0.5\n"


# Layouts without a header


@pytest.mark.parametrize(
  "row",
  [
    "0.5 1.25 speech",
    "0.5 1.25 speech 0.75",
    "clip.wav 0.5 1.25 speech",
    "0001 0.5 1.25 speech",
    "clip.wav 0.5 1.25 speech 0.75",
    "clip.wav stage 0.5 1.25 speech",
    "7 8 0.5 1.25 speech",
  ],
)
def test_position_of_times_determines_layout(tmp_path, row):
  score = 0.75 if row.endswith("0.75") else None
  assert read_bytes(tmp_path, ("\t".join(row.split()) + "\n").encode()) == [Event(0.5, 1.25, "speech", score)]


@pytest.mark.parametrize(
  ("header", "row"),
  [
    ("filename,onset,offset,event_label", "clip.wav,0.5,1.25,speech"),
    ("event_label,onset,offset", "speech,0.5,1.25"),
    ("file,scene_label,event_onset,event_offset,event", "clip.wav,stage,0.5,1.25,speech"),
    ("onset,offset,event_label,source_label", "0.5,1.25,speech,m"),
  ],
)
def test_header_determines_columns(tmp_path, header, row):
  assert read_bytes(tmp_path, f"{header}\n{row}\n".encode()) == [Event(0.5, 1.25, "speech")]


@pytest.mark.parametrize(
  ("header", "message"),
  [
    ("onset\toffset\tloudness", "column 'loudness' is unknown; expected .* filename"),
    ("onset\toffset\tlabel\tevent", "column 'event' is repeated"),
  ],
)
def test_unknown_and_repeated_columns_are_an_error(tmp_path, header, message):
  with pytest.raises(AnnotationError, match=rf"clip\.tsv:1: {message}"):
    read_bytes(tmp_path, f"{header}\n0\t1\tspeech\n".encode())


@pytest.mark.parametrize("text", ["0\t1\n2\t3\n", "onset\toffset\n0\t1\n2\t3\n"])
def test_table_without_labels_requires_event(tmp_path, text):
  path = tmp_path / "clip.tsv"
  path.write_text(text)
  assert list(read(path, labels={"": "singing"})) == [Event(0, 1, "singing"), Event(2, 3, "singing")]
  with pytest.raises(AnnotationError, match=r"clip\.tsv:\d: event is not named"):
    read(path)


def test_rows_of_several_recordings_are_an_error(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.tsv:2: recording is 'b', and 'a' above; expected one recording"):
    read_bytes(tmp_path, b"a\t0\t1\tspeech\nb\t0\t1\tspeech\n")


@pytest.mark.parametrize("row", ["0.5 1.25 speech", "clip.wav 0.5 1.25 speech", "clip.wav stage 0.5 1.25 speech"])
@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_agrees_with_dcase_util(tmp_path, row, delimiter):
  dcase_util = pytest.importorskip("dcase_util")
  path = tmp_path / "clip.txt"
  path.write_text((delimiter.join(row.split()) + "\n") * 2)
  theirs = dcase_util.containers.MetaDataContainer().load(filename=str(path))
  ours = list(read(path))
  assert [(e.onset_s, e.offset_s, e.label) for e in ours] == [(i.onset, i.offset, i.event_label) for i in theirs]
