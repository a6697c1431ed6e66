"""One color for each event, the same in videos, pictures and pages."""

Color = tuple[int, int, int]

# Red, green, blue; told apart with every kind of color blindness. In videos and on dark paper: three of Okabe and
# Ito's colors and a light gray.
EVENT_COLORS: dict[str, Color] = {
  "silence": (210, 210, 210),
  "speech": (86, 180, 233),
  "singing": (230, 159, 0),
  "others": (204, 121, 167),
}
# The same hues for thin lines on white paper, where the ones above are too pale.
EVENT_INKS: dict[str, Color] = {
  "silence": (136, 140, 146),
  "speech": (0, 92, 175),
  "singing": (196, 115, 0),
  "others": (150, 30, 95),
}


def hex_color(label: str, colors: dict[str, Color] = EVENT_COLORS) -> str:
  """An event's color as matplotlib and HTML take it: #rrggbb."""
  return "#{:02x}{:02x}{:02x}".format(*colors[label])
