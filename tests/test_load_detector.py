"""The package as a program imports it."""

import subprocess
import sys

import pytest

import attavvad_jax


def test_importing_the_package_imports_nothing_heavy():
  script = "import sys, attavvad_jax; print([m for m in ('jax', 'numpy', 'flax', 'av', 'cv2') if m in sys.modules])"
  result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
  assert result.stdout == "[]\n"


def test_detector_without_a_checkpoint_has_the_weights_that_ship(monkeypatch, tmp_path):
  monkeypatch.setattr("attavvad_jax.checkpoints.shipped_checkpoint", lambda: tmp_path / "shipped")
  with pytest.raises(ValueError, match="shipped: not a checkpoint"):
    attavvad_jax.load_detector()


def test_checkpoint_that_is_not_there(tmp_path):
  with pytest.raises(ValueError, match="none: no such checkpoint"):
    attavvad_jax.load_detector(tmp_path / "none")
