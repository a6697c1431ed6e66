"""The examples in docstrings run and print what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
  ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
  for path in (ROOT / "attavvad_jax").rglob("*.py")
  if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  module = importlib.import_module(name)
  failed, tried = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
  assert (failed, tried > 0) == (0, True)
