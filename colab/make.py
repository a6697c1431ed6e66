"""Makes the notebooks from their text: runs each from top to bottom and stores it with its outputs.

python colab/make.py                 # runs and stores all notebooks
python colab/make.py --quick detect  # runs the short form of one notebook, as the tests do; stores nothing
"""

import argparse
import os
from pathlib import Path
import re
import sys
import tempfile

HERE = Path(__file__).parent
NAMES = ("detect", "train", "loss_weights", "paper")
# Temporary folders of the notebooks are replaced in outputs, so that stored notebooks differ only in their results.
_TEMPORARY = re.compile(rf"{re.escape(tempfile.gettempdir())}/tmp\w+")


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("names", nargs="*", choices=[*NAMES, []], default=[], help="names of notebooks (default: all)")
  parser.add_argument("--quick", action="store_true", help="run the short form and store nothing")
  arguments = parser.parse_args()
  if arguments.quick:
    os.environ["ATTAVVAD_QUICK"] = "1"
  for name in arguments.names or NAMES:
    make(name, stores=not arguments.quick)


def make(name: str, stores: bool) -> None:
  """Runs a notebook without its cell that installs the package, and stores it if `stores` is set."""
  import jupytext
  from nbclient import NotebookClient
  import nbformat

  notebook = jupytext.read(HERE / f"{name}.py")
  cells = notebook.cells
  notebook.cells = [cell for cell in cells if not cell.source.startswith("%pip")]
  # python3 is the kernel of this environment, whichever other kernels are registered on this machine.
  client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(HERE)}})
  client.execute()
  if not stores:
    return
  notebook.cells = cells
  number = 0
  for cell in cells:
    cell.pop("id", None)
    if cell.cell_type != "code":
      continue
    number += 1
    cell.execution_count, cell.metadata = number, {}
    # Standard error holds progress bars, which a reader does not need.
    outputs = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
    for output in outputs:
      if "execution_count" in output:
        output.execution_count = number
      if "text" in output:
        output.text = _TEMPORARY.sub("FOLDER", output.text)
    cell.outputs = outputs
  notebook.metadata = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
  }
  notebook.nbformat_minor = 4  # minor version 5 requires cell ids, which change on every run
  nbformat.write(notebook, HERE / f"{name}.ipynb")
  print(f"wrote {HERE / name}.ipynb", file=sys.stderr)


if __name__ == "__main__":
  main()
