"""Imports of the package, and `load_detector`."""

import subprocess
import sys

import pytest

import attavvad_jax


def test_importing_the_package_imports_nothing_heavy():
  script = "import sys, attavvad_jax; print([m for m in ('jax', 'numpy', 'flax', 'av', 'cv2') if m in sys.modules])"
  result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
  assert result.stdout == "[]\n"


@pytest.mark.parametrize(
  "script",
  [
    "from attavvad_jax import annotations, events; print(annotations.read.__module__, events.EVENTS[0])",
    "import attavvad_jax as a; print(a.annotations.read.__module__, a.events.EVENTS[0])",
  ],
)
def test_modules_are_found_by_name(script):
  result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
  assert result.stdout == "attavvad_jax.annotations.registry silence\n"


def test_missing_name_is_an_attribute_error():
  with pytest.raises(AttributeError, match="module 'attavvad_jax' has no attribute 'none'"):
    attavvad_jax.none  # noqa: B018
  with pytest.raises(ImportError, match="cannot import name 'none'"):
    from attavvad_jax import none  # noqa: F401


def test_detector_has_the_shipped_weights_by_default(monkeypatch, tmp_path):
  monkeypatch.setattr("attavvad_jax.checkpoints.shipped_checkpoint", lambda: tmp_path / "shipped")
  with pytest.raises(ValueError, match="shipped: not a checkpoint"):
    attavvad_jax.load_detector()


def test_missing_checkpoint_is_an_error(tmp_path):
  with pytest.raises(ValueError, match="none: no such checkpoint"):
    attavvad_jax.load_detector(tmp_path / "none")
