from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from attavvad_jax.annotations import AnnotationError, read, write
from attavvad_jax.timeline import Event, Timeline

BOX = "0.1,0.2,0.3,0.4"


def read_text(tmp_path, text):
  path = tmp_path / "clip-activespeaker.csv"
  path.write_text(text)
  return read(path)


def rows(labels, start_s=0.0, step_s=0.04, face="a"):
  names = {"+": "SPEAKING_AUDIBLE", "-": "NOT_SPEAKING", "o": "SPEAKING_NOT_AUDIBLE"}
  return "".join(f"v,{start_s + i * step_s:.2f},{BOX},{names[mark]},{face}\n" for i, mark in enumerate(labels))


def test_consecutive_frames_are_one_event(tmp_path):
  timeline = read_text(tmp_path, rows("-++-o+"))
  assert timeline == Timeline([Event(0.04, 0.12, "speech"), Event(0.2, 0.24, "speech")], 0.24)


def test_rows_without_audible_speech_give_no_event(tmp_path):
  assert read_text(tmp_path, rows("--oo-")) == Timeline([], 0.2)


def test_thirty_frames_per_second_rounded_to_hundredths(tmp_path):
  text = "".join(f"v,{k / 30:.2f},{BOX},SPEAKING_AUDIBLE,a\n" for k in range(90))
  (event,) = read_text(tmp_path, text)
  assert (event.onset_s, event.offset_s) == pytest.approx((0, 3), abs=0.01)


def test_gap_ends_an_event(tmp_path):
  timeline = read_text(tmp_path, rows("++++") + rows("++++", start_s=1.0))
  assert list(timeline) == [Event(0, 0.16, "speech"), Event(1.0, 1.16, "speech")]


def test_faces_may_overlap(tmp_path):
  timeline = read_text(tmp_path, rows("+++-", face="a") + rows("-+++", face="b"))
  assert list(timeline) == [Event(0, 0.12, "speech"), Event(0.04, 0.16, "speech")]


def test_unordered_rows_are_sorted(tmp_path):
  lines = rows("-++-").splitlines(keepends=True)
  assert list(read_text(tmp_path, "".join(reversed(lines)))) == [Event(0.04, 0.12, "speech")]


def test_a_single_frame(tmp_path):
  assert list(read_text(tmp_path, rows("+", start_s=900.02))) == [Event(900.02, 900.06, "speech")]


@pytest.mark.parametrize(
  "change",
  [
    lambda text: text,
    lambda text: "video_id,timestamp,x1,y1,x2,y2,label,entity_id\n" + text,
    lambda text: text.replace(",a\n", "\n"),
    lambda text: text.replace("SPEAKING_AUDIBLE", "speaking_audible"),
    lambda text: text.replace("\n", "\r\n"),
  ],
  ids=["bare", "header", "no entity", "small letters", "CRLF"],
)
def test_variants_of_the_format_are_equivalent(tmp_path, change):
  assert list(read_text(tmp_path, change(rows("-++")))) == [Event(0.04, 0.12, "speech")]


@pytest.mark.parametrize(
  ("row", "message"),
  [
    (f"v,0.08,{BOX},SPEAKING_AUDIBLE", "7 fields; expected 8"),
    (f"v,0.08,{BOX},SINGING,a", "label is 'SINGING'; expected one of NOT_SPEAKING"),
    (f"v,-1,{BOX},NOT_SPEAKING,a", "timestamp is -1.0 s; expected 0 or more"),
    (f"v,nan,{BOX},NOT_SPEAKING,a", "timestamp is nan s"),
    (f"v,soon,{BOX},NOT_SPEAKING,a", "timestamp is 'soon'; expected a number"),
    ("v,0.08,1,2,3,4,NOT_SPEAKING,a", "y1 is '2'; expected a fraction"),
    (f"v,0.04,{BOX},NOT_SPEAKING,a", "second row of face 'a' at 0.04 s, after line 2; expected one"),
    (f"w,0.08,{BOX},NOT_SPEAKING,a", "recording is 'w', and 'v' above"),
    (f'v,0.08,{BOX},NOT_SPEAKING,"a', "not a row of CSV: unexpected end of data"),
  ],
)
def test_errors_name_file_and_line(tmp_path, row, message):
  with pytest.raises(AnnotationError, match=rf"activespeaker\.csv:3: {message}"):
    read_text(tmp_path, rows("++") + row + "\n")


def test_rows_too_far_apart_are_an_error(tmp_path):
  with pytest.raises(AnnotationError, match=r"csv:1: rows of face 'a' are 5 s apart; expected one row for each frame"):
    read_text(tmp_path, rows("+++", step_s=5.0))


def test_written_file(tmp_path):
  path = tmp_path / "my clip.csv"
  write(Timeline([Event(0.04, 0.08, "singing", 0.9), Event(0.08, 0.3, "others")], 0.13), path, "ava")
  assert path.read_text() == (
    "video_id,timestamp,x1,y1,x2,y2,label,entity_id\n"
    "my_clip,0.00,0.00,0.00,1.00,1.00,NOT_SPEAKING,my_clip:1\n"
    "my_clip,0.04,0.00,0.00,1.00,1.00,SPEAKING_AUDIBLE,my_clip:1\n"
    "my_clip,0.08,0.00,0.00,1.00,1.00,NOT_SPEAKING,my_clip:1\n"
  )


def test_csv_is_a_table_of_events_by_default(tmp_path):
  write(Timeline([Event(0, 1, "speech")], 1), tmp_path / "clip.csv")
  assert (tmp_path / "clip.csv").read_text().startswith("onset,")


hundredths = st.integers(0, 1000).map(lambda n: n / 100)
events = st.builds(
  lambda times, label: Event(min(times), max(times), label),
  st.tuples(hundredths, hundredths).filter(lambda times: times[0] != times[1]),
  st.sampled_from(["speech", "singing", "others", "silence"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp("labels")


@settings(deadline=None, max_examples=40)
@given(marked=st.lists(events, max_size=6))
def test_round_trip_keeps_voice_at_the_middle_of_each_frame(folder, marked):
  timeline = Timeline(marked, 11.0)
  write(timeline, folder / "clip.csv", "ava")
  back = read(folder / "clip.csv", 11.0)
  # Reference: tests the middle of each frame against every event.
  middles = (np.arange(275) + 0.5) / 25
  heard = [any(e.onset_s <= m < e.offset_s for e in marked if e.label in ("speech", "singing")) for m in middles]
  assert [any(e.onset_s <= m < e.offset_s for e in back) for m in middles] == heard
  assert {e.label for e in back} <= {"speech"}
  edges = np.array([(e.onset_s, e.offset_s) for e in back]) * 25
  np.testing.assert_allclose(edges, np.round(edges), atol=1e-6)
