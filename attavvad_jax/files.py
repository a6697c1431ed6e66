"""Writes files and folders that appear only when they are complete, and locks a folder for one program."""

from collections.abc import Iterator
import contextlib
import fcntl
import os
from pathlib import Path
import shutil


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
  """Yields a temporary path beside `path` to write to, and renames it to `path` at the end of the `with` block.

  After an exception, `path` is unchanged and the temporary file is removed.
  """
  path = Path(path)
  part = path.with_name(f".{path.name}.{os.getpid()}.part")
  try:
    yield part
    part.replace(path)
  finally:
    part.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
  """Yields a temporary folder beside `path` to write into, and renames it to `path` at the end of the `with` block.

  After an exception, the temporary folder is removed.

  Raises:
    ValueError: `path` exists and is not an empty folder.
  """
  path = Path(path).absolute()
  if path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir())):
    raise ValueError(f"{path}: exists already; choose another folder, or remove it")
  part = path.with_name(f".{path.name}.{os.getpid()}.part")
  part.mkdir(parents=True)
  try:
    yield part
    part.replace(path)
  finally:
    shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Locks a folder until the `with` block ends; creates it if missing. Any end of the program releases the lock.

  Raises:
    ValueError: another program has locked the folder.
  """
  Path(folder).mkdir(parents=True, exist_ok=True)
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    try:
      fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise ValueError(
        f"{folder}: another program is at work in it; wait until it ends, or use another folder"
      ) from None
    yield
  finally:
    os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> None:
  """Writes a text file in UTF-8 with Unix line endings, completely or not at all."""
  with replacing(path) as part:
    part.write_text(text, encoding="utf-8", newline="\n")
