import dataclasses

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from attavvad_jax.blocks import LIP_SHAPE, NUM_LIP_MEASURES, Block, Crop, DataSpec
from attavvad_jax.datasets.records import (
  check_conditions,
  conditions,
  features,
  serialize,
  to_audio_timeline,
  to_example,
  to_records,
  to_timeline,
)
from attavvad_jax.timeline import EVENTS, Clock, Event, Timeline


def _stored(record):
  """Returns a record as TFDS reads it: with labels as numbers."""
  return dict(record, **{key: EVENTS.index(record[key]) for key in ("label", "audio_label")})


def test_record_holds_audio_exactly_and_images_as_jpeg(spec, make_blocks):
  blocks = list(make_blocks(3))
  timeline = Timeline([Event(0.0, 0.5, "speech")], 1.0)
  records = list(to_records(make_blocks(3), timeline, "song", spec.clock))
  example = to_example(_stored(records[0]), spec)
  np.testing.assert_array_equal(example["waveform"], blocks[0].waveform)
  assert np.abs(example["images"].astype(int) - blocks[0].images).max() <= 6
  assert example["label"] == EVENTS.index("speech")


def test_masked_image_is_stored_as_no_bytes_and_read_as_zeros(spec, make_blocks):
  record = list(to_records(make_blocks(2), Timeline([], 2 / 3), "song", spec.clock))[1]
  assert record["images"][-1] == b""
  example = to_example(_stored(record), spec)
  assert example["image_mask"].tolist() == [True, True, False]
  assert not example["images"][-1].any()
  assert example["images"][0].any()


def test_error_for_another_image_size_names_recording_and_block(spec, make_blocks):
  record = next(iter(to_records(make_blocks(1), Timeline([], 1 / 3), "song", spec.clock)))
  other = dataclasses.replace(spec, crop=dataclasses.replace(spec.crop, height_px=32))
  with pytest.raises(ValueError, match=r"recording 'song', block 0: image is 24x16, the data set states 32x16"):
    to_example(_stored(record), other)


def test_spec_survives_a_round_trip(spec):
  assert DataSpec.from_dict(spec.to_dict()) == spec


# Events may overlap and touch, even those of one label.
_EVENTS = st.lists(
  st.tuples(st.integers(0, 3900), st.integers(1, 2000), st.sampled_from(EVENTS)), max_size=8, unique=True
)


@given(_EVENTS, _EVENTS)
def test_timelines_are_reassembled_from_their_records(performer, any_voice):
  timeline, audio_timeline = (
    Timeline([Event(a / 1000, min(a + d, 4000) / 1000, label) for a, d, label in events], 4.0)
    for events in (performer, any_voice)
  )
  clock = Clock()
  blocks = [
    Block(i, np.zeros(0, np.int16), np.zeros((0, 1, 1), np.uint8), np.zeros(0, bool), np.zeros((0, 4), np.float32))
    for i in range(clock.num_blocks(4.0))
  ]
  records = list(to_records(blocks, timeline, "song", clock, audio_timeline=audio_timeline))
  assert set(to_timeline(records[::-1])) == set(timeline)
  assert set(to_audio_timeline(records)) == set(audio_timeline)
  assert to_timeline(records).duration_s == 4.0


def test_record_holds_the_events_that_touch_its_block(spec, make_blocks):
  timeline = Timeline([Event(0.1, 0.9, "singing"), Event(0.2, 0.3, "speech")], 1.0)
  records = list(to_records(make_blocks(3), timeline, "song", spec.clock))
  np.testing.assert_array_equal(records[0]["events"], [(0.1, 0.9, 2), (0.2, 0.3, 1)])
  np.testing.assert_array_equal(records[2]["events"], [(0.1, 0.9, 2)])


def test_any_voice_has_separate_labels(spec, make_blocks):
  performer, any_voice = Timeline([], 1.0), Timeline([Event(0.0, 1.0, "singing")], 1.0)
  with_both = list(to_records(make_blocks(3), performer, "song", spec.clock, audio_timeline=any_voice))
  assert {(record["label"], record["audio_label"]) for record in with_both} == {("others", "singing")}
  with_one = list(to_records(make_blocks(3), any_voice, "song", spec.clock))
  assert {(record["label"], record["audio_label"]) for record in with_one} == {("singing", "singing")}
  np.testing.assert_array_equal(with_one[0]["audio_events"], with_one[0]["events"])


def test_conditions_survive_a_round_trip(spec, make_blocks):
  values = {"snr_db": -3.5, "preset": "é", "occluded": True, "guests": 2}
  record = next(iter(to_records(make_blocks(1), Timeline([], 1.0), "song", spec.clock, conditions=values)))
  assert conditions(record) == values
  assert conditions({"conditions": b"{}"}) == {}


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, float("nan")])
def test_condition_that_is_not_a_single_value_is_refused(value):
  with pytest.raises(ValueError, match=r"clip.json: condition 'snr_db' is .*; expected a text, a finite number"):
    check_conditions({"snr_db": value}, "clip.json")


def test_misfit_names_only_what_differs(spec):
  assert spec.misfit(dataclasses.replace(spec, label_sets=("audio_visual", "audio"))) is None
  other = DataSpec(Clock(block_rate_hz=5.0), Crop(height_px=24, width_px=32))
  assert spec.misfit(other) == "clock.block_rate_hz=3.0 instead of 5.0, crop.width_px=16 instead of 32"


def test_fields_of_a_record_are_written_in_a_fixed_order(spec, make_blocks):
  record = next(iter(to_records(make_blocks(1), Timeline([], 1 / 3), "song", spec.clock)))
  data = serialize(record, features(spec))
  # In a protocol buffer's map, a key follows its tag and its length.
  assert sorted(record, key=lambda key: data.index(b"\n" + bytes([len(key)]) + key.encode())) == sorted(record)


def test_a_row_of_measures_is_stored_exactly(spec, make_blocks):
  crop = Crop(1, NUM_LIP_MEASURES, part=LIP_SHAPE)
  rows = np.random.default_rng(0).integers(0, 256, (3, 1, NUM_LIP_MEASURES)).astype(np.uint8)
  blocks = [dataclasses.replace(block, images=rows, image_mask=np.ones(3, bool)) for block in make_blocks(1)]
  record = next(iter(to_records(blocks, Timeline([], 1 / 3), "song", spec.clock)))
  assert sum(map(len, record["images"])) == rows.size
  np.testing.assert_array_equal(to_example(_stored(record), dataclasses.replace(spec, crop=crop))["images"], rows)
  with pytest.raises(ValueError, match="image is nothing readable, the data set states 1x18"):
    to_example(_stored(record) | {"images": [b"1", b"2", b"3"]}, dataclasses.replace(spec, crop=crop))
