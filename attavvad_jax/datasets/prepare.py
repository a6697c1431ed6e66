"""Preparation: recordings in, a data set on disk out.

A preparation that is cut short leaves no data set that looks complete, and the next one goes on where it stopped. What
all functions here take:

  output: where data sets live: this one in `<output>/<data set>/<name>/<version>`.
  spec: clock and crop of the records.
  name: tells data sets of one kind apart.
  workers: processes that make the records side by side.
  beam: options of an Apache Beam pipeline, such as "--runner=FnApiRunner"; the records are made on it where given. Its
    workers must see the same files.
  keep: take a data set that is there already, if it was made of the same recordings, labels and settings. One that does
    not say what it was made of, as those of before, is taken as it is.

All raise ValueError where nothing can be used or a data set of this name exists already, and ImportError where Apache
Beam is asked for and not installed.
"""

from collections.abc import Mapping
import contextlib
import io
import json
from pathlib import Path
import shutil
from typing import TYPE_CHECKING, Any

from attavvad_jax.annotations import DEFAULT_READING, Reading
from attavvad_jax.blocks import DataSpec
from attavvad_jax.datasets.records import MADE_OF
from attavvad_jax.datasets.summary import Summary
from attavvad_jax.media import DEFAULT_TRACKS, Tracks
from attavvad_jax.notes import note
from attavvad_jax.registry import call

if TYPE_CHECKING:
  from attavvad_jax.datasets.builder import RecordingsBuilder


def prepare_folder(
  source: str | Path,
  output: str | Path,
  spec: DataSpec,
  *,
  name: str = "default",
  seed: int = 0,
  tracks: Tracks = DEFAULT_TRACKS,
  reading: Reading = DEFAULT_READING,
  label_files: str | None = None,
  estimates: bool = False,
  workers: int = 1,
  beam: str | None = None,
  keep: bool = False,
) -> Summary:
  """Prepares videos with labels: a folder or a table, as `manifest.read_folder` reads it with these choices.

  `reading` says of the label files what they do not say themselves.
  """
  from attavvad_jax.datasets.folder import Folder

  choices = {"seed": seed, "tracks": tracks, "reading": reading, "label_files": label_files, "estimates": estimates}
  builder = Folder(source, spec, **choices, name=name, workers=workers, data_dir=str(output))  # type: ignore[arg-type]
  # Before hours of work, too: it may not be what was meant.
  note("\n".join(builder.notes))
  return prepare(builder, beam=beam, keep=keep)


def prepare_mavc100(
  source: str | Path,
  output: str | Path,
  spec: DataSpec,
  *,
  name: str = "default",
  workers: int = 1,
  beam: str | None = None,
  keep: bool = False,
) -> Summary:
  """Prepares MAVC100, whose files the source holds; where some are missing, the error says how to place them."""
  from attavvad_jax.datasets.mavc100 import Mavc100

  return prepare(
    Mavc100(spec, name=name, workers=workers, data_dir=str(output)), manual_dir=source, beam=beam, keep=keep
  )


def prepare_simulated(
  output: str | Path,
  spec: DataSpec,
  preset: str,
  minutes: Mapping[str, float],
  *,
  name: str = "default",
  seed: int = 0,
  workers: int = 1,
  beam: str | None = None,
  keep: bool = False,
) -> Summary:
  """Prepares simulated performances: a name of `simulation.difficulty.PRESETS`, the minutes of each split, a seed."""
  from attavvad_jax.datasets.simulated import Simulated

  builder = Simulated(spec, preset=preset, minutes=minutes, seed=seed, name=name, workers=workers, data_dir=str(output))
  return prepare(builder, beam=beam, keep=keep)


def prepare_own(
  reference: str,
  source: str | Path,
  output: str | Path,
  spec: DataSpec,
  *,
  name: str = "default",
  workers: int = 1,
  beam: str | None = None,
  keep: bool = False,
) -> Summary:
  """Prepares a data set of the user's own, whose files the source holds.

  `reference` is package.module:Name of a `RecordingsBuilder`, or of a function that is called as one and gives one.
  """
  from attavvad_jax.datasets.builder import RecordingsBuilder

  choices = {"name": name, "workers": workers, "data_dir": str(output)}
  builder = call(reference, {}, "dataset", RecordingsBuilder, spec, **choices)  # type: ignore[type-abstract]
  return prepare(builder, manual_dir=source, beam=beam, keep=keep)


def prepare(
  builder: "RecordingsBuilder",
  *,
  manual_dir: str | Path | None = None,
  beam: str | None = None,
  keep: bool = False,
) -> Summary:
  """Prepares the data set of any builder; what it asks its user to place lies in `manual_dir`."""
  import tensorflow_datasets as tfds

  path = Path(builder.data_path)
  if path.exists():
    shutil.rmtree(builder.scratch, ignore_errors=True)  # of one that was killed as it tidied up
    if not keep:
      raise ValueError(f"{path}: exists already; remove it or choose another --name")
    made_of = json.loads((path / "metadata.json").read_text(encoding="utf-8")).get(MADE_OF)
    if made_of is not None and made_of != builder.made_of(manual_dir):
      raise ValueError(
        f"{path}: was made of other recordings, labels or settings than there are now; remove it to prepare these, or "
        "choose another folder"
      )
    return Summary.read(path)
  config = tfds.download.DownloadConfig(manual_dir=manual_dir, beam_options=_beam_options(beam))
  tfds.disable_progress_bar()
  # TFDS speaks of downloads, of which there are none.
  with contextlib.redirect_stdout(io.StringIO()):
    builder.download_and_prepare(download_config=config, download_dir=builder.scratch)
  return Summary.read(path)


def _beam_options(beam: str | None) -> Any:
  if beam is None:
    return None
  try:
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError:
    raise ImportError("Apache Beam is not installed; install it with: pip install 'attavvad_jax[beam]'") from None
  return PipelineOptions(beam.split())
