"""What goes wrong with other people's files."""


class MediaError(ValueError):
  """A file that cannot be used as a recording; the message is one line that says why and what to do."""
