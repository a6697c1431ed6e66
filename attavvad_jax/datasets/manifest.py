"""Which videos a folder offers, with their labels, recordings and splits."""

from collections.abc import Sequence
import csv
import dataclasses
import hashlib
from pathlib import Path
import re

from attavvad_jax.files import write_text

SPLITS = ("train", "validation", "test")
MANIFEST = "manifest.tsv"
COLUMNS = ("video", "labels", "recording", "split")
_VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".flv", ".ts", ".mpg"}
# Of a folder without a manifest, by recording: the paper's 360 / 40 / 100 minutes.
_SHARES = {"train": 0.72, "validation": 0.08, "test": 0.20}


@dataclasses.dataclass(frozen=True)
class Item:
  """A video and its label file; `recording` groups the clips that must not be torn apart by the split."""

  video: Path
  labels: Path
  recording: str
  split: str


def read_folder(folder: str | Path, seed: int = 0) -> list[Item]:
  """The items of a folder: from its manifest.tsv, or from each video with a label file of the same stem.

  Args:
    folder: holds videos and label files, and may hold manifest.tsv with the columns video, labels, recording, split.
    seed: of the split, where there is no manifest. A clip `name_3` belongs to the recording `name`.

  Raises:
    ValueError: not a folder, a manifest line that cannot be used (named by line), or nothing to prepare.
  """
  folder = Path(folder)
  if not folder.is_dir():
    raise ValueError(f"{folder}: not a folder; expected one that holds videos and their label files")
  manifest = folder / MANIFEST
  items = _read_manifest(manifest) if manifest.is_file() else _pair_up(folder, seed)
  if not items:
    raise ValueError(
      f"{folder}: no video with a label file; expected pairs such as clip.mp4 and clip.tsv, or {MANIFEST} with the "
      f"columns {', '.join(COLUMNS)}"
    )
  return items


def write_manifest(path: Path, items: Sequence[Item]) -> None:
  """Writes a manifest beside its videos; paths become relative to it."""
  lines = ["\t".join(COLUMNS)]
  for item in items:
    video, labels = (str(p.relative_to(path.parent)) for p in (item.video, item.labels))
    lines.append("\t".join((video, labels, item.recording, item.split)))
  write_text(path, "\n".join(lines) + "\n")


def _read_manifest(path: Path) -> list[Item]:
  items = []
  splits_of: dict[str, str] = {}
  with path.open(encoding="utf-8-sig", newline="") as file:
    rows = csv.reader(file, delimiter="\t")
    header = next(rows, [])
    if tuple(header) != COLUMNS:
      raise ValueError(f"{path}:1: header is {header}; expected the tab-separated columns {', '.join(COLUMNS)}")
    for number, row in enumerate(rows, start=2):
      if not row:
        continue
      if len(row) != len(COLUMNS):
        raise ValueError(f"{path}:{number}: {len(row)} columns; expected {len(COLUMNS)}: {', '.join(COLUMNS)}")
      video, labels, recording, split = row
      if split not in SPLITS:
        raise ValueError(f"{path}:{number}: split {split!r}; expected one of {', '.join(SPLITS)}")
      if splits_of.setdefault(recording, split) != split:
        raise ValueError(
          f"{path}:{number}: recording {recording!r} is in {split} here and in {splits_of[recording]} above; a "
          "recording belongs to one split"
        )
      items.append(Item(path.parent / video, path.parent / labels, recording, split))
  return items


def _pair_up(folder: Path, seed: int) -> list[Item]:
  from attavvad_jax.annotations import FORMATS

  label_suffixes = [suffix for format in FORMATS.values() for suffix in format.suffixes]
  pairs = []
  for video in sorted(p for p in folder.iterdir() if p.suffix.lower() in _VIDEO_SUFFIXES):
    labels = next((p for s in label_suffixes if (p := video.with_suffix(s)).is_file()), None)
    if labels is not None:
      pairs.append((video, labels, re.sub(r"[_-]\d+$", "", video.stem)))
  split_of = _split({recording for _, _, recording in pairs}, seed)
  return [Item(video, labels, recording, split_of[recording]) for video, labels, recording in pairs]


def _split(recordings: set[str], seed: int) -> dict[str, str]:
  """Shares out recordings in a seeded order; every split gets one as soon as there are three."""
  order = sorted(recordings, key=lambda r: hashlib.sha256(f"{seed}/{r}".encode()).digest())
  counts = {split: round(share * len(order)) for split, share in _SHARES.items()}
  if len(order) >= len(SPLITS):
    for split in ("validation", "test"):
      counts[split] = max(1, counts[split])
  bounds = counts["validation"], counts["validation"] + counts["test"]
  return {
    recording: "validation" if i < bounds[0] else "test" if i < bounds[1] else "train"
    for i, recording in enumerate(order)
  }
