import pytest

from attavvad_jax.annotations import AnnotationError, AnnotationWarning, read, write
from attavvad_jax.timeline import Event, Timeline

# A TextGrid with an interval tier and a point tier, as saved by Praat 6.
LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 10 
tiers? <exists> 
size = 2 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "performer" 
        xmin = 0 
        xmax = 10 
        intervals: size = 3 
        intervals [1]:
            xmin = 0 
            xmax = 1.5 
            text = "speech" 
        intervals [2]:
            xmin = 1.5 
            xmax = 3.5 
            text = "" 
        intervals [3]:
            xmin = 3.5 
            xmax = 10 
            text = "Singing" 
    item [2]:
        class = "TextTier" 
        name = "notes" 
        xmin = 0 
        xmax = 10 
        points: size = 0 
"""  # noqa: W291
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
10
<exists>
2
"IntervalTier"
"performer"
0
10
3
0
1.5
"speech"
1.5
3.5
""
3.5
10
"Singing"
"TextTier"
"notes"
0
10
0
"""
TIMELINE = Timeline([Event(0, 1.5, "speech"), Event(3.5, 10, "singing")], 10)


def read_bytes(tmp_path, data, **options):
  path = tmp_path / "clip.TextGrid"
  path.write_bytes(data)
  return read(path, **options)


@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_both_forms_in_all_encodings(tmp_path, text, encoding):
  assert read_bytes(tmp_path, text.encode(encoding)) == TIMELINE


def test_reads_crlf_line_ends(tmp_path):
  assert read_bytes(tmp_path, LONG.replace("\n", "\r\n").encode()) == TIMELINE


def test_ignores_comments(tmp_path):
  assert read_bytes(tmp_path, LONG.replace("xmin = 0 ", 'xmin = 0 ! not "1"', 1).encode()) == TIMELINE


def test_tier_named_after_an_event_holds_that_event(tmp_path):
  text = LONG.replace("performer", "Singing").replace('"speech"', '"la ""la"" 3"')
  assert [e.label for e in read_bytes(tmp_path, text.encode())] == ["singing", "singing"]


def test_error_lists_unknown_labels_with_their_tier(tmp_path):
  text = LONG.replace('"speech"', '"la"').replace('"Singing"', '"吕"')
  with pytest.raises(AnnotationError, match=r"TextGrid:16: event is 'la' \(tier 'performer'\).*holds '吕' \(tier"):
    read_bytes(tmp_path, text.encode())


def test_labels_can_drop_a_tier(tmp_path):
  text = LONG.replace('"speech"', '"la"')
  assert list(read_bytes(tmp_path, text.encode(), labels={"performer": None})) == []


def test_point_is_dropped_with_warning(tmp_path):
  text = LONG.replace("points: size = 0", 'points: size = 1\npoints [1]:\nnumber = 4\nmark = "speech"')
  with pytest.warns(AnnotationWarning, match=r"TextGrid:34: speech at 4\.0 s has no length; dropped"):
    assert read_bytes(tmp_path, text.encode()) == TIMELINE


def test_reads_textgrid_without_tiers(tmp_path):
  text = LONG[: LONG.index("<exists>")] + "<absent>\n"
  assert read_bytes(tmp_path, text.encode()) == Timeline([], 10)


@pytest.mark.parametrize(
  ("old", "new", "message"),
  [
    ('"TextGrid"', '"PitchTier"', "2: object class is 'PitchTier'; expected 'TextGrid'"),
    ("<exists>", "<maybe>", "6: '<maybe>' .*; expected <exists> or <absent>"),
    ("size = 2", "size = 1", "28: .* after the last tier; expected no more values"),
    ("size = 2", "size = 3", "32: end of file; expected class of a tier"),
    ("size = 2", "size = 2.5", "7: number of tiers is 2.5; expected a whole number"),
    ("size = 2", "size = -2", "7: number of tiers is -2.0; expected a whole number"),
    ('"IntervalTier"', '"Interval"', "10: class of a tier is 'Interval'; expected 'IntervalTier' or 'TextTier'"),
    ("intervals: size = 3", "intervals: size = 2", "24: class of a tier is '3.5'; expected a text in quotes"),
    ("intervals: size = 3", "intervals: size = 4", "28: time is .*; expected a number"),
    ("xmax = 1.5", "xmax = l.5", "18: end of an interval is '\"speech\"'; expected a number"),
    ("xmax = 1.5", "xmax = -1.5", "16: onset 0.0 s, offset -1.5 s; expected seconds"),
    ('"speech"', '"speech', "18: '\"speech' has no closing quote; expected a text in quotes"),
    ('"Singing"', '"Singing', "26: '\"Singing' has no closing quote; expected a text in quotes"),
  ],
)
def test_errors_name_file_and_line(tmp_path, old, new, message):
  with pytest.raises(AnnotationError, match=rf"clip\.TextGrid:{message}") as caught:
    read_bytes(tmp_path, LONG.replace(old, new, 1).encode())
  assert "\n" not in str(caught.value)


def test_every_truncation_is_an_error(tmp_path):
  for form in (LONG, SHORT):
    # Only whitespace follows the last value.
    for end in range(1, len(form.rstrip()), 3):
      with pytest.raises(AnnotationError):
        read_bytes(tmp_path, form[:end].encode())


def test_praatio_reads_written_files(tmp_path):
  textgrid = pytest.importorskip("praatio.textgrid")
  events = [Event(0, 1, "speech"), Event(0.5, 2, "speech"), Event(1, 2.25, "singing"), Event(2.25, 3, "singing")]
  write(Timeline(events, 3.5), tmp_path / "clip.TextGrid")
  grid = textgrid.openTextgrid(str(tmp_path / "clip.TextGrid"), includeEmptyIntervals=False)
  assert (grid.minTimestamp, grid.maxTimestamp) == (0, 3.5)
  assert {tier.name: [tuple(entry) for entry in tier.entries] for tier in grid.tiers} == {
    "singing": [(1, 2.25, "singing"), (2.25, 3, "singing")],
    "speech": [(0, 1, "speech")],
    "speech 2": [(0.5, 2, "speech")],
  }


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
def test_reads_files_written_by_praatio(tmp_path, form):
  textgrid = pytest.importorskip("praatio.textgrid")
  tier = textgrid.IntervalTier("performer", [(0, 1.5, "speech"), (3.5, 10, "singing")], 0, 10)
  grid = textgrid.Textgrid()
  grid.addTier(tier)
  grid.save(str(tmp_path / "clip.TextGrid"), format=form, includeBlankSpaces=True)
  assert read(tmp_path / "clip.TextGrid") == TIMELINE


def test_written_intervals_fill_the_tier(tmp_path):
  path = tmp_path / "clip.TextGrid"
  write(Timeline([Event(1, 2, "speech")], 3), path)
  values = [line.split(" = ")[1] for line in path.read_text().splitlines() if line.startswith(12 * " ")]
  assert values == ["0.0", "1.0", '""', "1.0", "2.0", '"speech"', "2.0", "3.0", '""']
