"""Colors are distinguishable with every kind of color blindness, and contrast with their background."""

import itertools
from pathlib import Path
import re

import numpy as np
import pytest

from attavvad_jax.reports import render
from attavvad_jax.timeline import EVENTS, palette

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISIONS = {
  "full": np.eye(3),
  "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
  "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# sRGB (D65) to CIE XYZ, relative to the white point.
TO_XYZ = np.array([[0.4339, 0.3762, 0.1899], [0.2127, 0.7152, 0.0722], [0.0177, 0.1095, 0.8729]])
PALETTES = {"dark": palette.EVENT_COLORS, "light": palette.EVENT_INKS}


def linear_rgb(color):
  srgb = np.array(color) / 255
  return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def cie_lab(color, vision):
  x, y, z = np.cbrt(TO_XYZ @ np.clip(np.array(vision) @ linear_rgb(color), 0.01, 1))
  return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(a, b):
  """Returns the contrast ratio of the Web Content Accessibility Guidelines 2.2."""
  low, high = sorted(linear_rgb(color) @ [0.2126, 0.7152, 0.0722] for color in (a, b))
  return (high + 0.05) / (low + 0.05)


def backgrounds():
  """Yields the backgrounds of the pages: the paper and the bands of both styles."""
  css = (Path(render.__file__).parent / "templates" / "base.css").read_text(encoding="utf-8")
  for style, rule in zip(("light", "dark"), re.findall(r":root \{(.*?)\}", css, re.DOTALL), strict=True):
    for name in ("paper", "band"):
      (digits,) = re.findall(rf"--{name}: #(\w{{6}});", rule)
      yield pytest.param(style, tuple(bytes.fromhex(digits)), id=f"{style}-{name}")


@pytest.mark.parametrize("colors", PALETTES.values(), ids=PALETTES)
def test_every_event_has_a_color(colors):
  assert set(colors) == set(EVENTS)


@pytest.mark.parametrize("vision", VISIONS.values(), ids=VISIONS)
@pytest.mark.parametrize("colors", PALETTES.values(), ids=PALETTES)
def test_any_two_colors_differ(colors, vision):
  # A difference of 2.3 is just noticeable; one of 10 is seen at a glance.
  for a, b in itertools.combinations(colors.values(), 2):
    assert np.linalg.norm(cie_lab(a, vision) - cie_lab(b, vision)) > 15


@pytest.mark.parametrize(("style", "background"), backgrounds())
def test_colors_contrast_with_their_background(style, background):
  # Success criterion 1.4.11 requires 3 to 1 for graphics.
  assert min(contrast(color, background) for color in PALETTES[style].values()) > 3
