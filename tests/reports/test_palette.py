"""Colours are told apart with every kind of colour blindness."""

import itertools

import numpy as np
import pytest

from attavvad_jax.events import EVENTS
from attavvad_jax.reports.palette import EVENT_COLOURS

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISIONS = {
  "full": np.eye(3),
  "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
  "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# sRGB (D65) to CIE XYZ, relative to the white point.
TO_XYZ = np.array([[0.4339, 0.3762, 0.1899], [0.2127, 0.7152, 0.0722], [0.0177, 0.1095, 0.8729]])


def cie_lab(colour, vision):
  srgb = np.array(colour) / 255
  linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
  x, y, z = np.cbrt(TO_XYZ @ np.clip(np.array(vision) @ linear, 0.01, 1))
  return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_every_event_has_a_colour():
  assert set(EVENT_COLOURS) == set(EVENTS)


@pytest.mark.parametrize("vision", VISIONS.values(), ids=VISIONS)
def test_any_two_colours_differ(vision):
  # A difference of 2.3 is just seen; of 10, seen at a glance.
  for a, b in itertools.combinations(EVENT_COLOURS.values(), 2):
    assert np.linalg.norm(cie_lab(a, vision) - cie_lab(b, vision)) > 15
