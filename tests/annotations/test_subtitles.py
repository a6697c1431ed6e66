import pytest

from attavvad_jax.annotations import AnnotationError, read, write
from attavvad_jax.events import Event, Timeline

TIMELINE = Timeline([Event(0, 10 / 3, "speech", 0.5), Event(3599.9996, 36_001.5, "others")], 36_001.5)


def test_webvtt_as_written(tmp_path):
  write(TIMELINE, tmp_path / "clip.vtt")
  assert (tmp_path / "clip.vtt").read_text() == (
    "WEBVTT\n\n00:00:00.000 --> 00:00:03.333\nspeech\n\n01:00:00.000 --> 10:00:01.500\nothers\n"
  )


def test_srt_as_written(tmp_path):
  write(TIMELINE, tmp_path / "clip.srt")
  assert (tmp_path / "clip.srt").read_text() == (
    "1\n00:00:00,000 --> 00:00:03,333\nspeech\n\n2\n01:00:00,000 --> 10:00:01,500\nothers\n"
  )


@pytest.mark.parametrize(("suffix", "text"), [(".vtt", "WEBVTT\n"), (".srt", "")])
def test_no_events(tmp_path, suffix, text):
  write(Timeline([], 1), tmp_path / f"clip{suffix}")
  assert (tmp_path / f"clip{suffix}").read_text() == text


@pytest.mark.parametrize("suffix", [".vtt", ".srt"])
def test_pysubs2_reads_what_is_written(tmp_path, suffix):
  pysubs2 = pytest.importorskip("pysubs2")
  write(TIMELINE, tmp_path / f"clip{suffix}")
  cues = pysubs2.load(str(tmp_path / f"clip{suffix}"))
  assert [(cue.start, cue.end, cue.text) for cue in cues] == [(0, 3333, "speech"), (3_600_000, 36_001_500, "others")]


@pytest.mark.parametrize("suffix", [".vtt", ".srt"])
def test_subtitles_are_not_read(tmp_path, suffix):
  write(TIMELINE, tmp_path / f"clip{suffix}")
  with pytest.raises(AnnotationError, match=r"not a label format that can be read; expected one of json"):
    read(tmp_path / f"clip{suffix}")
