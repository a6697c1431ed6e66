"""Synthetic time stamps that leap, with known parts."""

import itertools

import numpy as np
import pytest

from attavvad_jax.media.parts import AHEAD_S, Parts

AUDIO, VIDEO = 1, 0
STEPS = {AUDIO: 0.02, VIDEO: 0.04}


def packets(track, first_s, end_s):
  """Returns (track, onset, end) for the packets of a stream from `first_s` to `end_s`."""
  step = STEPS[track]
  onsets = np.arange(first_s, end_s - step / 2, step)
  return [(track, float(onset), float(onset) + step) for onset in onsets]


def part(first_s, length_s, late_s=0.0, tracks=(VIDEO, AUDIO)):
  """Returns the packets of a part in container order, with audio `late_s` after the video of the same time."""
  streams = [packet for track in tracks for packet in packets(track, first_s, first_s + length_s)]
  return sorted(streams, key=lambda packet: packet[1] + late_s * (packet[0] == AUDIO))


def put(stream, goes_ahead=True):
  """Returns (track, onset on the common time line) of each packet, where parts begin, and lone leaps in seconds."""
  places, alone = [], []
  parts = Parts(goes_ahead=goes_ahead, on_part=places.append, on_lone_leap=alone.append)
  placed = []
  for packet in stream:
    track, onset, end = packet
    placed += parts.push(track, packet, onset, onset, end)
  placed += parts.finish()
  assert [p.item for p in placed] == stream
  return [(p.item[0], p.item[1] + p.shift) for p in placed], places, alone


def onsets(placed, track):
  return [onset for which, onset in placed if which == track]


@pytest.mark.parametrize("tracks", [(VIDEO, AUDIO), (AUDIO,), (VIDEO,)])
@pytest.mark.parametrize("start_s", [1.4, -5.0, 7.6 + AHEAD_S, 95_000.0])
def test_parts_are_placed_one_after_the_other(tracks, start_s):
  """Time stamps leap back, to the begin of the first part and elsewhere, and far ahead."""
  placed, places, alone = put(part(1.4, 6.0, tracks=tracks) + part(start_s, 3.0, tracks=tracks))
  assert places == pytest.approx([7.4])
  assert alone == []
  for track in tracks:
    np.testing.assert_allclose(onsets(placed, track), np.arange(1.4, 10.4 - 0.01, STEPS[track]), atol=1e-6)


@pytest.mark.parametrize("late_s", [0.1, 0.7, 8.0])
def test_one_stream_leaps_before_the_other(late_s):
  """The order is that of a transport stream, and of fragments that hold all video before all audio."""
  stream = part(0.0, 9.0, late_s) + part(2.0, 9.0, late_s)
  if late_s < 1:
    # The video leaps between the last audio packets.
    tail = next(i for i, packet in enumerate(stream) if packet[0] == AUDIO and packet[1] > 9.0 - late_s)
    head = next(i for i, packet in enumerate(stream) if i > tail and packet[1] < 3.0)
    stream = [*stream[:tail], *stream[head : head + 2], *stream[tail:head], *stream[head + 2 :]]
  placed, places, _ = put(stream)
  assert places == pytest.approx([9.0])
  for track in STEPS:
    np.testing.assert_allclose(onsets(placed, track), np.arange(0, 18.0 - 0.01, STEPS[track]), atol=1e-6)


def test_audio_and_video_of_a_part_stay_together():
  """Audio starts late and ends early in both parts; each part is placed as a whole."""
  parts = [[*packets(VIDEO, first, first + 4.0), *packets(AUDIO, first + 1.0, first + 3.0)] for first in (0.0, 100.0)]
  stream = [packet for one in parts for packet in sorted(one, key=lambda packet: packet[1])]
  placed, places, _ = put(stream)
  assert places == pytest.approx([4.0])
  assert onsets(placed, AUDIO)[100] == pytest.approx(5.0)
  assert onsets(placed, VIDEO)[100] == pytest.approx(4.0)


def test_many_short_parts():
  stream = list(itertools.chain.from_iterable(part(1.4, 0.8, 0.05) for _ in range(20)))
  placed, places, alone = put(stream)
  assert places == pytest.approx(1.4 + 0.8 * np.arange(1, 20))
  assert alone == []
  assert np.diff(onsets(placed, AUDIO)) == pytest.approx(0.02, abs=1e-6)


@pytest.mark.parametrize("out_s", [60.0, -60.0, -3.0])
@pytest.mark.parametrize("tracks", [(VIDEO, AUDIO), (AUDIO,)])
def test_packet_out_of_place_is_no_part(tracks, out_s):
  stream = part(100.0, 6.0, tracks=tracks)
  track, onset, end = stream[150]
  strayed = [*stream[:150], (track, onset + out_s, end + out_s), *stream[151:]]
  placed, places, alone = put(strayed)
  assert (places, alone) == ([], [])
  assert placed == [(track, onset) for track, onset, _ in strayed]


@pytest.mark.parametrize(("gap_s", "goes_ahead"), [(3.0, True), (AHEAD_S - 0.1, True), (3600.0, False)])
def test_gap_is_a_gap(gap_s, goes_ahead):
  """A short gap is one anywhere, a long gap where the container's time stamps are reliable."""
  stream = part(0.0, 4.0) + part(4.0 + gap_s, 4.0)
  placed, places, _ = put(stream, goes_ahead)
  assert places == []
  assert placed == [(track, onset) for track, onset, _ in stream]


def test_audio_that_comes_back_after_a_long_pause_is_no_part():
  stream = sorted(
    [*packets(VIDEO, 0.0, 40.0), *packets(AUDIO, 0.0, 5.0), *packets(AUDIO, 30.0, 40.0)], key=lambda p: p[1]
  )
  placed, places, alone = put(stream)
  assert (places, alone) == ([], [])
  assert placed == [(track, onset) for track, onset, _ in stream]


@pytest.mark.parametrize("by_s", [60.0, -60.0])
def test_one_stream_that_leaps_alone_begins_no_part(by_s):
  """The other stream continues without a leap."""
  video, audio = packets(VIDEO, 100.0, 110.0), packets(AUDIO, 100.0, 110.0)
  leapt = [(track, onset + by_s * (onset >= 104), end + by_s * (onset >= 104)) for track, onset, end in video]
  order = sorted(zip([*video, *audio], [*leapt, *audio], strict=True), key=lambda pair: pair[0][1])
  placed, places, alone = put([packet for _, packet in order])
  assert places == []
  assert alone == pytest.approx([by_s + 0.04])
  assert placed == [packet[:2] for _, packet in order]


def test_stream_that_begins_in_a_later_part_belongs_there():
  placed, places, _ = put(part(1.4, 4.0, tracks=(VIDEO,)) + part(1.4, 4.0))
  assert places == pytest.approx([5.4])
  np.testing.assert_allclose(onsets(placed, AUDIO), np.arange(5.4, 9.4 - 0.01, 0.02), atol=1e-6)


def test_packets_without_times_keep_their_place_in_the_order():
  stream = part(0.0, 2.0, tracks=(AUDIO,)) + part(0.0, 2.0, tracks=(AUDIO,))
  parts = Parts(goes_ahead=True)
  placed = []
  for number, (track, onset, end) in enumerate(stream):
    placed += parts.push(track, number, onset, onset, end)
    placed += parts.push(track, None)
  placed += parts.finish()
  assert [p.item for p in placed] == [item for number in range(len(stream)) for item in (number, None)]
  assert [p.shift for p in placed[-200:]] == pytest.approx([2.0] * 200)


def test_no_packet_is_held_without_a_leap():
  parts = Parts(goes_ahead=True)
  for track, onset, end in part(0.0, 3.0, 0.5):
    assert len(parts.push(track, None, onset, onset, end)) == 1
