"""One colour for each event, the same in videos and pictures."""

# Three of Okabe and Ito's colours and a light grey: told apart with every kind of colour blindness. Red, green, blue.
EVENT_COLOURS: dict[str, tuple[int, int, int]] = {
  "silence": (210, 210, 210),
  "speech": (86, 180, 233),
  "singing": (230, 159, 0),
  "others": (204, 121, 167),
}


def hex_colour(label: str) -> str:
  """An event's colour as matplotlib and HTML take it: #rrggbb."""
  return "#{:02x}{:02x}{:02x}".format(*EVENT_COLOURS[label])
