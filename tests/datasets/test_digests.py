"""What a split is known by: its records, in order, and nothing else."""

import hashlib
import json

from array_record.python.array_record_module import ArrayRecordReader
from prepared import BOTH_SETS, SPEC, Drawn, DrawnRecording, prepare_data, recordings
import pytest

from attavvad_jax.datasets import builder as builder_lib
from attavvad_jax.datasets.loader import PreparedData

COUNTS = {"train": 3, "test": 1}


def _prepare(output, drawn=None, spec=SPEC, **kwargs):
  return PreparedData(prepare_data(Drawn(drawn or recordings(COUNTS), spec, data_dir=str(output), **kwargs)).path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return _prepare(tmp_path_factory.mktemp("data"))


def test_it_is_the_sha256_of_the_records_with_their_lengths(data):
  expected = hashlib.sha256()
  reader = ArrayRecordReader(str(next(data.path.glob("*-train.array_record*"))))
  for record in reader.read_all():
    expected.update(len(record).to_bytes(8, "big"))
    expected.update(record)
  assert data.digest("train") == expected.hexdigest()
  assert data.digest("train") != data.digest("test")


def test_it_is_the_same_however_the_records_were_made(data, tmp_path, monkeypatch):
  assert _prepare(tmp_path / "two", workers=2).digest("train") == data.digest("train")
  monkeypatch.setattr(builder_lib, "_SHARD_BYTES", 1000)
  sharded = _prepare(tmp_path / "sharded")
  assert len(list(sharded.path.glob("*-train.array_record*"))) == 3
  assert sharded.digest("train") == data.digest("train")


def test_other_recordings_labels_or_orders_have_another(data, tmp_path):
  whole = recordings(COUNTS)
  changed = [
    _prepare(tmp_path / "fewer", recordings({"train": 2, "test": 1})),
    _prepare(tmp_path / "turned", whole[::-1]),
    _prepare(tmp_path / "labelled", spec=BOTH_SETS),
    _prepare(tmp_path / "named", [DrawnRecording("other", "train"), *whole[1:]]),
  ]
  assert len({other.digest("train") for other in [data, *changed]}) == 5


def test_a_data_set_of_before_is_read_for_it(data, tmp_path):
  old = _prepare(tmp_path).path
  metadata = json.loads((old / "metadata.json").read_text())
  assert metadata.pop("digests") == {"train": data.digest("train"), "test": data.digest("test")}
  (old / "metadata.json").write_text(json.dumps(metadata))
  assert PreparedData(old).digest("train") == data.digest("train")


def test_a_split_that_is_not_there_is_named(data):
  with pytest.raises(ValueError, match="no split 'validation'; it has train, test"):
    data.digest("validation")
