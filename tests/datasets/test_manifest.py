import pytest

from attavvad_jax.datasets.manifest import MANIFEST, SPLITS, Item, read_folder, write_manifest
from attavvad_jax.media import Tracks


def _touch(folder, *names):
  for name in names:
    (folder / name).touch()


def test_manifest_round_trip(tmp_path):
  items = [
    Item(tmp_path / "a.mp4", tmp_path / "a.tsv", "a", "train"),
    Item(tmp_path / "é.mp4", tmp_path / "é.tsv", "é", "test"),
  ]
  write_manifest(tmp_path / MANIFEST, items)
  assert read_folder(tmp_path) == items


def test_manifest_round_trip_with_all_columns(tmp_path):
  names = ("a.mp4", "a.tsv", "any.tsv", "a.json")
  video, labels, audio_labels, conditions = (tmp_path / "sub" / name for name in names)
  items = [Item(video, labels, "a", "train", audio_labels, conditions)]
  items.append(Item(video.with_name("b.mp4"), labels, "b", "test", audio_labels, None, label_origin_s=900.5))
  write_manifest(tmp_path / MANIFEST, items)
  assert read_folder(tmp_path) == items


def test_manifest_may_choose_tracks(tmp_path):
  items = [
    Item(tmp_path / "a.mp4", tmp_path / "a.tsv", "a", "train", tracks=Tracks("deu", 2, "left")),
    Item(tmp_path / "b.mp4", tmp_path / "b.tsv", "b", "train"),
  ]
  write_manifest(tmp_path / MANIFEST, items)
  assert read_folder(tmp_path) == items
  others = Tracks(audio=3)
  assert [item.tracks for item in read_folder(tmp_path, tracks=others)] == [items[0].tracks, others]
  table = (tmp_path / MANIFEST).read_text().replace("left", "middle")
  (tmp_path / MANIFEST).write_text(table)
  with pytest.raises(ValueError, match=r"manifest\.tsv:2: audio channels are 'middle'; expected one of mix, left"):
    read_folder(tmp_path)


@pytest.mark.parametrize("name", ["manifest.csv", "songs.CSV"])
def test_manifest_may_be_comma_separated_with_columns_in_any_order(tmp_path, name):
  (tmp_path / name).write_text('split,video,recording,labels\r\ntest,"a, b.mp4",r,a.tsv\r\n', encoding="utf-8-sig")
  items = read_folder(tmp_path / name)
  assert items == [Item(tmp_path / "a, b.mp4", tmp_path / "a.tsv", "r", "test")]
  if name == "manifest.csv":
    assert read_folder(tmp_path) == items


def test_without_manifest_clips_of_a_recording_stay_together(tmp_path):
  for song in range(12):
    _touch(tmp_path, *(f"song{song}x_{clip}.{suffix}" for clip in range(3) for suffix in ("mp4", "tsv")))
  items = read_folder(tmp_path, seed=1)
  assert len(items) == 36
  splits = {}
  for item in items:
    splits.setdefault(item.recording, set()).add(item.split)
  assert len(splits) == 12
  assert all(len(found) == 1 for found in splits.values())
  assert set.union(*splits.values()) == set(SPLITS)
  assert read_folder(tmp_path, seed=1) == items
  assert any(read_folder(tmp_path, seed=seed) != items for seed in range(2, 5))


def test_video_without_labels_is_not_listed(tmp_path):
  _touch(tmp_path, "a.mp4", "a.tsv", "b.mp4")
  assert [item.video.name for item in read_folder(tmp_path)] == ["a.mp4"]


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("video\tsplit\n", r"manifest.tsv:1: header is"),
    ("video\tlabels\trecording\tsplit\na.mp4\ta.tsv\ta\n", r"manifest.tsv:2: 3 columns"),
    ("video\tlabels\trecording\tsplit\na.mp4\ta.tsv\ta\tdev\n", r"manifest.tsv:2: split 'dev'; expected one of train"),
    (
      "video\tlabels\trecording\tsplit\na.mp4\ta.tsv\ta\ttrain\nb.mp4\tb.tsv\ta\ttest\n",
      r"manifest.tsv:3: recording 'a' is in test here and in train above",
    ),
    ("video\tlabels\trecording\tsplit\tmood\n", r"manifest.tsv:1: header is .* and optionally audio_labels"),
    ("video\tlabels\trecording\tsplit\na.mp4\t\ta\ttrain\n", r"manifest.tsv:2: labels is empty"),
    ('video\tlabels\trecording\tsplit\n"a.mp4\t', r"manifest.tsv:2: "),
    (
      "video\tlabels\trecording\tsplit\tlabel_origin_s\na.mp4\ta.tsv\ta\ttrain\tsoon\n",
      r"manifest.tsv:2: label_origin_s is 'soon'; expected seconds",
    ),
    (
      "video\tlabels\trecording\tsplit\taudio_labels\na.mp4\ta.tsv\ta\ttrain\tx.tsv\nb.mp4\tb.tsv\tb\ttrain\t\n",
      r"manifest.tsv: 1 of 2 videos have audio_labels; expected all of them or none",
    ),
    ("video\tlabels\trecording\tsplit\n", r"no video with a label file"),
  ],
)
def test_manifest_error_names_the_line(tmp_path, text, message):
  (tmp_path / MANIFEST).write_text(text, encoding="utf-8")
  with pytest.raises(ValueError, match=message):
    read_folder(tmp_path)


def test_manifest_in_another_encoding_is_refused(tmp_path):
  (tmp_path / MANIFEST).write_bytes("video\té".encode("latin-1"))
  with pytest.raises(ValueError, match=r"manifest.tsv: not UTF-8"):
    read_folder(tmp_path)


def test_missing_folder_is_refused(tmp_path):
  with pytest.raises(ValueError, match="not a folder"):
    read_folder(tmp_path / "none")
