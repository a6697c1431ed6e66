"""What a command shows beside its results and its errors, and `--quiet` suppresses: remarks and progress bars."""

import os
import sys
from typing import Any, TextIO

# Set while a command is quiet; child processes inherit it.
QUIET = "ATTAVVAD_QUIET"


def is_quiet() -> bool:
  """Whether only results and errors are printed."""
  return bool(os.environ.get(QUIET))


def note(text: str, file: TextIO | None = None) -> None:
  """Prints a remark, to standard error where no file is given."""
  if not is_quiet():
    print(text, file=file or sys.stderr, flush=True)


def progress_bar(*arguments: Any, disable: bool | None = False, **options: Any) -> Any:
  """A progress bar with the arguments of `tqdm.tqdm`."""
  from tqdm import tqdm

  return tqdm(*arguments, disable=is_quiet() or disable, **options)
