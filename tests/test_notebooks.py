"""Notebooks run in their short form, and stored notebooks agree with their text."""

import importlib.util
from pathlib import Path
import re
import subprocess
import sys

import jupytext
import pytest

from attavvad_jax.faces import model_files

COLAB = Path(__file__).parents[1] / "colab"
_spec = importlib.util.spec_from_file_location("make_notebooks", COLAB / "make.py")
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)
each = pytest.mark.parametrize("name", make.NAMES)


def test_all_notebooks_are_listed():
  assert {path.stem for path in COLAB.glob("*.ipynb")} == set(make.NAMES)
  assert {path.stem for path in COLAB.glob("*.py")} == {*make.NAMES, "check", "make"}


@pytest.mark.slow
@pytest.mark.skipif(
  not model_files.cache_path(model_files.DETECTOR).is_file(),
  reason="no face model in the cache; make install downloads it",
)
@each
def test_notebook_runs(name):
  command = [sys.executable, "make.py", "--quick", name]
  result = subprocess.run(command, cwd=COLAB, capture_output=True, text=True, check=False)
  assert result.returncode == 0, result.stderr[-3000:]


@each
def test_stored_notebook_agrees_with_its_text(name):
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
def test_notebook_opens_in_colab_and_keeps_compatible_versions(name):
  first, *others = jupytext.read(COLAB / f"{name}.py").cells
  assert re.match(
    rf"\[!\[Open in Colab\]\(\S+\)\]\(https://colab\.research\.google\.com/github/\S+/{name}\.ipynb\)", first.source
  )
  # Pins would replace packages that the kernel has imported; -q would hide pip's message about it.
  (install,) = (cell.source for cell in others if cell.source.startswith("%pip"))
  assert re.fullmatch(r'%pip install -e "\.\.\[[a-z,]+\]"', install)


@each
def test_notebook_without_repository_fetches_it_or_reports_the_error(name, tmp_path, monkeypatch):
  fetch = next(cell.source for cell in jupytext.read(COLAB / f"{name}.py").cells if cell.cell_type == "code")
  git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_VALUE_0": "https://github.com/attavvad-jax/attavvad_jax"}
  for key, value in git.items():
    monkeypatch.setenv(key, value)
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path / 'none'}.insteadOf")
  with pytest.raises(RuntimeError, match=r"https://github\.com/\S+ could not be fetched: \S"):
    exec(fetch, {})
  published = tmp_path / "published"
  (published / "colab").mkdir(parents=True)
  (published / "colab" / "file").touch()
  (published / "setup.py").touch()
  commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first"]
  for arguments in (["init", "-q"], ["add", "."], commit):
    subprocess.run(["git", *arguments], cwd=published, check=True)
  monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{published}.insteadOf")
  for _ in range(2):  # a restarted kernel begins in the same folder
    monkeypatch.chdir(tmp_path)
    exec(fetch, {})
    assert Path.cwd() == tmp_path / "attavvad_jax" / "colab"
    exec(fetch, {})
    assert Path.cwd() == tmp_path / "attavvad_jax" / "colab"
