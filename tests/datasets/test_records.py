import dataclasses

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from attavvad_jax.clock import Clock
from attavvad_jax.datasets.records import DataSpec, to_example, to_records, to_timeline
from attavvad_jax.events import EVENTS, Event, Timeline


def test_record_carries_sound_exactly_and_images_as_jpeg(spec, make_blocks):
  blocks = list(make_blocks(3))
  timeline = Timeline([Event(0.0, 0.5, "speech")], 1.0)
  records = list(to_records(make_blocks(3), timeline, "song", spec.clock))
  example = to_example(dict(records[0], label=EVENTS.index(records[0]["label"])), spec)
  np.testing.assert_array_equal(example["waveform"], blocks[0].waveform)
  assert np.abs(example["images"].astype(int) - blocks[0].images).max() <= 6
  assert example["label"] == EVENTS.index("speech")


def test_masked_image_is_stored_as_nothing_and_read_as_zeros(spec, make_blocks):
  record = list(to_records(make_blocks(2), Timeline([], 2 / 3), "song", spec.clock))[1]
  assert record["images"][-1] == b""
  example = to_example(dict(record, label=3), spec)
  assert example["image_mask"].tolist() == [True, True, False]
  assert not example["images"][-1].any()
  assert example["images"][0].any()


def test_image_of_another_size_is_named_by_recording_and_block(spec, make_blocks):
  record = next(iter(to_records(make_blocks(1), Timeline([], 1 / 3), "song", spec.clock)))
  other = dataclasses.replace(spec, crop=dataclasses.replace(spec.crop, height_px=32))
  with pytest.raises(ValueError, match=r"recording 'song', block 0: image is 24x16, the data set states 32x16"):
    to_example(dict(record, label=3), other)


def test_spec_survives_a_round_trip(spec):
  assert DataSpec.from_dict(spec.to_dict()) == spec


_TIMES = st.lists(st.integers(0, 4000), min_size=0, max_size=12, unique=True).map(sorted)


@given(_TIMES, st.lists(st.sampled_from(EVENTS), min_size=12, max_size=12))
def test_timeline_is_put_together_from_its_blocks(times_ms, labels):
  """Events cut at block boundaries and joined again are the events that were written."""
  pairs = zip(times_ms[::2], times_ms[1::2], strict=False)
  timeline = Timeline([Event(a / 1000, b / 1000, label) for (a, b), label in zip(pairs, labels, strict=False)], 4.0)
  clock = Clock()
  records = []
  for block in range(clock.num_blocks(timeline.duration_s)):
    low, high = block / 3, (block + 1) / 3
    inside = [
      (max(e.onset_s, low), min(e.offset_s, high), EVENTS.index(e.label))
      for e in timeline
      if e.onset_s < high and e.offset_s > low
    ]
    records.append({"block": block, "duration_s": 4.0, "events": np.array(inside).reshape(-1, 3)})
  joined = to_timeline(records[::-1])
  assert [e.label for e in joined] == [e.label for e in timeline]
  np.testing.assert_allclose([e.onset_s for e in joined], [e.onset_s for e in timeline])
  np.testing.assert_allclose([e.offset_s for e in joined], [e.offset_s for e in timeline])


def test_records_cut_events_as_the_round_trip_assumes(spec, make_blocks):
  timeline = Timeline([Event(0.1, 0.9, "singing"), Event(0.2, 0.3, "speech")], 1.0)
  records = list(to_records(make_blocks(3), timeline, "song", spec.clock))
  np.testing.assert_allclose(records[0]["events"], [(0.1, 1 / 3, 2), (0.2, 0.3, 1)])
  np.testing.assert_allclose(records[2]["events"], [(2 / 3, 0.9, 2)])
  assert to_timeline(records).events == timeline.events
