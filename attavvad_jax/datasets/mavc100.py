"""MAVC100: 200 clips of 30 s from 28 live music recordings, with two label sets by the authors of the paper.

The videos and labels are for research use and do not come with this project; users place them in TFDS's manual_dir.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import os
from pathlib import Path
import re
import shutil
import subprocess
from typing import Any
import unicodedata
import zipfile

from attavvad_jax.blocks import AUDIO, AUDIO_VISUAL, DataSpec
from attavvad_jax.datasets import mavc100_table
from attavvad_jax.datasets.builder import RecordingsBuilder
from attavvad_jax.datasets.manifest import Item, LeftOut
from attavvad_jax.datasets.videos import Video

HOMEPAGE = "https://github.com/Yuanbo2020/Audio-Visual-VAD/tree/main/Open_dataset_MAVC100"
INSTRUCTIONS = (
  "place the 200 videos (<clip>.mp4) and both label sets (<clip>.csv, in folders or archives named audio or "
  f"audio-visual) in the folder given by --input, which is TFDS's manual_dir; they are available from {HOMEPAGE}"
)
_AUDIO_VISUAL_LABELS, _AUDIO_LABELS = "audio-visual label files", "audio label files"
# Maximum number of missing files in an error message.
_MAX_SHOWN = 5
# Commands that unpack RAR archives, which Python cannot.
_UNPACKERS = (
  ("bsdtar", "-xf", "{archive}", "-C", "{folder}"),
  ("unar", "-q", "-f", "-o", "{folder}", "{archive}"),
  ("7z", "x", "-y", "-o{folder}", "{archive}"),
  ("unrar", "x", "-y", "{archive}", "{folder}/"),
)


class Mavc100(RecordingsBuilder):
  """The MAVC100 clips, split by recording."""

  MANUAL_DOWNLOAD_INSTRUCTIONS = INSTRUCTIONS

  def __init__(self, spec: DataSpec, **kwargs: Any):
    super().__init__(dataclasses.replace(spec, label_sets=(AUDIO_VISUAL, AUDIO)), **kwargs)

  def _recordings(self, dl_manager: Any, scratch: Path) -> tuple[Sequence[Video], Sequence[LeftOut]]:
    try:
      folder = Path(dl_manager.manual_dir)
    except AssertionError:
      raise ValueError(f"MAVC100: the folder of its files is missing or empty; {INSTRUCTIONS}") from None
    return [Video(_name(item.video), item) for item in find_clips(folder, scratch)], ()


def find_clips(folder: Path, scratch: Path) -> list[Item]:
  """Returns the clips of the data set in the order of its table.

  Args:
    folder: folder that holds, at any depth, the videos and each label set as a folder or as a zip or RAR archive.
    scratch: folder that receives labels from archives.

  Raises:
    ValueError: files are missing (the message says how many, which, and where to place them), or an archive cannot be
      unpacked.
  """
  clips = [(r, f"{r.name}_{i}") for r in mavc100_table.RECORDINGS for i in range(r.num_clips)]
  names = [clip for _, clip in clips]
  videos = {_name(path): path for path in _find(folder, ".mp4")}
  labels = _find_labels(folder)
  if any(name not in found for name in names for found in labels.values()):
    # An interrupted preparation may have left labels of an archive that has changed since.
    shutil.rmtree(scratch / "labels", ignore_errors=True)
    for archive in _find(folder, ".zip", ".rar"):
      _unpack(archive, scratch / "labels" / archive.relative_to(folder).with_suffix(""))
    labels = {kind: _find_labels(scratch / "labels")[kind] | labels[kind] for kind in labels}
  missing = [phrase for what, found in {"videos": videos, **labels}.items() for phrase in _missing(what, names, found)]
  if missing:
    raise ValueError(f"MAVC100: {folder} lacks {'; '.join(missing)}; {INSTRUCTIONS}")
  return [
    Item(videos[clip], labels[_AUDIO_VISUAL_LABELS][clip], recording.name, recording.split, labels[_AUDIO_LABELS][clip])
    for recording, clip in clips
  ]


def _find(folder: Path, *suffixes: str) -> list[Path]:
  """Returns all files below a folder with one of these suffixes, except those that macOS adds to archives."""
  return sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and not p.name.startswith("._"))


def _find_labels(folder: Path) -> dict[str, dict[str, Path]]:
  """Returns label files by kind and clip; the folder and archive names of a file determine its kind."""
  found: dict[str, dict[str, Path]] = {_AUDIO_VISUAL_LABELS: {}, _AUDIO_LABELS: {}}
  for path in _find(folder, ".csv"):
    audio_visual = re.search("audio[-_ ]?visual", str(path.parent.relative_to(folder)), re.IGNORECASE)
    found[_AUDIO_VISUAL_LABELS if audio_visual else _AUDIO_LABELS][_name(path)] = path
  return found


def _name(path: Path) -> str:
  # File systems and archives write the same letter as one character or as two.
  return unicodedata.normalize("NFC", path.stem)


def _missing(what: str, names: Sequence[str], found: Mapping[str, Path]) -> Iterator[str]:
  """Yields one phrase if any of the names was not found."""
  absent = [name for name in names if name not in found]
  if absent:
    more = ", ..." if len(absent) > _MAX_SHOWN else ""
    yield f"{len(absent)} of {len(names)} {what} ({', '.join(absent[:_MAX_SHOWN])}{more})"


def _unpack(archive: Path, folder: Path) -> None:
  folder.mkdir(parents=True, exist_ok=True)
  if archive.suffix.lower() == ".zip":
    try:
      _open_zip(archive).extractall(folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
      raise ValueError(f"{archive}: cannot be unpacked ({error})") from None
    return
  command = next((command for command in _UNPACKERS if shutil.which(command[0])), None)
  if command is None:
    tools = ", ".join(name for name, *_ in _UNPACKERS)
    raise ValueError(f"{archive}: RAR archives need one of {tools}; install one, or unpack the archive where it lies")
  run = [part.format(archive=archive, folder=folder) for part in command]
  # File names beyond ASCII need a UTF-8 locale.
  result = subprocess.run(run, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
  if result.returncode:
    raise ValueError(f"{archive}: cannot be unpacked ({command[0]}: {result.stderr.strip() or result.stdout.strip()})")


def _open_zip(path: Path) -> zipfile.ZipFile:
  """Opens a zip archive; file names without an encoding flag are read as UTF-8 if possible, else as code page 437."""
  try:
    return zipfile.ZipFile(path, metadata_encoding="utf-8")
  except UnicodeDecodeError:
    return zipfile.ZipFile(path)
