"""Formats errors for users."""


def one_line(error: Exception) -> str:
  """Returns an error's message as one line; for an error of the system, the file and the reason without a number."""
  if isinstance(error, OSError) and error.filename is not None and error.strerror:
    return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
  return " ".join(str(error).split())
