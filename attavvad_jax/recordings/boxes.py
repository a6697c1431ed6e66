"""A fixed box of the performer's face."""

# x, y, width, height as fractions of the displayed frame.
Box = tuple[float, float, float, float]


def check_box(box: Box | None) -> None:
  """Validates a box.

  Raises:
    ValueError: the box does not lie inside the frame.
  """
  if box is not None:
    x, y, width, height = box
    if not (0 <= x < 1 and 0 <= y < 1 and 0 < width <= 1 - x + 1e-6 and 0 < height <= 1 - y + 1e-6):
      raise ValueError(f"face box is {box}; expected x, y, width, height as fractions inside the frame")
