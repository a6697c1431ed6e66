"""Errors in recordings."""


class MediaError(ValueError):
  """A file or address cannot be used as a recording; the message is one line that says why and what to do."""
