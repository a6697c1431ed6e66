"""Lists the videos of a folder or a manifest, with their labels, recordings and splits."""

from collections.abc import Callable, Sequence
import csv
import dataclasses
import hashlib
from pathlib import Path

from attavvad_jax.annotations import DEFAULT_READING, Reading
from attavvad_jax.datasets.grouping import group
from attavvad_jax.datasets.pairing import Pairing
from attavvad_jax.filenames import name_some
from attavvad_jax.files import write_text
from attavvad_jax.marks import is_estimate
from attavvad_jax.media.tracks import DEFAULT_TRACKS, Tracks

SPLITS = ("train", "validation", "test")
MANIFEST = "manifest.tsv"
COLUMNS = ("video", "labels", "recording", "split")
OPTIONAL_COLUMNS = ("audio_labels", "conditions")
# Further optional columns: the tracks of a video to use, as `Tracks` describes.
TRACK_COLUMNS = ("audio_track", "video_track", "audio_channels")
# Another optional column: the start of a video in the times of its label files.
ORIGIN_COLUMN = "label_origin_s"
_ALL_OPTIONAL = (*OPTIONAL_COLUMNS, *TRACK_COLUMNS, ORIGIN_COLUMN)
# Maximum number of left-out files in an error message.
_MAX_SHOWN = 5
_DELIMITERS = {".tsv": "\t", ".csv": ","}
# Shares of recordings for a folder without a manifest: the paper's 360 / 40 / 100 minutes.
_SHARES = {"train": 0.72, "validation": 0.08, "test": 0.20}


@dataclasses.dataclass(frozen=True)
class Item:
  """A video with its label files.

  Attributes:
    video: a file with audio that FFmpeg reads.
    labels: label file of the performer on camera, in any format of `annotations`.
    recording: name of the recording; all clips of a recording are in one split.
    split: one of `SPLITS`.
    audio_labels: label file of any voice; None if there is none.
    conditions: a JSON file with one flat object that describes the clip; None if there is none.
    tracks: the audio and video tracks to use.
    label_origin_s: start of the video in the times of its label files, in seconds; None if they state it or it is 0.
  """

  video: Path
  labels: Path
  recording: str
  split: str
  audio_labels: Path | None = None
  conditions: Path | None = None
  tracks: Tracks = DEFAULT_TRACKS
  label_origin_s: float | None = None


@dataclasses.dataclass(frozen=True)
class LeftOut:
  """A file that is not in a data set, and the reason."""

  file: str
  reason: str

  def __str__(self) -> str:
    return self.reason if self.reason.startswith(self.file) else f"{self.file}: {self.reason}"


def read_folder(
  source: str | Path,
  seed: int = 0,
  left_out: list[LeftOut] | None = None,
  tracks: Tracks = DEFAULT_TRACKS,
  *,
  notes: list[str] | None = None,
  label_files: str | None = None,
  estimates: bool = False,
  reading: Reading = DEFAULT_READING,
  probe_s: Callable[[Path], float | None] | None = None,
) -> list[Item]:
  """Returns the items of a folder or of a manifest.

  `seed`, `left_out`, `label_files`, `reading` and `probe_s` apply only without a manifest.

  Args:
    source: a folder with manifest.tsv or manifest.csv; such a manifest; or a folder of videos with label files, which
      `pairing` matches. A manifest has the columns video, labels, recording, split, and may have audio_labels,
      conditions, audio_track, video_track, audio_channels and label_origin_s; paths are relative to it.
    seed: seed of the split. `grouping` decides which clips belong to one recording.
    left_out: list that receives unused files with the reason.
    tracks: audio and video tracks of videos for which the manifest names none.
    notes: list that receives a line with the number of recordings and how they were determined.
    label_files: the label files to use: an extension or a name pattern.
    estimates: whether this package's own detections count as labels.
    reading: what the label files do not state themselves.
    probe_s: function that returns the duration of a video in seconds; videos for which it raises are left out before
      the split.

  Raises:
    ValueError: `source` is neither a folder nor a manifest, a manifest line cannot be used (the message has its
      number), label files of one video disagree, a manifest lists detections, or there is nothing to prepare.
    OSError: a file cannot be read.
  """
  left_out = [] if left_out is None else left_out
  notes = [] if notes is None else notes
  source = Path(source)
  if source.is_file() and source.suffix.lower() in _DELIMITERS:
    manifest = source
  elif source.is_dir():
    manifest = source / MANIFEST if (source / MANIFEST).is_file() else (source / MANIFEST).with_suffix(".csv")
  else:
    raise ValueError(f"{source}: not a folder; expected a folder of videos and their label files, or a manifest")
  if manifest.is_file():
    items = _read_manifest(manifest)
    if not estimates:
      _refuse_estimates(manifest, items)
    notes.append(f"{len({item.recording for item in items})} recordings in {len(items)} videos, by {manifest.name}")
  else:
    pairing = Pairing(source, reading, label_files=label_files, estimates=estimates, probe_s=probe_s)
    left_out += [LeftOut(str(path), reason) for path, reason in pairing.left_out]
    items = _to_items(source, pairing.pairs, seed, notes)
  items = [item if item.tracks != DEFAULT_TRACKS else dataclasses.replace(item, tracks=tracks) for item in items]
  if not items:
    raise ValueError(
      f"{source}: no video with a label file; expected pairs such as clip.mp4 and clip.tsv, or {MANIFEST} with the "
      f"columns {', '.join(COLUMNS)}{_found(left_out)}"
    )
  return items


def write_manifest(path: Path, items: Sequence[Item]) -> None:
  """Writes a manifest; the paths must lie below its folder and are stored relative to it."""
  has_tracks = any(item.tracks != DEFAULT_TRACKS for item in items)
  has_origins = any(item.label_origin_s is not None for item in items)
  further = (*(TRACK_COLUMNS if has_tracks else ()), *((ORIGIN_COLUMN,) if has_origins else ()))
  columns = (*COLUMNS, *OPTIONAL_COLUMNS, *further)
  lines = ["\t".join(columns)]
  for item in items:
    video, labels, audio_labels, conditions = (
      "" if file is None else str(file.relative_to(path.parent))
      for file in (item.video, item.labels, item.audio_labels, item.conditions)
    )
    values = dict(zip(TRACK_COLUMNS, dataclasses.astuple(item.tracks), strict=True))
    values[ORIGIN_COLUMN] = item.label_origin_s
    rest = ("" if values[column] is None else str(values[column]) for column in further)
    lines.append("\t".join((video, labels, item.recording, item.split, audio_labels, conditions, *rest)))
  write_text(path, "\n".join(lines) + "\n")


def _read_manifest(path: Path) -> list[Item]:
  items = []
  splits_of: dict[str, str] = {}
  try:
    table = path.read_text(encoding="utf-8-sig")
  except UnicodeDecodeError:
    raise ValueError(f"{path}: not UTF-8; save the table as UTF-8 text") from None
  rows = csv.reader(table.splitlines(), delimiter=_DELIMITERS[path.suffix.lower()], strict=True)
  try:
    header = next(rows, [])
    _check_header(header, path)
    for row in rows:
      if row:
        items.append(_parse_row(row, header, path, rows.line_num, splits_of))
  except csv.Error as error:
    raise ValueError(f"{path}:{rows.line_num}: {error}") from None
  with_audio_labels = [item for item in items if item.audio_labels is not None]
  if 0 < len(with_audio_labels) < len(items):
    raise ValueError(
      f"{path}: {len(with_audio_labels)} of {len(items)} videos have audio_labels; expected all of them or none"
    )
  return items


def _check_header(header: list[str], path: Path) -> None:
  missing = [name for name in COLUMNS if name not in header]
  unknown = [name for name in header if name not in (*COLUMNS, *_ALL_OPTIONAL)]
  if missing or unknown or len(set(header)) < len(header):
    separator = "comma" if path.suffix.lower() == ".csv" else "tab"
    raise ValueError(
      f"{path}:1: header is {header}; expected the {separator}-separated columns {', '.join(COLUMNS)} and optionally "
      f"{', '.join(_ALL_OPTIONAL)}"
    )


def _parse_row(row: list[str], header: list[str], path: Path, number: int, splits_of: dict[str, str]) -> Item:
  if len(row) != len(header):
    raise ValueError(f"{path}:{number}: {len(row)} columns; expected {len(header)}: {', '.join(header)}")
  values = dict(zip(header, row, strict=True))
  for name in COLUMNS:
    if not values[name]:
      raise ValueError(f"{path}:{number}: {name} is empty")
  recording, split = values["recording"], values["split"]
  if split not in SPLITS:
    raise ValueError(f"{path}:{number}: split {split!r}; expected one of {', '.join(SPLITS)}")
  if splits_of.setdefault(recording, split) != split:
    raise ValueError(
      f"{path}:{number}: recording {recording!r} is in {split} here and in {splits_of[recording]} above; a "
      "recording belongs to one split"
    )
  audio_labels, conditions = (path.parent / values[name] if values.get(name) else None for name in OPTIONAL_COLUMNS)
  audio_track, video_track, channels = (values.get(name) for name in TRACK_COLUMNS)
  tracks = Tracks.parse(audio_track, video_track, channels, where=f"{path}:{number}: ")
  video, labels = (path.parent / values[name] for name in ("video", "labels"))
  origin = values.get(ORIGIN_COLUMN)
  try:
    origin_s = float(origin) if origin else None
  except ValueError:
    raise ValueError(f"{path}:{number}: {ORIGIN_COLUMN} is {origin!r}; expected seconds") from None
  return Item(video, labels, recording, split, audio_labels, conditions, tracks, origin_s)


def _refuse_estimates(manifest: Path, items: Sequence[Item]) -> None:
  files = [path for item in items for path in (item.labels, item.audio_labels) if path is not None]
  if found := [path for path in files if is_estimate(path)]:
    raise ValueError(
      f"{manifest}: {len(found)} of {len(files)} label files are uncorrected detections of this package "
      f"({name_some(found)}); correct them, or accept them as labels with --estimates"
    )


def _to_items(folder: Path, pairs: Sequence[tuple[Path, Path]], seed: int, notes: list[str]) -> list[Item]:
  recordings, how = group([video.relative_to(folder).with_suffix("").as_posix() for video, _ in pairs])
  split_of = _split(set(recordings), seed)
  notes.append(how)
  return [
    Item(video, labels, recording, split_of[recording])
    for (video, labels), recording in zip(pairs, recordings, strict=True)
  ]


def _found(left_out: Sequence[LeftOut]) -> str:
  """Returns the end of an error message, with the files that were found."""
  reasons = "; ".join(map(str, left_out[:_MAX_SHOWN]))
  more = f"; and {len(left_out) - _MAX_SHOWN} more" if len(left_out) > _MAX_SHOWN else ""
  return f". Found: {reasons}{more}" if left_out else ""


def _split(recordings: set[str], seed: int) -> dict[str, str]:
  """Assigns recordings to splits in a seeded order; each split gets at least one if there are three or more."""
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
