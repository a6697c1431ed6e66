"""Preparation: a folder of videos in, a data set on disk out."""

from collections.abc import Sequence
import contextlib
import dataclasses
import io
from pathlib import Path

from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.datasets.manifest import read_folder
from attavvad_jax.datasets.records import DataSpec


@dataclasses.dataclass(frozen=True)
class Summary:
  """What a preparation wrote: the data set's folder, seconds by split and event, and what was left out and why."""

  path: Path
  seconds: dict[str, dict[str, float]]
  blocks: dict[str, int]
  rejected: Sequence[str]
  warnings: Sequence[str]

  def __str__(self) -> str:
    lines = [f"prepared {self.path}"]
    for split, totals in self.seconds.items():
      events = ", ".join(f"{label} {seconds:.0f} s" for label, seconds in totals.items())
      lines.append(f"  {split}: {self.blocks[split]} blocks; {events}")
    lines += [f"  warning: {warning}" for warning in self.warnings]
    lines += [f"  left out: {reason}" for reason in self.rejected]
    return "\n".join(lines)


def prepare_folder(
  source: str | Path, output: str | Path, spec: DataSpec, *, name: str = "default", seed: int = 0
) -> Summary:
  """Prepares a folder of videos and labels as `<output>/video_folder/<name>/<version>`.

  A preparation that is cut short leaves no data set that looks complete: it is written aside and renamed at the end.

  Args:
    source: a folder as `manifest.read_folder` reads it.
    output: where data sets live.
    spec: clock and crop of the records.
    name: tells data sets of one output folder apart.
    seed: of the split by recording, where the source has no manifest.

  Raises:
    ValueError: nothing usable in the source, or a data set of this name exists already.
  """
  import tensorflow_datasets as tfds

  from attavvad_jax.datasets.video_folder import VideoFolder

  builder = VideoFolder(read_folder(source, seed), spec, name, data_dir=str(output))
  if Path(builder.data_path).exists():
    raise ValueError(f"{builder.data_path}: exists already; remove it or choose another --name")
  tfds.disable_progress_bar()
  # TFDS speaks of downloads, of which there are none.
  with contextlib.redirect_stdout(io.StringIO()):
    builder.download_and_prepare()
  data = PreparedData(builder.data_path)
  return Summary(
    data.path,
    builder.seconds,
    {split: len(data.source(split)) for split in data.splits},
    builder.rejected,
    builder.warnings,
  )
