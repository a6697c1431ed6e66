"""The installed wheel works in an empty folder, where no checkout can be imported."""

import os
from pathlib import Path
import shlex
import shutil
import subprocess
import sys

import pytest

from attavvad_jax.commands.table import COMMANDS
from attavvad_jax.faces import model_files

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
# Options that shorten the examples. Of an option that is given twice, the last value counts.
CROP = ["--config.crop.height_px=32", "--config.crop.width_px=32"]
SHORT = {
  "simulate": ["--train-minutes=0.5", "--validation-minutes=0", "--test-minutes=0"],
  "prepare": CROP,
  "train": [*CROP, "--config.model.filters=4", "--config.num_epochs=1"],
  "evaluate": ["--split=train"],
  "export": ["--formats=stablehlo"],
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
  """Returns a folder into which the wheel is installed, without its dependencies."""
  folder = tmp_path_factory.mktemp("wheel")
  # A copy, because building writes files beside the sources.
  shutil.copytree(ROOT / "attavvad_jax", folder / "source" / "attavvad_jax")
  for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
    shutil.copy(ROOT / name, folder / "source")
  pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
  wheel = ["wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder / "dist", folder / "source"]
  subprocess.run([*pip, *wheel], check=True)
  (built,) = (folder / "dist").iterdir()
  subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", "--target", folder / "site", built], check=True)
  return folder / "site"


@pytest.fixture
def run(site, tmp_path):
  """Returns a function that runs a program in an empty folder, where Python finds the wheel and its dependencies."""
  environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}

  def run(*command):
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done

  return run


def test_wheel_contains_only_the_package(site, run):
  assert {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")} == {"attavvad_jax", "bin"}
  program = """
import importlib.util, attavvad_jax
print(attavvad_jax.__file__, *map(importlib.util.find_spec, ("launch", "configs", "tools")))
"""
  assert run(sys.executable, "-c", program).stdout.split() == [str(site / "attavvad_jax/__init__.py"), *["None"] * 3]


@pytest.mark.skipif(
  not model_files.cache_path(model_files.DETECTOR).is_file(),
  reason="no face model in the cache; make install downloads it",
)
def test_examples_run_in_sequence(site, run, tmp_path):
  """Runs the example in the help of each verb, with less data and smaller networks."""
  pytest.importorskip("espeakng_loader", reason="the simulation's synthesizer is not installed")

  def example(verb):
    program, *argv = shlex.split(COMMANDS[verb].example)
    return run(site / "bin" / program, *argv, *SHORT.get(verb, []), "--quiet")

  assert "manifest.tsv" in example("simulate").stdout
  assert "data" in example("prepare").stdout
  trained = example("train")
  assert trained.stdout == "finished: runs/small\n"
  assert trained.stderr == ""
  assert "event-based, onset only" in example("evaluate").stdout
  shutil.copy(tmp_path / "videos/videos/train_0000.mp4", tmp_path / "clip.mp4")
  assert "clip.html" in example("detect").stdout
  assert "program.stablehlo" in example("export").stdout
  assert "curves.png" in example("curves").stdout
  assert "att_avvad_small" in example("configs").stdout
  assert "get_config" in example("config").stdout
  assert {path.name for path in tmp_path.iterdir()} == {
    *("videos", "data", "runs", "clip.mp4", "clip.tsv", "clip.html", ".clip.attavvad", "programs", "curves.png")
  }
