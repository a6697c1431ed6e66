"""Every notebook runs top to bottom; only its installation cell is left out."""

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

from attavvad_jax.media.face_model import cache_path

COLAB = Path(__file__).parents[1] / "colab"
NOTEBOOKS = sorted(COLAB.glob("*.ipynb"))
# Stands for IPython's: what it would display is of no concern here.
_IMAGE = "from IPython.display import Image", "def Image(path, width): assert path.stat().st_size"


def test_there_are_notebooks():
  assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.skipif(not cache_path().is_file(), reason="the face model is not in the cache: make install fetches it")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
  cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
  sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
  script = "\n\n".join(source for source in sources if not source.startswith("%")).replace(*_IMAGE)
  environment = {**os.environ, "TMPDIR": str(tmp_path)}
  # Workers of a pool would import the script again: it stands in a string, as cells do.
  result = subprocess.run(
    [sys.executable, "-c", script], cwd=COLAB, env=environment, capture_output=True, text=True, check=False
  )
  assert result.returncode == 0, result.stderr[-2000:]
