"""Preparation: turns recordings into a data set on disk.

An interrupted preparation leaves no data set that looks complete, and the next one resumes where it stopped. All
functions share these arguments:

  output: folder of data sets; this one is written to `<output>/<data set>/<name>/<version>`.
  spec: clock and crop of the records.
  name: name that distinguishes data sets of one kind.
  workers: number of processes that make the records.
  beam: options of an Apache Beam pipeline, such as "--runner=FnApiRunner", that makes the records; its workers must see
    the same files.
  keep: whether to reuse an existing data set if it was made of the same recordings, labels and settings. A data set
    without a digest of these is reused unchecked.

All raise ValueError if nothing can be used or a data set of this name exists already, and ImportError if Apache Beam is
requested but not installed.
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
  """Prepares videos with labels from a folder or a manifest; `manifest.read_folder` describes the other arguments."""
  from attavvad_jax.datasets.folder import Folder

  choices = {"seed": seed, "tracks": tracks, "reading": reading, "label_files": label_files, "estimates": estimates}
  builder = Folder(source, spec, **choices, name=name, workers=workers, data_dir=str(output))  # type: ignore[arg-type]
  # Shown before hours of work, because the grouping may be wrong.
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
  """Prepares MAVC100 from the files in `source`; if some are missing, the error says how to place them."""
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
  sounds: str | None = None,
  workers: int = 1,
  beam: str | None = None,
  keep: bool = False,
) -> Summary:
  """Prepares simulated performances of a preset of `simulation.difficulty.PRESETS`, with the minutes of each split.

  `sounds` is the folder of recorded voices and music of presets that use them.
  """
  from attavvad_jax.datasets.simulated import Simulated

  choices = {"preset": preset, "minutes": minutes, "seed": seed, "sounds": sounds}
  builder = Simulated(spec, **choices, name=name, workers=workers, data_dir=str(output))  # type: ignore[arg-type]
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
  """Prepares a user-defined data set from the files in `source`.

  `reference` is package.module:Name of a `RecordingsBuilder`, or of a function with its arguments that returns one.
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
  """Prepares the data set of any builder; `manual_dir` holds the files that users place themselves."""
  import tensorflow_datasets as tfds

  path = Path(builder.data_path)
  if path.exists():
    shutil.rmtree(builder.scratch, ignore_errors=True)  # left by a preparation that was killed in its cleanup
    if not keep:
      raise ValueError(f"{path}: exists already; remove it or choose another --name")
    made_of = json.loads((path / "metadata.json").read_text(encoding="utf-8")).get(MADE_OF)
    if made_of is not None and made_of != builder.made_of(manual_dir):
      raise ValueError(
        f"{path}: was made of other recordings, labels or settings; remove it to prepare the current ones, or choose "
        "another folder"
      )
    return Summary.read(path)
  config = tfds.download.DownloadConfig(manual_dir=manual_dir, beam_options=_beam_options(beam))
  tfds.disable_progress_bar()
  # TFDS reports downloads, although there are none.
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
