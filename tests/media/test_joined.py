"""Files of several parts with their own time stamps: each part is read once, in order, on one time line."""

import numpy as np
from parts_files import (
  PARTS,
  RATE_HZ,
  beeps_s,
  expected_marks,
  flashes_s,
  remux_to_segments,
  write_part,
  write_playlist,
)
import pytest

from attavvad_jax.media.decode import read_audio, read_timed_frames
from attavvad_jax.media.info import probe, recorded_s
from attavvad_jax.media.rewrite import rewrite
from attavvad_jax.reports.detection_page import _playable

LENGTH_S = sum(seconds for seconds, _ in PARTS)


def read(path):
  """Returns the times of beeps and flashes, the seconds of audio, and the warnings."""
  info, warnings = probe(path), []
  audio = np.concatenate(list(read_audio(path, RATE_HZ, info=info, warnings=warnings)))
  frames = list(read_timed_frames(path, info, warnings))
  assert (np.diff([frame.time_s for frame in frames]) > 0).all()
  return beeps_s(audio), flashes_s(frames), len(audio) / RATE_HZ, warnings


def assert_in_a_row(path, parts=PARTS):
  beeps, flashes, length_s, warnings = read(path)
  # An encoder pads each end of a part by a packet or two.
  assert beeps == pytest.approx(expected_marks(parts), abs=0.1)
  assert flashes == pytest.approx(expected_marks(parts), abs=0.1)
  assert np.subtract(beeps, flashes) == pytest.approx(np.subtract(beeps, flashes)[0], abs=0.045)
  assert length_s == pytest.approx(sum(seconds for seconds, _ in parts), abs=0.1)
  assert len(warnings) == 1
  place = float(warnings[0].partition("time stamps leap at ")[2].partition(" s:")[0])
  assert place == pytest.approx(parts[0][0], abs=0.1)


def join(path, starts_s, **options):
  """Concatenates the bytes of the parts, as `cat` does."""
  for number, (part, start_s) in enumerate(zip(PARTS, starts_s, strict=True)):
    one = write_part(path.with_name(f"part_{number}{path.suffix}"), part, start_s, **options)
    with path.open("ab") as target:
      target.write(one.read_bytes())
  return path


@pytest.mark.parametrize("starts_s", [(0.0, 0.0), (5.0, 0.5), (0.0, 3600.0), (30.0, 31.0)])
def test_joined_transport_streams(tmp_path, starts_s):
  assert_in_a_row(join(tmp_path / "a.ts", starts_s))


@pytest.mark.parametrize(
  ("suffix", "options"),
  [
    (".mkv", {}),
    (".webm", {"video_codec": "libvpx", "audio_codec": "libopus"}),
    (".vob", {"video_codec": "mpeg2video", "audio_codec": "ac3"}),
    (".mp4", {"options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}}),
  ],
)
def test_joined_files_of_other_kinds(tmp_path, suffix, options):
  assert_in_a_row(join(tmp_path / f"a{suffix}", (0.0, 0.0), **options))


@pytest.mark.parametrize("suffix", [".ts", ".m4s"])
@pytest.mark.parametrize("discontinuity", [True, False])
@pytest.mark.parametrize("starts_s", [(0.0, 0.0), (7.0, 1.0)])
def test_playlist_of_parts(tmp_path, suffix, discontinuity, starts_s):
  assert_in_a_row(write_playlist(tmp_path, suffix=suffix, discontinuity=discontinuity, starts_s=starts_s))


@pytest.mark.parametrize("suffix", [".ts", ".m4s"])
def test_rewritten_parts_are_on_the_clock_on_which_they_are_read(tmp_path, suffix):
  """The clock is the same for drawing on the frames, and in the files that pages embed."""
  path = write_playlist(tmp_path, suffix=suffix)
  drawn_s = []
  rewrite(path, tmp_path / "copy.mp4", probe(path), {"aac"}, lambda rgb, time_s: (drawn_s.append(time_s), rgb)[1])
  beeps, flashes, length_s, warnings = read(tmp_path / "copy.mp4")
  assert beeps == pytest.approx(read(path)[0], abs=0.03)
  assert flashes == pytest.approx(read(path)[1], abs=0.001)
  assert np.diff(drawn_s).max() < 0.13
  assert length_s == pytest.approx(LENGTH_S, abs=0.1)
  assert warnings == []


def test_page_embeds_joined_files_as_one(tmp_path):
  """Browsers play WebM, but only until time stamps leap."""
  options = {"video_codec": "libvpx", "audio_codec": "libopus"}
  path = join(tmp_path / "a.webm", (0.0, 0.0), **options)
  with _playable(path, probe(path)) as (copy, media_type):
    assert media_type == "video/mp4"
    assert read(copy)[1] == pytest.approx(expected_marks(), abs=0.1)
  whole = write_part(tmp_path / "whole.webm", PARTS[0], **options)
  with _playable(whole, probe(whole)) as (copy, media_type):
    assert (copy, media_type) == (whole, "video/webm")


@pytest.mark.parametrize("suffix", [".ts", ".mp4"])
def test_recorded_length_covers_all_parts(tmp_path, suffix):
  """A transport stream declares the length of its last part only."""
  parts = PARTS if suffix == ".ts" else PARTS[:1]
  path = join(tmp_path / f"a{suffix}", (0.0, 0.0)) if suffix == ".ts" else write_part(tmp_path / "a.mp4", *parts)
  assert recorded_s(path) == pytest.approx(sum(seconds for seconds, _ in parts), abs=0.1)


def test_leaps_of_three_parts_are_reported_once_and_counted(tmp_path):
  path = write_playlist(tmp_path, parts=[*PARTS, PARTS[0]], starts_s=(0.0, 0.0, 0.0))
  beeps, flashes, length_s, warnings = read(path)
  assert beeps == pytest.approx(expected_marks([*PARTS, PARTS[0]]), abs=0.15)
  assert len(flashes) == 6
  assert length_s == pytest.approx(LENGTH_S + PARTS[0][0], abs=0.15)
  assert [line.partition(" at ")[0] for line in warnings] == ["time stamps leap", "time stamps leapt 2 times in all"]


def test_counter_that_wraps_is_continued(tmp_path):
  """MPEG's time stamps have 33 bits at 90 kHz."""
  part = (3.0, (0.48, 2.48))
  beeps, flashes, length_s, warnings = read(write_part(tmp_path / "a.ts", part, 2**33 / 90_000 - 1.5))
  assert beeps == pytest.approx(part[1], abs=0.1)
  assert flashes == pytest.approx(part[1], abs=0.1)
  assert length_s == pytest.approx(3.0, abs=0.1)
  assert warnings == []


def test_gap_in_audio_and_video_is_no_new_part(tmp_path):
  """Three seconds that a receiver has lost become silence, and later events keep their time."""
  beeps, flashes, _, warnings = read(join(tmp_path / "a.ts", (0.0, 5.0)))
  assert beeps == pytest.approx([0.6, 1.48, 5.28, 6.0], abs=0.1)
  assert flashes == pytest.approx([0.6, 1.48, 5.28, 6.0], abs=0.1)
  assert "the gap is filled with silence" in warnings[0]


@pytest.mark.slow
def test_playlist_without_an_end_is_read_to_its_last_segment(tmp_path):
  """A recorder that was switched off leaves such a playlist; reading begins at its start and does not wait for more."""
  whole = write_part(tmp_path / "whole.mp4", (6.0, (0.48, 5.48)))
  lines = remux_to_segments(whole, tmp_path / "list.m3u8")
  (tmp_path / "list.m3u8").write_text("\n".join(line for line in lines if "ENDLIST" not in line and "TYPE" not in line))
  beeps, _, length_s, _ = read(tmp_path / "list.m3u8")
  assert beeps == pytest.approx([0.48, 5.48], abs=0.1)
  assert length_s == pytest.approx(6.0, abs=0.1)
