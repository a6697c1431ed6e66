"""Runs the tests with the lowest or the highest versions of the numerical packages.

python tools/versions.py lowest                                  # fast tests and training tests
python tools/versions.py highest --python=python3.13 tests/training

The lowest versions are the minimum that setup.py allows for `PACKAGES`; the highest are those that pip chooses without
pins. The tool creates a virtual environment, needs the network, and is not part of the tests.
"""

import argparse
from pathlib import Path
import re
import subprocess
import sys
import tempfile

ROOT = Path(__file__).parents[1]
# Slow, but only these tests run a training step that placement maps over devices.
TRAINING = ["tests/training/test_loop.py", "tests/training/test_processes.py"]
PACKAGES = ("jax", "flax", "orbax-checkpoint", "numpy", "mediapipe")


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("which", choices=("lowest", "highest"))
  parser.add_argument("--python", default=sys.executable, help="interpreter to use (default: this one)")
  parser.add_argument("tests", nargs="*", help="arguments of pytest (default: fast tests and training tests)")
  arguments = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    environment = Path(folder) / "environment"
    subprocess.run([arguments.python, "-m", "venv", environment], check=True)
    python = str(environment / "bin" / "python")
    constraints = Path(folder) / "constraints.txt"
    constraints.write_text("".join(f"{line}\n" for line in lowest()) if arguments.which == "lowest" else "")
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", "-c", constraints, "-e", f"{ROOT}[simulation,test]"], check=True)
    subprocess.run([*pip, "list"], check=True)
    runs = [arguments.tests] if arguments.tests else [["-m", "not slow"], TRAINING]
    codes = [subprocess.run([python, "-m", "pytest", "-q", *run], cwd=ROOT, check=False).returncode for run in runs]
    return int(any(codes))


def lowest() -> list[str]:
  """Returns pip constraints of the lowest versions that setup.py allows; jaxlib has the version of jax."""
  allowed = dict(re.findall(r'"([\w.-]+)>=([\d.]+)', (ROOT / "setup.py").read_text(encoding="utf-8")))
  versions = {package: allowed[package] for package in PACKAGES}
  return [f"{package}=={version}" for package, version in {**versions, "jaxlib": versions["jax"]}.items()]


if __name__ == "__main__":
  sys.exit(main())
