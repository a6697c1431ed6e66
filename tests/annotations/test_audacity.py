import pytest

from attavvad_jax.annotations import AnnotationError, AnnotationWarning, read, write
from attavvad_jax.timeline import Event, Timeline

# As Audacity 3 exports a spectral selection.
SPECTRAL = "0.500000\t1.250000\tspeech\n\\\t120.000000\t4000.000000\n2.000000\t3.000000\tsinging\n"


def read_text(tmp_path, text, **options):
  path = tmp_path / "Labels.txt"
  path.write_text(text)
  return list(read(path, **options))


def test_frequencies_below_a_label_are_ignored(tmp_path):
  assert read_text(tmp_path, SPECTRAL) == [Event(0.5, 1.25, "speech"), Event(2, 3, "singing")]


def test_labels_without_frequencies_are_read_as_a_table(tmp_path):
  assert read_text(tmp_path, "0.500000\t1.250000\tspeech\n") == [Event(0.5, 1.25, "speech")]


@pytest.mark.parametrize("frequencies", ["\\\t-1\t-1\n", ""])
def test_point_label_is_dropped_with_a_warning(tmp_path, frequencies):
  with pytest.warns(AnnotationWarning, match=r"Labels\.txt:1: speech at 1\.0 s has no length; dropped"):
    assert read_text(tmp_path, f"1.0\t1.0\tspeech\n{frequencies}") == []


@pytest.mark.parametrize("frequencies", ["\\\t-1\t-1\n", ""])
def test_empty_label_is_an_error_unless_mapped(tmp_path, frequencies):
  text = f"1.0\t2.0\t\n{frequencies}"
  with pytest.raises(AnnotationError, match=r"Labels\.txt:1: event is not named; expected one of silence"):
    read_text(tmp_path, text)
  assert read_text(tmp_path, text, labels={"": "singing"}) == [Event(1, 2, "singing")]


@pytest.mark.parametrize(
  ("line", "message"),
  [
    ("\\\t1\t2", "expected .* frequency, below a label"),
    ("\\\t1", "expected .* frequency, below a label"),
    ("1\t2\tspeech\tx", "4 tab-separated fields; expected onset<TAB>offset<TAB>label"),
    ("1\tx\tspeech", "offset is 'x'; expected a number"),
  ],
)
def test_errors_name_file_and_line(tmp_path, line, message):
  with pytest.raises(AnnotationError, match=rf"Labels\.txt:3: .*{message}"):
    read_text(tmp_path, f"0\t1\tspeech\n\\\t1\t2\n{line}\n")


def test_written_file(tmp_path):
  path = tmp_path / "Labels.txt"
  write(Timeline([Event(0, 10 / 3, "speech", 0.5)], 9), path)
  assert path.read_text() == "0.0\t3.333333\tspeech\n"
