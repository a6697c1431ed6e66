"""Runs the notebooks as Colab does: its published versions, a kernel that has imported numpy, and no repository.

python colab/check.py --python=python3.13              # all notebooks in their short form, each in a new environment
python colab/check.py --python=python3.13 detect --full

The check covers the committed state: the notebooks fetch HEAD of this repository instead of the published one. It needs
the network and some gigabytes, takes minutes a notebook, and is not part of the tests.
"""

import argparse
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

from make import NAMES

HERE = Path(__file__).parent
PUBLISHED = HERE / "published.txt"
REPOSITORY = "https://github.com/attavvad-jax/attavvad_jax"
# Colab's kernel imports these before the first cell; if pip replaces their versions, later cells break.
STARTUP = "import matplotlib, numpy, pandas\n"
# Last cell of a notebook: prints the packages whose imported version differs from the installed one.
MIXED = """
import importlib.metadata, json, sys
packages = ["flax", "jax", "jaxlib", "matplotlib", "ml_dtypes", "numpy", "optax", "pandas", "scipy"]
loaded = {name: sys.modules[name].__version__ for name in packages if name in sys.modules}
versions = {name: (version, importlib.metadata.version(name)) for name, version in loaded.items()}
print(json.dumps({name: both for name, both in versions.items() if both[0] != both[1]}))
"""


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("names", nargs="*", choices=[*NAMES, []], default=[], help="names of notebooks (default: all)")
  parser.add_argument(
    "--python", default=sys.executable, help="interpreter with the Python version of Colab (default: this one)"
  )
  parser.add_argument(
    "--full", action="store_true", help="run the full notebooks instead of the short form of the tests"
  )
  arguments = parser.parse_args()
  os.environ.pop("PYTHONPATH", None)  # the notebooks must import the repository that they fetch, not this checkout
  wrong = []
  for name in arguments.names or NAMES:
    with tempfile.TemporaryDirectory() as folder:
      wrong += [f"{name}: {line}" for line in check(name, Path(folder), arguments.python, arguments.full)]
  print("\n".join(wrong) or "all notebooks run")
  return 1 if wrong else 0


def check(name: str, folder: Path, python: str, full: bool) -> list[str]:
  """Returns the problems of one notebook, one line each."""
  print(f"{name}: installing the packages of Colab", flush=True)
  interpreter = new_environment(folder / "environment", python)
  before = versions(interpreter)
  print(f"{name}: running", flush=True)
  error, mixed = run(name, folder, interpreter, full)
  after = versions(interpreter)
  changed = {
    package: (before[package], after.get(package)) for package in before if before[package] != after.get(package)
  }
  for package, (old, new) in changed.items():
    print(f"{name}: {package} {old} became {new}")
  wrong = [] if error is None else [error]
  wrong += [f"{package} {old} is in memory and {new} is installed" for package, (old, new) in mixed.items()]
  if subprocess.run([interpreter, "-c", "import tensorflow"], capture_output=True, check=False).returncode:
    wrong.append("tensorflow can no longer be imported")
  return wrong


def new_environment(folder: Path, python: str) -> str:
  """Creates a virtual environment with Colab's packages and returns its interpreter."""
  subprocess.run([python, "-m", "venv", folder], check=True)
  interpreter = str(folder / "bin" / "python")
  pip = [interpreter, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
  subprocess.run([*pip, "-r", PUBLISHED], check=True)
  return interpreter


def versions(interpreter: str) -> dict[str, str]:
  """Returns the versions of all packages of an environment."""
  listed = subprocess.run([interpreter, "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
  return {package["name"]: package["version"] for package in json.loads(listed.stdout)}


def run(name: str, folder: Path, interpreter: str, full: bool) -> tuple[str | None, dict[str, tuple[str, str]]]:
  """Runs a notebook in its own folder. Returns its error or None, and (imported, installed) versions that differ."""
  from nbclient import NotebookClient
  from nbclient.exceptions import CellExecutionError
  import nbformat

  content = folder / "content"
  content.mkdir()
  shutil.copy(HERE / f"{name}.ipynb", content)
  notebook = nbformat.read(content / f"{name}.ipynb", as_version=4)
  notebook.cells.append(nbformat.v4.new_code_cell(MIXED))
  startup = folder / "ipython" / "profile_default" / "startup"
  startup.mkdir(parents=True)
  (startup / "00-colab.py").write_text(STARTUP, encoding="utf-8")
  kernel = folder / "kernels" / "colab"
  kernel.mkdir(parents=True)
  spec = {"argv": [interpreter, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Colab"}
  (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
  os.environ.update(
    COLAB_RELEASE_TAG="check",
    IPYTHONDIR=str(folder / "ipython"),
    PATH=os.pathsep.join([str(Path(interpreter).parent), os.environ["PATH"]]),
    GIT_CONFIG_COUNT="1",
    GIT_CONFIG_KEY_0=f"url.file://{HERE.parent.resolve()}.insteadOf",
    GIT_CONFIG_VALUE_0=REPOSITORY,
    JUPYTER_PATH=str(folder),
  )
  if not full:
    os.environ["ATTAVVAD_QUICK"] = "1"
  client = NotebookClient(notebook, timeout=3600, kernel_name="colab", resources={"metadata": {"path": str(content)}})
  try:
    client.execute()
  except CellExecutionError as error:
    return str(error), {}
  return None, json.loads(notebook.cells[-1].outputs[0].text)


if __name__ == "__main__":
  sys.exit(main())
