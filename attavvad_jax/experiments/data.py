"""The data sets of the experiments, each prepared once."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from attavvad_jax.blocks import DataSpec
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.datasets.prepare import prepare_mavc100, prepare_simulated
from attavvad_jax.experiments.plan import DATA_SEED, Budget
from attavvad_jax.files import write_text
from attavvad_jax.simulation.difficulty import preset as find_preset

_SIMULATED = "simulated:"


@dataclasses.dataclass(frozen=True)
class DataSource:
  """A validated value of `--data`.

  Attributes:
    name: the value: "simulated:PRESET", "mavc100" or the path of a prepared data set.
    source: the folder with MAVC100's files.
    prepared: the data set, if it is already prepared.
  """

  name: str
  source: Path | None = None
  prepared: PreparedData | None = None

  def prepare(self, folder: Path, spec: DataSpec, budget: Budget) -> PreparedData:
    """Returns the data set, after preparing it in `folder` if necessary.

    Raises:
      ValueError: the folder holds another data set, or nothing can be prepared.
    """
    if self.prepared is not None:
      return self.prepared
    output = folder / self.name.replace(":", "_")
    request: dict[str, Any] = {"data": self.name, "spec": spec.to_dict()}
    if self.preset is not None:
      settings = dataclasses.asdict(find_preset(self.preset))
      request.update(preset=settings, minutes=dict(budget.minutes), seed=DATA_SEED)
    _claim(output, request)
    workers = os.cpu_count() or 1
    if self.source is not None:
      print(prepare_mavc100(self.source, output, spec, workers=workers, keep=True), flush=True)
    elif not any(output.glob("*/*/*/dataset_info.json")):
      assert self.preset is not None
      summary = prepare_simulated(output, spec, self.preset, budget.minutes, seed=DATA_SEED, workers=workers)
      print(summary, flush=True)
    return PreparedData(output)

  @property
  def preset(self) -> str | None:
    """The difficulty preset of the simulation; None for other data."""
    return self.name.removeprefix(_SIMULATED) if self.name.startswith(_SIMULATED) else None

  def describe(self, data: PreparedData, budget: Budget) -> str:
    """Returns the name and size of the data as text."""
    if self.preset is not None:
      size = ", ".join(f"{minutes:g} min {split}" for split, minutes in budget.minutes.items())
    else:
      size = ", ".join(f"{len(data.source(split))} blocks {split}" for split in data.splits)
    return f"{self.name}: {size}"


def find_data(name: str, source: str | Path | None = None) -> DataSource:
  """Parses a value of `--data` without preparing anything.

  Args:
    name: "simulated:PRESET", "mavc100" or the path of a prepared data set.
    source: the folder with MAVC100's files.

  Raises:
    ValueError: the preset is unknown, MAVC100's folder is not given, or the path holds no data set.
  """
  if name.startswith(_SIMULATED):
    find_preset(name.removeprefix(_SIMULATED))
    return DataSource(name)
  if name == "mavc100":
    if source is None:
      raise ValueError("--data=mavc100 needs --input, the folder of its files")
    if not Path(source).is_dir():
      raise ValueError(f"--input={source}: not a folder; expected the folder of MAVC100's files")
    return DataSource(name, Path(source))
  if not Path(name).exists():
    raise ValueError(
      f"--data={name}: no such data set; expected simulated:PRESET, mavc100 or the path of a prepared data set"
    )
  return DataSource(name, prepared=PreparedData(Path(name).absolute()))


def _claim(folder: Path, request: dict[str, Any]) -> None:
  """Records beside a data set what it is made of; refuses a folder with a data set made of something else."""
  path = folder / "request.json"
  text = json.dumps(request, indent=2) + "\n"
  if path.is_file() and path.read_text(encoding="utf-8") != text:
    raise ValueError(f"{folder}: holds other data than this budget asks for; use another --output or remove it")
  folder.mkdir(parents=True, exist_ok=True)
  write_text(path, text)
