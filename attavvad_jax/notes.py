"""Remarks and progress bars, which commands show besides results and errors; `--quiet` suppresses them."""

import os
import sys
from typing import Any, TextIO

# Environment variable that is set while a command is quiet; child processes inherit it.
QUIET = "ATTAVVAD_QUIET"


def is_quiet() -> bool:
  """Returns whether only results and errors are printed."""
  return bool(os.environ.get(QUIET))


def note(text: str, file: TextIO | None = None) -> None:
  """Prints a remark to `file`, by default to standard error."""
  if not is_quiet():
    print(text, file=file or sys.stderr, flush=True)


def progress_bar(*arguments: Any, disable: bool | None = False, **options: Any) -> Any:
  """Returns a progress bar; takes the arguments of `tqdm.tqdm`."""
  from tqdm import tqdm

  return tqdm(*arguments, disable=is_quiet() or disable, **options)
