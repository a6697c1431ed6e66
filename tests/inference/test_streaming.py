"""Streams compared with the offline result, for several ways of arrival."""

import functools
import json
import tracemalloc
import zlib

import jax
import numpy as np
import pytest
from streams import BOX, LevelDetector, drawn_audio, drawn_frames, write_drawn

from attavvad_jax.inference.performer import Performer
from attavvad_jax.inference.streaming import PATIENCE_S, StreamingDetector, step
from attavvad_jax.media import probe, read_audio
from attavvad_jax.media.decode import read_timed_frames
from attavvad_jax.recordings import BlockAssembler, read_blocks
from attavvad_jax.timeline import Smoothing
from attavvad_jax.timeline.incremental import initial_state

NOTHING = np.zeros(0, np.int16)


def push_all(stream, audio, frames, cuts):
  """Pushes audio up to each second of `cuts` with the frames up to then; returns every update and the last."""
  updates, done, shown = [], 0, 0
  for cut in [*cuts, np.inf]:
    upto = len(audio) if np.isinf(cut) else min(round(cut * 16_000), len(audio))
    by_then = [frame for frame in frames[shown:] if frame.time_s <= cut]
    shown += len(by_then)
    updates.append(stream.push(audio[done:upto], by_then))
    done = max(done, upto)
  return [*updates, stream.finish()]


def joined(updates, name):
  return [item for update in updates for item in getattr(update, name)]


def assert_equal(updates, detection):
  blocks = joined(updates, "blocks")
  assert [block.index for block in blocks] == list(range(len(detection.decision)))
  for name in ("audio", "visual", "audio_visual"):
    got = np.stack([getattr(block.scores, name) for block in blocks])
    np.testing.assert_allclose(got, getattr(detection.scores, name), atol=1e-5)
  np.testing.assert_array_equal(np.stack([block.boxes for block in blocks]), detection.boxes)
  events = joined(updates, "events")
  assert [(e.onset_s, e.offset_s, e.label) for e in events] == [
    (e.onset_s, e.offset_s, e.label) for e in detection.timeline
  ]
  np.testing.assert_allclose([e.score for e in events], [e.score for e in detection.timeline], atol=1e-5)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
  """A video of 12.12 s."""
  return write_drawn(tmp_path_factory.mktemp("stream") / "a.mp4", 12.12)


SMOOTHINGS = {
  "default": Smoothing(),
  "long": Smoothing(5, 1.0),
  "hmm": Smoothing(decoder="hmm", lag_s=1.0, speech_threshold=0.4),
}


@pytest.fixture(scope="module", params=SMOOTHINGS.values(), ids=SMOOTHINGS)
def detector(request):
  return LevelDetector(smoothing=vars(request.param))


@pytest.mark.parametrize("seed", range(3))
def test_stream_gives_the_offline_result_for_any_split_into_pushes(detector, video, seed):
  offline = detector.detect(video, performer=Performer("box", box=BOX))
  assert len(offline.timeline) > 3
  info = probe(video)
  audio = np.concatenate(list(read_audio(video, 16_000, info=info)))
  frames = list(read_timed_frames(video, info, []))
  cuts = [[], np.arange(0, 12.5, 0.02), np.sort(np.random.default_rng(0).uniform(0, 12.5, 40))][seed]
  with StreamingDetector(detector, box=BOX) as stream:
    # `finish` starts a second recording.
    for _ in range(2):
      assert_equal(push_all(stream, audio, frames, cuts), offline)


@pytest.mark.parametrize("face_lookahead_s", [0.0, 1.0])
def test_face_is_followed_as_offline(video, face_lookahead_s):
  def detect(rgb):
    # The face depends on the frame alone, so that both find the same; it trembles and is sometimes missing.
    level = zlib.crc32(rgb.tobytes()) % 1000 / 1000
    return np.array([[0.2 + 0.2 * level, 0.2, 0.4, 0.4, 0.9]])[: int(level < 0.6)]

  detector = LevelDetector()
  blocks = list(
    read_blocks(video, detector.spec.clock, detector.spec.crop, detect=detect, lookahead_s=face_lookahead_s)
  )
  info = probe(video)
  audio = np.concatenate(list(read_audio(video, 16_000, info=info)))
  frames = list(read_timed_frames(video, info, []))
  with StreamingDetector(detector, detect=detect, face_lookahead_s=face_lookahead_s) as stream:
    updates = push_all(stream, audio, frames, np.arange(0, 12.5, 0.1))
  got = np.stack([block.boxes for block in joined(updates, "blocks")])
  np.testing.assert_array_equal(got, np.stack([block.boxes for block in blocks]))
  assert 0 < np.isnan(got).sum() < got.size


def test_block_is_returned_once_its_last_sample_and_image_arrived():
  detector = LevelDetector()
  clock = detector.spec.clock
  audio, frames = drawn_audio(5.0), drawn_frames(5.0)
  with StreamingDetector(detector, box=BOX) as stream:
    given = 0
    for first in range(0, len(audio), 160):
      now_s = (first + 160) / 16_000
      come = [frame for frame in frames if now_s - 0.01 < frame.time_s <= now_s or (first == 0 and frame.time_s == 0)]
      given += len(stream.push(audio[first : first + 160], come).blocks)
      whole = [
        block
        for block in range(15)
        if clock.start_sample(block) + clock.block_samples <= first + 160
        and any(clock.image_times_s(block)[-1] + 1e-6 < frame.time_s <= now_s for frame in frames)
      ]
      assert given == len(whole)
    assert given == 14


def test_events_are_returned_when_they_are_final():
  """Events follow their end by the stated look-ahead; the end of the stream adds events and changes none."""
  detector = LevelDetector()
  audio, frames = drawn_audio(12.0, seed=5), drawn_frames(12.0, seed=5)
  with StreamingDetector(detector, box=BOX) as stream:
    updates = push_all(stream, audio, frames, np.arange(1 / 3, 12, 1 / 3) + 0.04)
    whole = joined(updates, "events")
    for count, update in enumerate(updates[:-1], 1):
      for event in update.events:
        # The block that completes the look-ahead returns the event.
        assert count / 3 == pytest.approx(event.offset_s + stream.lookahead_s, abs=1e-6)
    for cut in (3.0, 5.5, 8.1):
      short = push_all(stream, audio[: round(cut * 16_000)], [f for f in frames if f.time_s < cut], [cut])
      settled = [event for event in joined(short[:-1], "events") if event.offset_s <= cut - stream.lookahead_s]
      assert settled == whole[: len(settled)]
  assert len(whole) > 3


def test_nothing_is_compiled_after_the_first_block():
  compiled = []

  def listen(event, duration_s, **kwargs):
    if "compile" in event:
      compiled.append(event)

  audio, frames = drawn_audio(6.0), drawn_frames(6.0)
  with StreamingDetector(LevelDetector(), box=BOX) as stream:
    stream.push(audio[:8000], frames[:12])
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
      for first in range(8000, len(audio), 1000):
        stream.push(audio[first : first + 1000], [f for f in frames if 0 <= f.time_s - first / 16_000 < 1 / 16])
      stream.finish()
      stream.push(audio, frames)
      assert compiled == []
      jax.jit(lambda x: x * 3.25)(np.ones(7, np.float32))
      assert compiled  # the listener works
    finally:
      jax.monitoring.clear_event_listeners()


def test_state_is_a_pytree_that_can_be_saved_and_restored():
  detector = LevelDetector()
  clock = detector.spec.clock
  advance = jax.jit(functools.partial(step, model=detector.model, clock=clock))
  rng = np.random.default_rng(0)
  blocks = [
    {
      "waveform": rng.integers(-9000, 9000, (1, clock.block_samples), np.int16),
      "images": rng.integers(0, 255, (1, 3, 16, 16), np.uint8),
      "image_mask": np.ones((1, 3), bool),
    }
    for _ in range(12)
  ]

  def go(state, some):
    settled = []
    for block in some:
      state, _, at = advance(detector.variables, state, block, np.asarray(True))
      settled.append((int(at.label), np.asarray(at.scores).tolist()))
    return state, settled

  half, _ = go(initial_state(detector.smoothing, clock), blocks[:6])
  leaves, structure = jax.tree.flatten(half)
  kept = json.loads(json.dumps([np.asarray(leaf).tolist() for leaf in leaves]))
  back = structure.unflatten([np.asarray(new, old.dtype) for new, old in zip(kept, leaves, strict=True)])
  assert go(back, blocks[6:])[1] == go(half, blocks[6:])[1]


def test_memory_does_not_grow():
  audio, frames = drawn_audio(1.0), drawn_frames(1.0)
  with StreamingDetector(LevelDetector(), box=BOX) as stream:

    def run(seconds, start_s):
      for second in range(start_s, start_s + seconds):
        stream.push(audio, [frame._replace(time_s=frame.time_s + second) for frame in frames])
      return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
      early = run(30, 0)
      late = run(90, 30)
    finally:
      tracemalloc.stop()
  # A second has 32 kB of audio; the scores and boxes of its blocks alone would be more than 1 kB.
  assert late - early < 90_000


def test_missing_frames_are_reported_and_do_not_stop_the_decisions():
  audio, frames = drawn_audio(10.0), drawn_frames(10.0)
  with StreamingDetector(LevelDetector(), box=BOX) as stream:
    updates = push_all(stream, audio, [f for f in frames if not 3 <= f.time_s < 7], np.arange(0, 10, 0.1))
  warnings = joined(updates, "warnings")
  assert warnings[0].startswith("no video from 3.")
  assert warnings[1].startswith("video again from ")
  masked = [np.isnan(block.boxes[:, 0]).all() for block in joined(updates, "blocks")]
  # The last frame is held for half a second, 1.5 blocks.
  assert masked == [11 <= i < 21 for i in range(30)]
  # Each block waited for frames, but no longer than stated.
  given = [cut for cut, update in zip(np.arange(0, 10, 0.1), updates, strict=False) for _ in update.blocks]
  assert all(given[i] <= (i + 1) / 3 + PATIENCE_S + 0.15 for i in range(len(given)))


def test_video_that_ends_before_the_audio_is_held_as_offline():
  detector = LevelDetector()
  audio, frames = drawn_audio(5.0), drawn_frames(3.0)
  with BlockAssembler(detector.spec.clock, detector.spec.crop, None, box=BOX) as assembler:
    assembler.push_samples(audio)
    for frame in frames:
      assembler.push_frame(frame)
    whole = assembler.take() + assembler.finish()
  with StreamingDetector(detector, box=BOX) as stream:
    updates = push_all(stream, audio, frames, np.arange(0, 5, 0.1))
  seen = [~np.isnan(block.boxes[:, 0]) for block in joined(updates, "blocks")]
  np.testing.assert_array_equal(seen, [block.image_mask for block in whole])
  assert np.sum(seen) == pytest.approx(3.5 * 9, abs=1)


def test_missing_audio_is_silence_and_late_audio_is_dropped():
  """The source gives silence once it resumes; before, the frames show how late the audio is."""
  audio, frames = drawn_audio(10.0), drawn_frames(10.0)
  gap = audio.copy()
  gap[3 * 16_000 : 6 * 16_000] = 0
  with StreamingDetector(LevelDetector(), box=BOX) as stream:
    whole = push_all(stream, gap, frames, [])
    updates = [stream.push(audio[: 3 * 16_000], [f for f in frames if f.time_s < 3])]
    updates += [stream.push(NOTHING, [f]) for f in frames if 3 <= f.time_s < 6]
    early = joined(updates, "blocks")
    assert len(early) == pytest.approx(3 * (6 - PATIENCE_S), abs=1)
    assert len(early) == pytest.approx(3 * 5, abs=1)  # of 6 s, the last is waited for
    updates.append(stream.push(gap[3 * 16_000 :], [f for f in frames if f.time_s >= 6]))
    updates.append(stream.finish())
  warnings = joined(updates, "warnings")
  assert warnings[0].startswith("no audio from 3.00 s")
  assert warnings[1].startswith("audio again from ")
  for got, expected in zip(joined(updates, "blocks"), joined(whole, "blocks"), strict=True):
    np.testing.assert_allclose(got.scores.audio, expected.scores.audio, atol=1e-5)


def test_repeated_and_late_frames_change_nothing_and_are_reported():
  audio, frames = drawn_audio(4.0), drawn_frames(4.0)
  twice = [f for i, frame in enumerate(frames) for f in [frame, *frames[max(0, i - i % 3) : i + 1]]]
  with StreamingDetector(LevelDetector(), box=BOX) as stream:
    plain = push_all(stream, audio, frames, [])
    odd = push_all(stream, audio, twice, [])
  assert joined(odd, "warnings") == [
    f"{len(twice) - len(frames)} video frames left out: repeated, or older than the one before"
  ]
  for got, expected in zip(joined(odd, "blocks"), joined(plain, "blocks"), strict=True):
    np.testing.assert_array_equal(got.scores.audio_visual, expected.scores.audio_visual)


def test_empty_stream_has_no_blocks_and_no_events():
  with StreamingDetector(LevelDetector(), box=BOX) as stream:
    update = stream.finish()
  assert (update.blocks, update.events) == ([], [])


@pytest.mark.parametrize("samples", [np.zeros(9, np.float32), np.zeros((2, 9), np.int16)])
def test_samples_of_another_type_are_refused(samples):
  with StreamingDetector(LevelDetector(), box=BOX) as stream, pytest.raises(ValueError, match="expected int16"):
    stream.push(samples)
