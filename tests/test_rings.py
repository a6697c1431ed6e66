"""Imports: training needs no video library, and modules are still found under their old paths."""

import importlib
import json
from pathlib import Path
import subprocess
import sys

import pytest
from tiny import tiny_config

from attavvad_jax import moved

TESTS = Path(__file__).parent
_WITHOUT_VIDEO_LIBRARIES = """
import json, sys
for name in ("cv2", "av", "mediapipe"):
  sys.modules[name] = None  # importing it raises ImportError

from attavvad_jax.evaluation.run import evaluate_checkpoint
from attavvad_jax.training.loop import train
import attavvad_jax.training.sweep

config, workdir = json.loads(sys.argv[1]), sys.argv[2]
train(config, workdir)
evaluation = evaluate_checkpoint(workdir, config["data"], "test", "closed")
print(json.dumps({name: scores.duration_s for name, scores in evaluation.scores.items()}))
"""


@pytest.mark.slow
def test_training_and_evaluation_run_without_video_libraries(prepared_path, tmp_path):
  config = tiny_config(prepared_path, num_epochs=1).to_json()
  command = [sys.executable, "-c", _WITHOUT_VIDEO_LIBRARIES, config, str(tmp_path / "run")]
  done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
  assert done.returncode == 0, done.stderr
  durations_s = json.loads(done.stdout.splitlines()[-1])
  assert durations_s["audio_visual"] == durations_s["audio"] > 0


@pytest.mark.parametrize("path", moved.MOVED)
def test_old_path_warns_and_has_the_names_of_the_new_one(path, monkeypatch):
  for name in list(sys.modules):
    if name.removeprefix("attavvad_jax.") in moved.MOVED:
      monkeypatch.delitem(sys.modules, name)
  with pytest.warns(
    DeprecationWarning, match=rf"attavvad_jax\.{path} has moved to attavvad_jax\.{moved.MOVED[path][0]}"
  ):
    old = importlib.import_module(f"attavvad_jax.{path}")
  new = importlib.import_module(f"attavvad_jax.{moved.MOVED[path][0]}")
  public = [name for name in vars(new) if not name.startswith("_")]
  assert public or path == "detection"
  assert all(getattr(old, name) is getattr(new, name) for name in public)


@pytest.mark.parametrize(
  ("module", "name", "new_module", "new_name"),
  [
    ("events", "Timeline", "timeline", "Timeline"),
    ("clock", "Clock", "timeline", "Clock"),
    ("media", "read_blocks", "recordings", "read_blocks"),
    ("media.blocks", "Block", "blocks", "Block"),
    ("media.faces", "Crop", "blocks", "Crop"),
    ("media.faces", "Follower", "faces", "FaceTracker"),
    ("detection.detector", "Detector", "inference.detector", "Detector"),
  ],
)
def test_names_are_found_under_old_paths(module, name, new_module, new_name):
  old = getattr(importlib.import_module(f"attavvad_jax.{module}"), name)
  assert old is getattr(importlib.import_module(f"attavvad_jax.{new_module}"), new_name)


@pytest.mark.parametrize("old", moved.MOVED_NAMES)
def test_old_name_warns_and_returns_the_renamed_object(old):
  old_module, _, name = old.rpartition(".")
  module, new_name = moved.MOVED_NAMES[old]
  place = importlib.import_module(f"attavvad_jax.{old_module}")
  with pytest.warns(DeprecationWarning, match=rf"attavvad_jax\.{old} has moved to attavvad_jax\.{module}\.{new_name};"):
    value = getattr(place, name)
  assert value is getattr(importlib.import_module(f"attavvad_jax.{module}"), new_name)


def test_unknown_name_is_not_found():
  with pytest.raises(ModuleNotFoundError):
    importlib.import_module("attavvad_jax.detection.none")
  with pytest.raises(ImportError):
    from attavvad_jax.media import none  # noqa: F401
  with pytest.raises(AttributeError, match="'none'"):
    importlib.import_module("attavvad_jax.loss_weights").none  # noqa: B018
