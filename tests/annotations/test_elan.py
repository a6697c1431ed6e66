import pytest

from attavvad_jax.annotations import AnnotationError, read, write
from attavvad_jax.timeline import Event, Timeline

# A document like ELAN 6's, with a tier that refers to another.
DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T10:00:00+01:00" FORMAT="3.0" VERSION="3.0">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <PROPERTY NAME="lastUsedAnnotationId">3</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1250"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="2000"/>
        <TIME_SLOT TIME_SLOT_ID="ts4"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="performer">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
                <ANNOTATION_VALUE>speech</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE>singing</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="note" PARENT_REF="performer" TIER_ID="others">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE/>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
</ANNOTATION_DOCUMENT>
"""
EVENTS = [Event(0.5, 1.25, "others"), Event(0.5, 1.25, "speech"), Event(1.25, 2, "singing")]


def read_text(tmp_path, text, **options):
  path = tmp_path / "clip.eaf"
  path.write_text(text, encoding="utf-8")
  return list(read(path, **options))


def test_tiers_and_values_and_references(tmp_path):
  assert read_text(tmp_path, DOCUMENT) == EVENTS


def test_unknown_values_are_listed_with_their_tier(tmp_path):
  text = DOCUMENT.replace(">speech<", ">là<").replace(">singing<", "> <")
  with pytest.raises(AnnotationError, match=r"eaf:14: event is 'là' \(tier 'performer'\); .*holds not named \(tier"):
    read_text(tmp_path, text)


def test_labels_by_tier(tmp_path):
  text = DOCUMENT.replace(">speech<", ">&lt;la&gt; la<")
  assert [e.label for e in read_text(tmp_path, text, labels={"performer": "singing", "others": None})] == [
    "singing"
  ] * 2


@pytest.mark.parametrize(
  ("old", "new", "message"),
  [
    ("ANNOTATION_DOCUMENT", "ANNOTATION_DOC", "2: outermost element is ANNOTATION_DOC; expected ANNOTATION_DOCUMENT"),
    ('"milliseconds"', '"PAL-frames"', "3: time units are 'PAL-frames'; expected milliseconds"),
    ('"1250"', '"soon"', "8: TIME_VALUE is 'soon'; expected a number"),
    ('"1250"', '"400"', "14: onset 0.5 s, offset 0.4 s; expected seconds"),
    ('"500"', '"-500"', "14: onset -0.5 s"),
    ('TIME_SLOT_REF2="ts3"', 'TIME_SLOT_REF2="ts4"', "19: time slot 'ts4' has no time; expected one with a TIME_VALUE"),
    ('TIME_SLOT_REF2="ts3"', 'TIME_SLOT_REF2="ts5"', "19: time slot 'ts5' has no time"),
    ('TIME_SLOT_REF2="ts3"', "", "19: ALIGNABLE_ANNOTATION without TIME_SLOT_REF2; expected one"),
    ('TIME_SLOT_ID="ts3"', 'TIME_SLOT_ID="ts2"', "9: duplicate id 'ts2'; expected each id once"),
    ('ANNOTATION_ID="a2"', 'ANNOTATION_ID="a1"', "19: duplicate id 'a1'"),
    (
      'ANNOTATION_REF="a1"',
      'ANNOTATION_REF="a9"',
      "26: annotation refers to 'a9'; expected an annotation that has times",
    ),
    ('ANNOTATION_REF="a1"', 'ANNOTATION_REF="a3"', "26: annotation refers to 'a3'"),
    ("</TIME_ORDER>", "", "31: not XML: mismatched tag"),
    ("</ANNOTATION_DOCUMENT>\n", "", "31: not XML: no element found"),
    ('TIER_ID="others"', "", "24: TIER without TIER_ID"),
    ("TIER ", "TEAR ", "14: annotation 'a1' outside of a tier"),
  ],
)
def test_errors_name_file_and_line(tmp_path, old, new, message):
  text = DOCUMENT.replace(old, new) if "ANNOTATION_DOC" in new else DOCUMENT.replace(old, new, 1)
  if new == "TEAR ":
    text = text.replace("</TIER>", "</TEAR>", 1)
  with pytest.raises(AnnotationError, match=rf"clip\.eaf:{message}"):
    read_text(tmp_path, text)


@pytest.mark.parametrize(
  "declaration",
  [
    '<!DOCTYPE a [<!ENTITY b "speech">]>',
    '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;">]>',
    '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
  ],
)
def test_document_type_declarations_are_refused(tmp_path, declaration):
  text = DOCUMENT.replace("?>\n", f"?>{declaration}\n", 1)
  with pytest.raises(AnnotationError, match=r"clip\.eaf:1: document type declaration; expected none"):
    read_text(tmp_path, text)


def test_every_truncation_is_an_error(tmp_path):
  for end in range(1, len(DOCUMENT.rstrip()), 5):
    with pytest.raises(AnnotationError):
      read_text(tmp_path, DOCUMENT[:end])


def test_pympi_reads_written_files(tmp_path):
  pympi = pytest.importorskip("pympi")
  events = [Event(0, 1, "speech"), Event(0.5, 2, "speech"), Event(1, 2.2504, "singing")]
  write(Timeline(events, 3.5), tmp_path / "clip.eaf")
  document = pympi.Elan.Eaf(str(tmp_path / "clip.eaf"))
  assert {tier: document.get_annotation_data_for_tier(tier) for tier in document.get_tier_names()} == {
    "singing": [(1000, 2250, "singing")],
    "speech": [(0, 1000, "speech")],
    "speech 2": [(500, 2000, "speech")],
  }


def test_reads_files_that_pympi_writes(tmp_path):
  pympi = pytest.importorskip("pympi")
  document = pympi.Elan.Eaf()
  document.add_tier("performer")
  document.add_annotation("performer", 500, 1250, "speech")
  document.to_file(str(tmp_path / "clip.eaf"))
  assert list(read(tmp_path / "clip.eaf")) == [Event(0.5, 1.25, "speech")]
