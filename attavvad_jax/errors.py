"""Errors as people read them."""


def one_line(error: Exception) -> str:
  """An error's message as one line; of the system's, the file and what is wrong with it, without a number."""
  if isinstance(error, OSError) and error.filename is not None and error.strerror:
    return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
  return " ".join(str(error).split())
