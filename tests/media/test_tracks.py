"""The choice among several audio and video tracks, and its report."""

import av
from media_files import write_media
import numpy as np
import pytest
from several_tracks import DEFAULT, NONE, RATE_HZ, Disposition, dominant_hz, tone, write_tracks

from attavvad_jax.blocks import Crop
from attavvad_jax.media import DEFAULT_TRACKS, MediaError, Tracks, probe, read_audio
from attavvad_jax.recordings import Report, read_blocks
from attavvad_jax.recordings.camera import with_camera
from attavvad_jax.recordings.sources import Source
from attavvad_jax.timeline import Clock


def audio_hz(path, tracks=DEFAULT_TRACKS):
  """Returns the frequency of the audio that is read."""
  return dominant_hz(np.concatenate(list(read_audio(path, RATE_HZ, info=probe(path, tracks)))))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts", ".mov"])
def test_first_of_equal_tracks_is_used_whatever_its_channels(tmp_path, suffix):
  path = write_tracks(tmp_path / f"a{suffix}", [(300, 1, NONE, {}), (700, 2, NONE, {})], [(20, NONE)])
  assert audio_hz(path) == 300


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_track_that_the_file_marks_as_default_is_used(tmp_path, suffix):
  path = write_tracks(tmp_path / f"a{suffix}", [(300, 2, NONE, {}), (700, 1, DEFAULT, {})])
  assert audio_hz(path) == 700


@pytest.mark.parametrize("flag", [Disposition.visual_impaired, Disposition.comment, Disposition.hearing_impaired])
def test_track_for_some_of_the_audience_comes_after_the_others(tmp_path, flag):
  path = write_tracks(tmp_path / "a.mkv", [(300, 1, flag, {}), (700, 1, NONE, {})])
  assert audio_hz(path) == 700


SPOKEN = [(300, 1, DEFAULT, {"language": "eng"}), (700, 2, NONE, {"language": "deu", "title": "Ton B"})]


@pytest.mark.parametrize(("audio", "hz"), [(None, 300), (1, 300), (2, 700), ("eng", 300), ("deu", 700), ("DEU", 700)])
def test_track_is_chosen_by_number_or_language(tmp_path, audio, hz):
  assert audio_hz(write_tracks(tmp_path / "a.mkv", SPOKEN), Tracks(audio=audio)) == hz


def test_language_chooses_the_best_of_its_tracks(tmp_path):
  comment = (500, 2, Disposition.comment, {"language": "deu"})
  assert audio_hz(write_tracks(tmp_path / "a.mkv", [SPOKEN[0], comment, SPOKEN[1]]), Tracks(audio="deu")) == 700


@pytest.mark.parametrize("tracks", [Tracks(audio=3), Tracks(audio="fra"), Tracks(video=1)])
def test_absent_track_is_an_error_that_lists_the_tracks(tmp_path, tracks):
  path = write_tracks(tmp_path / "a.mkv", SPOKEN)
  with pytest.raises(MediaError) as error:
    probe(path, tracks)
  if tracks.video:
    assert str(error.value) == f"{path}: no video track 1; there is none"
  else:
    assert str(error.value).endswith("there are 1 (eng, pcm_s16le, mono), 2 (deu, “Ton B”, pcm_s16le, stereo)")


@pytest.mark.parametrize(
  "choice",
  [{"audio": "0"}, {"video": "0"}, {"video": "-1"}, {"video": "deu"}, {"channels": "center"}],
)
def test_invalid_choice_is_an_error(choice):
  with pytest.raises(ValueError, match=r"^here: .* expected "):
    Tracks.parse(**choice, where="here: ")


def test_choice_is_parsed_from_texts():
  assert Tracks.parse("2", "1", "side") == Tracks(2, 1, "side")
  assert Tracks.parse("deu") == Tracks("deu")
  assert Tracks.parse("", "", "") == Tracks.parse() == Tracks()


def test_default_track_that_gives_nothing_is_passed_over(tmp_path):
  whole = write_tracks(tmp_path / "whole.mkv", [(300, 1, DEFAULT, {}), (700, 1, NONE, {})])
  path = tmp_path / "a.mkv"
  with av.open(str(whole)) as source, av.open(str(path), "w") as target:
    streams = [target.add_stream_from_template(stream) for stream in source.streams]
    for packet in source.demux(source.streams[1]):
      if packet.dts is not None:
        packet.stream = streams[1]
        target.mux(packet)
  assert audio_hz(path) == 700


def test_choice_is_reported_where_there_is_one(tmp_path):
  path = write_tracks(tmp_path / "a.mkv", SPOKEN, [(20, NONE)])
  assert probe(path, Tracks("deu")).choices() == [
    "audio track 2 (deu, “Ton B”, pcm_s16le, stereo) of 2; not used: 1 (eng, pcm_s16le, mono)"
  ]
  assert probe(write_media(tmp_path / "b.mkv", audio=tone(300)[0])).choices() == []


def bright_face(rgb):
  """Detects a face in bright frames."""
  return np.array([[0.25, 0.25, 0.5, 0.5, 0.9]] if rgb.mean() > 128 else np.zeros((0, 5)))


def nowhere(rgb):
  return np.zeros((0, 5))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_video_with_a_face_is_used_where_the_file_makes_no_choice(tmp_path, suffix):
  flags = DEFAULT if suffix == ".mp4" else NONE  # mp4 tracks without the default flag are not displayed
  path = write_tracks(tmp_path / f"a{suffix}", [(300, 1, NONE, {})], [(20, flags), (230, flags), (20, flags)])
  assert with_camera(path, find_faces=bright_face).tracks.video == 2
  assert with_camera(path, find_faces=nowhere).tracks.video == 1
  assert with_camera(path, Tracks(video=3), find_faces=bright_face).tracks.video == 3


def test_video_that_the_file_marks_as_default_is_used(tmp_path):
  path = write_tracks(tmp_path / "a.mkv", [(300, 1, NONE, {})], [(230, NONE), (20, DEFAULT)])
  assert with_camera(path, find_faces=bright_face).tracks.video == 2


def test_blocks_are_of_the_chosen_tracks(tmp_path):
  path = write_tracks(tmp_path / "a.mkv", SPOKEN, [(20, NONE), (230, NONE)])
  report = Report()
  blocks = list(read_blocks(path, Clock(), Crop(16, 16), tracks=Tracks("deu"), report=report, detect=bright_face))
  assert report.tracks == Tracks(2, 2)
  assert all(block.image_mask.all() for block in blocks)
  assert dominant_hz(np.concatenate([block.waveform for block in blocks])) == 700


@pytest.mark.parametrize("prefix", ["", "file://"], ids=["file", "address"])
def test_stream_is_of_the_chosen_tracks(tmp_path, prefix):
  path = write_tracks(
    tmp_path / "a.ts",
    [(300, 2, NONE, {"language": "eng"}), (700, 1, NONE, {"language": "deu"})],
    [(20, NONE), (230, NONE)],
  )
  pieces, levels = [], []
  with Source(f"{prefix}{path}", tracks=Tracks("deu", 2)).connect(RATE_HZ) as connection:
    assert any("audio track 2 (deu" in warning for warning in connection.warnings)
    while True:
      try:
        arrival = connection.get(5.0)
      except EOFError:
        break
      if arrival.frame is None:
        pieces.append(arrival.samples)
      else:
        levels.append(arrival.frame.frame.gray.mean())
  assert dominant_hz(np.concatenate(pieces)) == 700
  assert min(levels) > 128


def test_address_without_the_track_is_an_error(tmp_path):
  path = write_tracks(tmp_path / "a.ts", [(300, 1, NONE, {})])
  with pytest.raises(MediaError, match="no audio track 2; there is 1 "):
    Source(f"file://{path}", tracks=Tracks(2)).connect(RATE_HZ)
