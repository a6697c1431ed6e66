"""Installs attavvad_jax: audio-visual voice activity detection in musical videos."""

from pathlib import Path
import re

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "attavvad_jax" / "__init__.py").read_text(encoding="utf-8"))
BEAM = ["apache-beam>=2.77,<3"]
EXPORT = ["flatbuffers>=24.3", "onnx>=1.16,<2", "onnxruntime>=1.19,<2"]
# sed_eval imports pkg_resources, which later releases of setuptools lack.
SED_EVAL = ["sed_eval>=0.2.1,<0.3", "setuptools>=70,<81"]
LIBROSA = "librosa>=0.11,<0.12"
REPRODUCE = ["scikit-learn>=1.4"]
DOCS = ["mkdocs-material>=9.5,<10", "mkdocstrings[python]>=0.27,<2"]
NOTEBOOKS = ["ipykernel>=6.29", "jupytext>=1.16,<2", "nbclient>=0.10"]

setup(
  name="attavvad_jax",
  version=VERSION[1],
  description="Audio-visual voice activity detection in musical videos, in JAX",
  long_description=(HERE / "README.md").read_text(encoding="utf-8"),
  long_description_content_type="text/markdown",
  license="Apache-2.0",
  license_files=["LICENSE"],
  python_requires=">=3.11,<3.14",
  packages=find_packages(include=["attavvad_jax", "attavvad_jax.*"]),
  package_data={
    "attavvad_jax": ["py.typed", "inference/*.json", "export/loaders/*.py", "reports/templates/*", "weights/**"]
  },
  entry_points={"console_scripts": ["attavvad = attavvad_jax.commands.main:entry"]},
  install_requires=[
    "absl-py>=2.1,<3",
    "array_record>=0.5.1,<0.9",
    "av>=14,<19",
    "flax>=0.10.2,<0.13",
    "grain>=0.2.9,<0.3",
    "importlib_resources>=6",  # tensorflow-datasets needs it without declaring it
    "jax>=0.6.1,<0.12",  # the first release with jax.shard_map
    "jinja2>=3.1,<4",
    "matplotlib>=3.8",
    "mediapipe>=1.0,<2",
    "ml_collections>=1.0,<2",
    "numpy>=2.0,<3",
    # mediapipe requires this package. Any other one (opencv-python-headless) would overwrite its files.
    "opencv-contrib-python>=4.9,<6",
    "optax>=0.2.4,<0.3",
    "orbax-checkpoint>=0.11.10,<0.13",
    "simplejpeg>=1.8,<2",
    "shtab>=1.7,<2",
    "tensorboardX>=2.6,<3",
    "tensorflow-datasets>=4.9.7,<5",
    "tqdm>=4.66,<5",
  ],
  extras_require={
    "beam": BEAM,
    "simulation": ["espeakng-loader>=0.2.4,<0.3", LIBROSA, "scipy>=1.14"],
    "export": EXPORT,
    "benchmark": [LIBROSA],
    "docs": DOCS,
    "notebooks": NOTEBOOKS,
    "reproduce": REPRODUCE,
    "sed_eval": SED_EVAL,
    "test": [
      *BEAM,
      *DOCS,
      *EXPORT,
      *NOTEBOOKS,
      *REPRODUCE,
      *SED_EVAL,
      "beartype>=0.18",
      "hypothesis>=6.100",
      "import-linter>=2.10,<3",
      "jaxtyping>=0.3,<0.4",
      "jsonschema>=4.20,<5",
      "librosa>=0.11,<0.12",
      "mypy>=1.10",
      "pandas>=2.2,<4",
      "praatio>=6.2,<7",
      "pympi-ling>=1.70,<2",
      "pysubs2>=1.7,<2",
      "pytest-xdist>=3.6",
      "pytest>=8",
      "ruff>=0.6",
    ],
  },
  classifiers=[
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Topic :: Multimedia :: Sound/Audio :: Analysis",
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
  ],
)
