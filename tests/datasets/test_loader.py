import json

import grain
import numpy as np
from prepared import NUM_BLOCKS, SPEC, drawn_blocks
import pytest

from attavvad_jax.datasets.loader import PreparedData, batches_in_order, training_batches
from attavvad_jax.datasets.records import to_example
from attavvad_jax.timeline import EVENTS, Event


def _take(iterator, count):
  return [next(iterator) for _ in range(count)]


def test_spec_is_stored_with_the_data(prepared):
  assert prepared.spec == SPEC
  assert prepared.splits == ["train", "validation", "test"]


def test_blocks_are_read_as_they_were_written(prepared):
  source = prepared.source("train")
  positions = prepared.recordings("train")["train2"]
  assert len(positions) == NUM_BLOCKS
  for block, position in zip(drawn_blocks("train2"), positions, strict=True):
    example = to_example(source[position], prepared.spec)
    np.testing.assert_array_equal(example["waveform"], block.waveform)
    assert np.abs(example["images"].astype(int) - block.images).max() <= 20
    assert example["label"] == block.index // 6


def test_reference_timeline_equals_the_labels(prepared):
  timeline = prepared.timeline("test", prepared.recordings("test")["test0"])
  assert timeline.events == tuple(Event(2.0 * i, 2.0 * i + 2, event) for i, event in enumerate(EVENTS))


def test_each_epoch_holds_every_block_once_in_a_new_order(prepared):
  batches = _take(training_batches(prepared, "train", 8, seed=3), 24)
  sums = np.concatenate([batch["waveform"].astype(np.int64).sum(axis=1) for batch in batches])
  first, second = sums[:96], sums[96:]
  assert sorted(first) == sorted(second)
  assert len(set(first)) == 96
  assert (first != second).any()


def test_order_depends_on_the_seed(prepared):
  labels = [_take(training_batches(prepared, "train", 8, seed), 3) for seed in (3, 3, 4)]
  same = [np.array_equal(a["waveform"], b["waveform"]) for a, b in zip(labels[0], labels[1], strict=True)]
  other = [np.array_equal(a["waveform"], b["waveform"]) for a, b in zip(labels[0], labels[2], strict=True)]
  assert all(same)
  assert not any(other)


def test_saved_position_continues_with_the_same_batches(prepared):
  iterator = training_batches(prepared, "train", 8, seed=3)
  _take(iterator, 5)
  state = json.loads(json.dumps(iterator.get_state()))
  expected = _take(iterator, 10)
  fresh = training_batches(prepared, "train", 8, seed=3)
  fresh.set_state(state)
  for a, b in zip(expected, _take(fresh, 10), strict=True):
    np.testing.assert_array_equal(a["waveform"], b["waveform"])
  assert isinstance(fresh, grain.DatasetIterator)


@pytest.mark.parametrize("num_shards", [1, 4])
def test_one_block_per_process(prepared, num_shards):
  """The batches run past the end of an epoch of 96 blocks."""
  whole = _take(training_batches(prepared, "train", 4, seed=3), 26)
  expected = np.concatenate([batch["waveform"] for batch in whole])
  shards = [training_batches(prepared, "train", num_shards, 3, (i, num_shards)) for i in range(num_shards)]
  found = [next(shard)["waveform"] for _ in range(104 // num_shards) for shard in shards]
  assert {len(one) for one in found} == {1}
  np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("num_shards", [2, 4])
def test_processes_together_get_the_batches_of_a_single_process(prepared, num_shards):
  # 96 blocks: the third batch of 32 ends an epoch, and the fourth begins another.
  alone = _take(training_batches(prepared, "train", 32, seed=3), 4)
  shards = [_take(training_batches(prepared, "train", 32, 3, (i, num_shards)), 4) for i in range(num_shards)]
  for whole, *parts in zip(alone, *shards, strict=True):
    for name, expected in whole.items():
      np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), expected)


def test_every_process_gets_every_block_eventually(prepared):
  """No process is limited to a part of the data set: its share changes between epochs."""
  batches = _take(training_batches(prepared, "train", 32, 3, (0, 2)), 36)
  sums = {int(total) for batch in batches for total in batch["waveform"].astype(np.int64).sum(axis=1)}
  assert len(sums) == 96


def test_saved_positions_of_processes_continue_with_the_same_batches(prepared):
  def open_shards():
    return [training_batches(prepared, "train", 16, 3, (i, 2)) for i in range(2)]

  shards = open_shards()
  for shard in shards:
    _take(shard, 4)  # into the first epoch's last batches
  states = [json.loads(json.dumps(shard.get_state())) for shard in shards]
  expected = [_take(shard, 6) for shard in shards]
  for fresh, state, batches in zip(open_shards(), states, expected, strict=True):
    fresh.set_state(state)
    for a, b in zip(batches, _take(fresh, 6), strict=True):
      for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_batch_that_processes_cannot_share_evenly_is_refused(prepared):
  with pytest.raises(ValueError, match="3 processes cannot share a batch of 16 blocks"):
    training_batches(prepared, "train", 16, 0, (0, 3))


def test_recordings_and_timelines_are_read_without_decoding_audio_and_images(prepared, monkeypatch):
  expected = prepared.recordings("test"), prepared.timeline("test", prepared.recordings("test")["test1"])
  whole = type(prepared.source("test"))
  monkeypatch.setattr(whole, "__getitem__", lambda self, key: pytest.fail("a whole record was decoded"))
  assert list(expected[0]) == ["test0", "test1"]
  assert prepared.recordings("test") == expected[0]
  assert prepared.timeline("test", expected[0]["test1"]) == expected[1]


def test_last_batch_is_padded_and_no_example_is_dropped():
  examples = [{"x": np.float32(i), "block_mask": np.True_} for i in range(7)]
  batches = list(batches_in_order(examples, 4))
  assert [batch["x"].tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 0]]
  assert batches[1]["block_mask"].tolist() == [True, True, True, False]


def test_unknown_split_lists_the_splits(prepared):
  with pytest.raises(ValueError, match="no split 'dev'; it has train, validation, test"):
    prepared.source("dev")


def test_batch_larger_than_the_split_is_refused(prepared):
  with pytest.raises(ValueError, match="holds 48 blocks, fewer than a batch of 64"):
    training_batches(prepared, "test", 64, seed=0)


def test_missing_data_set_error_says_how_to_prepare_one(tmp_path):
  with pytest.raises(ValueError, match=r"no prepared data set; make one with: attavvad prepare"):
    PreparedData(tmp_path)


def test_path_with_several_data_sets_is_refused(tmp_path):
  for name in ("a", "b"):
    (tmp_path / name).mkdir()
    (tmp_path / name / "dataset_info.json").touch()
  with pytest.raises(ValueError, match="2 data sets; name one of them"):
    PreparedData(tmp_path)
