"""One color for each event, the same in videos, figures and pages."""

Color = tuple[int, int, int]

# Red, green, blue; distinguishable with every kind of color blindness. For videos and dark backgrounds: three of Okabe
# and Ito's colors and a light gray.
EVENT_COLORS: dict[str, Color] = {
  "silence": (210, 210, 210),
  "speech": (86, 180, 233),
  "singing": (230, 159, 0),
  "others": (204, 121, 167),
}
# The same hues for thin lines on white, where the colors above are too pale.
EVENT_INKS: dict[str, Color] = {
  "silence": (136, 140, 146),
  "speech": (0, 92, 175),
  "singing": (196, 115, 0),
  "others": (150, 30, 95),
}


def hex_color(label: str, colors: dict[str, Color] = EVENT_COLORS) -> str:
  """Returns an event's color as #rrggbb, for matplotlib and HTML."""
  return "#{:02x}{:02x}{:02x}".format(*colors[label])
