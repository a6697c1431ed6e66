"""Files that are there whole or not at all."""

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
  """Gives a name beside `path` to write to, and renames it to `path` at the end of the `with` block.

  After an exception, what was there before is there still, and nothing else.
  """
  path = Path(path)
  part = path.with_name(f".{path.name}.{os.getpid()}.part")
  try:
    yield part
    part.replace(path)
  finally:
    part.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
  """Writes a text file in UTF-8 with Unix line ends, whole or not at all."""
  with replacing(path) as part:
    part.write_text(text, encoding="utf-8", newline="\n")
