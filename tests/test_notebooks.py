"""Notebooks run in their short form, and what is stored is what their text says."""

import importlib.util
from pathlib import Path
import re
import subprocess
import sys

import jupytext
import pytest

from attavvad_jax.media import face_model

COLAB = Path(__file__).parents[1] / "colab"
_spec = importlib.util.spec_from_file_location("make_notebooks", COLAB / "make.py")
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)
each = pytest.mark.parametrize("name", make.NAMES)


def test_all_notebooks_are_known():
  assert {path.stem for path in COLAB.glob("*.ipynb")} == set(make.NAMES)
  assert {path.stem for path in COLAB.glob("*.py")} == {*make.NAMES, "make"}


@pytest.mark.slow
@pytest.mark.skipif(
  not face_model.cache_path(face_model.DETECTOR).is_file(), reason="no face model in the cache: make install fetches it"
)
@each
def test_notebook_runs(name):
  command = [sys.executable, "make.py", "--quick", name]
  result = subprocess.run(command, cwd=COLAB, capture_output=True, text=True, check=False)
  assert result.returncode == 0, result.stderr[-3000:]


@each
def test_stored_notebook_is_its_text(name):
  text, stored = jupytext.read(COLAB / f"{name}.py"), jupytext.read(COLAB / f"{name}.ipynb")
  assert [(c.cell_type, c.source) for c in stored.cells] == [(c.cell_type, c.source) for c in text.cells]


@each
def test_stored_notebook_was_run_from_top_to_bottom(name):
  code = [cell for cell in jupytext.read(COLAB / f"{name}.ipynb").cells if cell.cell_type == "code"]
  assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
  outputs = [output for cell in code for output in cell.outputs]
  assert any("image/png" in output.get("data", {}) for output in outputs)
  assert not any(output.output_type == "error" for output in outputs)


@each
def test_notebook_opens_in_colab_and_installs_pinned_versions(name):
  first, *others = jupytext.read(COLAB / f"{name}.py").cells
  assert re.match(
    rf"\[!\[Open in Colab\]\(\S+\)\]\(https://colab\.research\.google\.com/github/\S+/{name}\.ipynb\)", first.source
  )
  assert any(cell.source.startswith("%pip install -q -c ../constraints.txt") for cell in others)
