"""What a run leaves to be read: one JSON object a line in log.jsonl, and the same figures for TensorBoard."""

from collections.abc import Mapping
import json
from pathlib import Path

from tensorboardX import SummaryWriter

from attavvad_jax.files import write_text


class RunLog:
  """Appends figures to `<workdir>/log.jsonl` and `<workdir>/tensorboard`.

  A run that goes on from step s first drops lines after s: they will be written again.
  """

  def __init__(self, workdir: Path, step: int):
    self._path = workdir / "log.jsonl"
    if self._path.exists():
      kept = [line for line in self._path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
      write_text(self._path, "".join(line + "\n" for line in kept))
    self._file = self._path.open("a", encoding="utf-8")
    self._board = SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)

  def write(self, step: int, split: str, figures: Mapping[str, float]) -> None:
    """One line; a figure that is NaN (nothing was counted) becomes null."""
    finite = {name: value if value == value else None for name, value in figures.items()}
    self._file.write(json.dumps({"step": step, "split": split, **finite}) + "\n")
    self._file.flush()
    for name, value in finite.items():
      if value is not None:
        self._board.add_scalar(f"{split}/{name}", value, step)

  def close(self) -> None:
    self._file.close()
    self._board.close()


def _step_of(line: str) -> float:
  """The step of a line; a line cut short by a crash has none and is dropped."""
  try:
    return json.loads(line)["step"]
  except (json.JSONDecodeError, KeyError, TypeError):
    return float("inf")
