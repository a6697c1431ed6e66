"""The digest of a split depends on its records and their order, and on nothing else."""

import hashlib
import json
import os

from array_record.python.array_record_module import ArrayRecordReader
from prepared import BOTH_SETS, SPEC, Drawn, DrawnRecording, prepare_data, recordings
import pytest

from attavvad_jax.datasets import builder as builder_lib
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.datasets.manifest import Item
from attavvad_jax.datasets.videos import Video

COUNTS = {"train": 3, "test": 1}


def _prepare(output, drawn=None, spec=SPEC, **kwargs):
  return PreparedData(prepare_data(Drawn(drawn or recordings(COUNTS), spec, data_dir=str(output), **kwargs)).path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return _prepare(tmp_path_factory.mktemp("data"))


def test_digest_is_the_sha256_of_the_records_with_their_lengths(data):
  expected = hashlib.sha256()
  reader = ArrayRecordReader(str(next(data.path.glob("*-train.array_record*"))))
  for record in reader.read_all():
    expected.update(len(record).to_bytes(8, "big"))
    expected.update(record)
  assert data.digest("train") == expected.hexdigest()
  assert data.digest("train") != data.digest("test")


def test_digest_does_not_depend_on_workers_or_shards(data, tmp_path, monkeypatch):
  assert _prepare(tmp_path / "two", workers=2).digest("train") == data.digest("train")
  monkeypatch.setattr(builder_lib, "_SHARD_BYTES", 1000)
  sharded = _prepare(tmp_path / "sharded")
  assert len(list(sharded.path.glob("*-train.array_record*"))) == 3
  assert sharded.digest("train") == data.digest("train")


def test_digest_depends_on_recordings_labels_and_order(data, tmp_path):
  whole = recordings(COUNTS)
  changed = [
    _prepare(tmp_path / "fewer", recordings({"train": 2, "test": 1})),
    _prepare(tmp_path / "turned", whole[::-1]),
    _prepare(tmp_path / "labeled", spec=BOTH_SETS),
    _prepare(tmp_path / "named", [DrawnRecording("other", "train"), *whole[1:]]),
  ]
  assert len({other.digest("train") for other in [data, *changed]}) == 5


def test_digest_of_a_data_set_without_a_stored_one_is_computed(data, tmp_path):
  old = _prepare(tmp_path).path
  metadata = json.loads((old / "metadata.json").read_text())
  assert metadata.pop("digests") == {"train": data.digest("train"), "test": data.digest("test")}
  (old / "metadata.json").write_text(json.dumps(metadata))
  assert PreparedData(old).digest("train") == data.digest("train")


def test_digest_of_an_unknown_split_is_refused(data):
  with pytest.raises(ValueError, match="no split 'validation'; it has train, test"):
    data.digest("validation")


def _keep(output, drawn, spec=SPEC):
  return prepare_data(Drawn(drawn, spec, data_dir=str(output)), keep=True)


def test_existing_data_set_is_reused_if_made_of_the_same(tmp_path):
  whole = recordings(COUNTS)
  first = _keep(tmp_path, whole)
  assert _keep(tmp_path, whole) == first
  other = [
    (recordings({"train": 3, "test": 2}), SPEC),
    ([*whole[1:], DrawnRecording("train0", "test")], SPEC),
    ([*whole[1:], DrawnRecording("other", "train")], SPEC),
    (whole, BOTH_SETS),
  ]
  for drawn, spec in other:
    with pytest.raises(ValueError, match=r"2\.0\.0: was made of other recordings, labels or settings"):
      _keep(tmp_path, drawn, spec)
  # Older data sets do not store what they were made of.
  metadata = json.loads((first.path / "metadata.json").read_text())
  del metadata["made_of"]
  (first.path / "metadata.json").write_text(json.dumps(metadata))
  assert _keep(tmp_path, whole[1:]) == first


def test_state_of_a_video_depends_on_content_and_not_on_location(tmp_path):
  """Files from an archive often share one time, and recordings of one duration share one size."""

  def state(folder, content):
    folder.mkdir()
    video = folder / "a.wav"
    video.write_bytes(content)
    os.utime(video, (1, 1))
    return Video("a", Item(video, folder / "a.tsv", "a", "train")).state()

  first = bytes(300_000)
  assert state(tmp_path / "here", first) == state(tmp_path / "there", first)
  for place in (0, 150_000, 299_999):
    assert state(tmp_path / str(place), first[:place] + b"1" + first[place + 1 :]) != state(
      tmp_path / f"{place}b", first
    )
