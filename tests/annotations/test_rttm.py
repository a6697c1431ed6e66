import pytest

from attavvad_jax.annotations import AnnotationError, read, write
from attavvad_jax.timeline import Event, Timeline

GOOD = "SPEAKER clip 1 0.5 0.75 <NA> <NA> speech <NA> <NA>\n"


def read_text(tmp_path, text, **options):
  path = tmp_path / "clip.rttm"
  path.write_text(text)
  return list(read(path, **options))


def test_writes_one_line_per_event(tmp_path):
  path = tmp_path / "my clip, 1.rttm"
  write(Timeline([Event(0.1, 0.3, "speech"), Event(1, 2, "singing", 0.93)], 9), path)
  assert path.read_text() == (
    "SPEAKER my_clip__1 1 0.1 0.2 <NA> <NA> speech <NA> <NA>\n"
    "SPEAKER my_clip__1 1 1.0 1.0 <NA> <NA> singing 0.93 <NA>\n"
  )


def test_offset_has_no_floating_point_error(tmp_path):
  assert read_text(tmp_path, GOOD.replace("0.5 0.75", "0.1 0.2")) == [Event(0.1, 0.3, "speech")]


@pytest.mark.parametrize(
  "text",
  [
    GOOD,
    GOOD.replace(" <NA>\n", "\n"),
    GOOD.replace(" ", "\t"),
    ";; a comment\n\n" + GOOD,
    "SPKR-INFO clip 1 <NA> <NA> <NA> unknown speech <NA> <NA>\n" + GOOD,
  ],
  ids=["ten fields", "nine fields", "tabs", "comment", "speaker information"],
)
def test_reads_equivalent_files(tmp_path, text):
  assert read_text(tmp_path, text) == [Event(0.5, 1.25, "speech")]


def test_speakers_require_mapping_to_events(tmp_path):
  text = GOOD.replace("speech", "spk1") + GOOD.replace("speech", "spk2")
  with pytest.raises(AnnotationError, match=r"clip\.rttm:1: event is 'spk1'; expected .* also holds 'spk2'"):
    read_text(tmp_path, text)
  assert read_text(tmp_path, text, labels={"spk1": "singing", "spk2": None}) == [Event(0.5, 1.25, "singing")]


def test_line_without_name_is_an_error(tmp_path):
  with pytest.raises(AnnotationError, match=r"clip\.rttm:1: event is not named"):
    read_text(tmp_path, GOOD.replace("speech", "<NA>"))


@pytest.mark.parametrize(
  ("line", "message"),
  [
    ("SPEAKER clip 1 0.5 0.75 <NA> <NA> speech", "8 fields; expected 9 or 10: SPEAKER recording"),
    ("LEXEME clip 1 0.5 0.75 word lex speech <NA> <NA>", "type is 'LEXEME'; expected SPEAKER or SPKR-INFO"),
    ("SPEAKER clip 1 half 0.75 <NA> <NA> speech <NA> <NA>", "onset is 'half'; expected a number"),
    ("SPEAKER clip 1 0.5 <NA> <NA> <NA> speech <NA> <NA>", "duration is '<NA>'; expected a number"),
    ("SPEAKER clip 1 0.5 -0.2 <NA> <NA> speech <NA> <NA>", "onset 0.5 s, offset 0.3 s; expected seconds"),
    ("SPEAKER clip 1 0.5 0.75 <NA> <NA> speech 7 <NA>", "score is 7.0; expected 0 to 1"),
    ("SPEAKER clap 1 0.5 0.75 <NA> <NA> speech <NA> <NA>", "recording is 'clap', and 'clip' above"),
  ],
)
def test_errors_name_file_and_line(tmp_path, line, message):
  with pytest.raises(AnnotationError, match=rf"clip\.rttm:2: {message}"):
    read_text(tmp_path, f"{GOOD}{line}\n")
