import pytest

from attavvad_jax.annotations import LABEL_SUFFIXES, read, write
from attavvad_jax.timeline import Event, Timeline

TIMELINE = Timeline([Event(0, 10 / 3, "speech", 0.5), Event(3599.9996, 36_001.5, "others")], 36_001.5)


def test_writes_webvtt(tmp_path):
  write(TIMELINE, tmp_path / "clip.vtt")
  assert (tmp_path / "clip.vtt").read_text() == (
    "WEBVTT\n\n00:00:00.000 --> 00:00:03.333\nspeech\n\n01:00:00.000 --> 10:00:01.500\nothers\n"
  )


def test_writes_srt(tmp_path):
  write(TIMELINE, tmp_path / "clip.srt")
  assert (tmp_path / "clip.srt").read_text() == (
    "1\n00:00:00,000 --> 00:00:03,333\nspeech\n\n2\n01:00:00,000 --> 10:00:01,500\nothers\n"
  )


@pytest.mark.parametrize(("suffix", "text"), [(".vtt", "WEBVTT\n"), (".srt", "")])
def test_writes_timeline_without_events(tmp_path, suffix, text):
  write(Timeline([], 1), tmp_path / f"clip{suffix}")
  assert (tmp_path / f"clip{suffix}").read_text() == text


@pytest.mark.parametrize("suffix", [".vtt", ".srt"])
def test_pysubs2_reads_written_files(tmp_path, suffix):
  pysubs2 = pytest.importorskip("pysubs2")
  write(TIMELINE, tmp_path / f"clip{suffix}")
  cues = pysubs2.load(str(tmp_path / f"clip{suffix}"))
  assert [(cue.start, cue.end, cue.text) for cue in cues] == [(0, 3333, "speech"), (3_600_000, 36_001_500, "others")]


@pytest.mark.parametrize("suffix", [".vtt", ".srt"])
def test_reads_files_written_by_pysubs2(tmp_path, suffix):
  pysubs2 = pytest.importorskip("pysubs2")
  cues = [
    pysubs2.SSAEvent(start=0, end=3333, text="speech"),
    pysubs2.SSAEvent(start=3_600_000, end=36_001_500, text="others"),
  ]
  theirs = pysubs2.SSAFile()
  theirs.extend(cues)
  theirs.save(str(tmp_path / f"clip{suffix}"))
  assert list(read(tmp_path / f"clip{suffix}")) == [Event(0, 3.333, "speech"), Event(3600, 36_001.5, "others")]


def test_ignores_blocks_that_are_not_cues(tmp_path):
  (tmp_path / "clip.vtt").write_text(
    "WEBVTT - a film\nKind: captions\n\nNOTE la\nla\n\nSTYLE\n::cue { color: red }\n\n"
    "one\n00:00:01.000 --> 00:00:02.000 align:start\nsinging\n"
  )
  assert list(read(tmp_path / "clip.vtt")) == [Event(1, 2, "singing")]


def test_subtitles_are_not_label_files_beside_a_video():
  assert not {".vtt", ".srt"} & set(LABEL_SUFFIXES)
