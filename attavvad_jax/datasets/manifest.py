"""Which videos a folder or a table offers, with their labels, recordings and splits."""

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
# May stand in a table, too: what of a video is used, as `Tracks` says.
TRACK_COLUMNS = ("audio_track", "video_track", "audio_channels")
# And where a video begins in the times of its label files.
ORIGIN_COLUMN = "label_origin_s"
_ALL_OPTIONAL = (*OPTIONAL_COLUMNS, *TRACK_COLUMNS, ORIGIN_COLUMN)
# Of what was left out, as much is told in an error.
_TOLD = 5
_DELIMITERS = {".tsv": "\t", ".csv": ","}
# Of a folder without a manifest, by recording: the paper's 360 / 40 / 100 minutes.
_SHARES = {"train": 0.72, "validation": 0.08, "test": 0.20}


@dataclasses.dataclass(frozen=True)
class Item:
  """A video with its label files.

  Attributes:
    video: a file with sound that FFmpeg reads.
    labels: the events of the performer on camera, in any format of `annotations`.
    recording: groups the clips that must not be torn apart by the split.
    split: one of `SPLITS`.
    audio_labels: the events of any voice; None where they are not known.
    conditions: a JSON file that describes the clip, one flat object; None where there is none.
    tracks: which of the video's sound and pictures are used.
    label_origin_s: where the video begins in the times of its label files; None where they say it, or it is 0.
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
  """A file that is not in a data set, and why."""

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
  """The items of a folder or of a manifest.

  Args:
    source: a folder with manifest.tsv or manifest.csv; such a table itself; or a folder of videos with label files of
      their names, as `pairing` finds them. The table has the columns video, labels, recording, split, and may have
      audio_labels, conditions, audio_track, video_track, audio_channels and label_origin_s; paths are relative to it.
    seed: of the split, where there is no manifest. `grouping` tells which clips are of one recording.
    left_out: receives what is not used, with the reason, where there is no manifest.
    tracks: which of the videos' sound and pictures are used, where the manifest does not say.
    notes: receives a line that says how many recordings there are, and how they were told.
    label_files: which label files are meant, where there is no manifest: an extension or a pattern of names.
    estimates: whether what this package has detected is taken for labels, too.
    reading: what the label files do not say themselves, where there is no manifest.
    probe_s: the length of a video in seconds; where given, videos for which it raises are left out before the split,
      where there is no manifest.

  Raises:
    ValueError: not a folder, a manifest line that cannot be used (named by line), several label files of one video that
      say different things, estimates in a manifest, or nothing to prepare.
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
    raise ValueError(f"{source}: not a folder; expected one that holds videos and their label files, or a manifest")
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
      f"columns {', '.join(COLUMNS)}{_tell(left_out)}"
    )
  return items


def write_manifest(path: Path, items: Sequence[Item]) -> None:
  """Writes a manifest; paths become relative to it, and must lie below its folder."""
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
    told = ("" if values[column] is None else str(values[column]) for column in further)
    lines.append("\t".join((video, labels, item.recording, item.split, audio_labels, conditions, *told)))
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
      f"{path}:1: header is {header}; expected the {separator}-separated columns {', '.join(COLUMNS)} and, where they "
      f"are known, {', '.join(_ALL_OPTIONAL)}"
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
      f"{manifest}: {len(found)} of {len(files)} label files are what was detected here before, and nobody has "
      f"corrected ({name_some(found)}); correct them, or take them for labels by --estimates"
    )


def _to_items(folder: Path, pairs: Sequence[tuple[Path, Path]], seed: int, notes: list[str]) -> list[Item]:
  recordings, how = group([video.relative_to(folder).with_suffix("").as_posix() for video, _ in pairs])
  split_of = _split(set(recordings), seed)
  notes.append(how)
  return [
    Item(video, labels, recording, split_of[recording])
    for (video, labels), recording in zip(pairs, recordings, strict=True)
  ]


def _tell(left_out: Sequence[LeftOut]) -> str:
  """What else was found, in a line."""
  reasons = "; ".join(map(str, left_out[:_TOLD]))
  more = f"; and {len(left_out) - _TOLD} more" if len(left_out) > _TOLD else ""
  return f". What is there: {reasons}{more}" if left_out else ""


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
