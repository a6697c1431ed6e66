# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/attavvad-jax/attavvad_jax/blob/main/colab/train.ipynb)
#
# # Train: from labeled videos to a detector
#
# This notebook trains a network on a folder of your own videos, or on simulated performances, and scores it on held-out
# recordings. It uses a TPU or a GPU if there is one, otherwise the CPU. It plots the curves during training, and an
# interrupted run resumes where it stopped. With simulated performances, the whole notebook takes less than five minutes
# on two CPU cores.

# %%
import os
from pathlib import Path
import subprocess

if not Path("../setup.py").exists():  # Colab opens the notebook without the repository
  if not Path("attavvad_jax").exists():
    address = "https://github.com/attavvad-jax/attavvad_jax"
    clone = subprocess.run(["git", "clone", "-q", "--depth", "1", address], capture_output=True, text=True)
    if clone.returncode:
      raise RuntimeError(f"{address} could not be fetched: {clone.stderr.strip()}")
  os.chdir("attavvad_jax/colab")

# %% [markdown]
# The next cell installs missing packages and keeps compatible versions, because the running kernel has some of them in
# memory. If pip reports below that it replaced an imported package, restart the kernel once.

# %%
# %pip install -e "..[simulation]"

# %%
import sys

sys.path.insert(0, "..")  # a running kernel does not see a newly installed package

from attavvad_jax.machine import prepare_xla

prepare_xla()  # before importing jax, and for the programs started below: faster convolutions on CPUs

# %% [markdown]
# ## The machine
#
# From here on, every computation runs in a separate program, as from a terminal. A TPU belongs to one program at a
# time, and on a GPU the first program takes most of the memory. The notebook itself must therefore not use them, not
# even to list the devices. Colab provides jax with its plugin for a GPU or a TPU; elsewhere, install them as described
# in [jax's documentation](https://docs.jax.dev/en/latest/installation.html).

# %%
import shutil

ROOT = Path("..").resolve()


def run_program(*arguments):
  """Runs Python with arguments at the root of the repository and returns its standard output."""
  done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(done.stderr[-2000:])
  return done.stdout.strip()


PLATFORM, devices = run_program("-c", "import jax; print(jax.default_backend()); print(jax.devices())").split("\n", 1)
print(f"{PLATFORM}: {devices}")
if PLATFORM == "cpu" and shutil.which("nvidia-smi"):
  print("jax does not see the GPU: install its plugin, in the version of jaxlib.")

# %% [markdown]
# ## Settings
#
# `VIDEOS` is a folder of videos, each with a label file of the same name: for example `song_3.mp4` and `song_3.tsv`,
# with the columns `onset`, `offset` and `event_label` and the events `speech`, `singing`, `silence` and `others` of the
# performer on camera. The page `docs/data-formats.md` lists the other formats. Clips of one recording (`song_1`,
# `song_2`) go to the same split, training, validation or test, so at least three recordings are needed.
#
# `FOLDER` receives all outputs. With a permanent folder, on Colab one on your Drive, the run outlives the machine.
#
# On a CPU, the network is small and its face images are 64 x 64; on an accelerator, it has the paper's number of
# filters and face images of 112 x 112.

# %%
import tempfile

from attavvad_jax.configs import demo
from attavvad_jax.experiments.plan import BUDGETS

QUICK = "ATTAVVAD_QUICK" in os.environ  # set by the tests
VIDEOS = None  # path of your videos, or None for simulated performances
FOLDER = Path(tempfile.mkdtemp()).resolve()
FOLDER.mkdir(parents=True, exist_ok=True)
SEED = 1  # seed of the simulation, or of the split of your recordings
if QUICK:
  MINUTES = {"train": 0.5, "validation": 0.5, "test": 0.5}  # minutes of simulated video
  EPOCHS = 1
else:
  MINUTES = {"train": 8.0, "validation": 1.5, "test": 2.5}
  EPOCHS = 4 if PLATFORM == "cpu" else 20
MORE_EPOCHS = EPOCHS + (1 if QUICK else EPOCHS // 2)

if QUICK or PLATFORM == "cpu":
  budget = BUDGETS["smoke" if QUICK else "small"]
  SIZES = {"crop": budget.crop, "model": budget.models["att_avvad"], "batch_size": 16}
else:
  SIZES = {"batch_size": 64}  # all other sizes are those of the config demo

# %% [markdown]
# A configuration is a Python file; this one is the config `demo` of the package with the sizes from above. The config
# `att_avvad` explains all keys (`attavvad config att_avvad --source`).

# %%
CONFIG = FOLDER / "own_config.py"
CONFIG.write_text(f'''"""The config demo in other sizes."""

from attavvad_jax.configs import demo


def get_config():
  config = demo.get_config()
  config.update({SIZES!r})
  return config
''')
print(CONFIG.read_text())

# %% [markdown]
# ## Prepare
#
# Preparation decodes the videos, detects and tracks the performer's face, and cuts everything into blocks: three a
# second, each with 352 ms of audio and three face images. It lists every file that it cannot use, with the reason. An
# interrupted preparation resumes where it stopped. For many videos, `attavvad prepare` with `--workers` uses all cores.
#
# Simulated performances are rendered directly to blocks. The splits share no voice, face, tune or place.

# %%
from attavvad_jax import config as config_lib
from attavvad_jax.datasets.prepare import prepare_folder, prepare_simulated

DATA = FOLDER / "data"
config = demo.get_config()
config.update(SIZES)
spec = config_lib.data_spec(config)
# keep=True reuses the data of an earlier run of this notebook if their sources and settings are the same.
if VIDEOS is not None:
  summary = prepare_folder(VIDEOS, DATA, spec, seed=SEED, keep=True)
else:
  summary = prepare_simulated(DATA, spec, "live", MINUTES, seed=SEED, keep=True)
print(summary)

# %% [markdown]
# ## Train
#
# The loss is Eq. 2 of the paper: nine binary cross-entropies, here all with weight 1. Training evaluates the network on
# the validation split at intervals and keeps the best checkpoint. F is event-based, onset only, with a collar of 0.5 s,
# and short gaps are closed. On one or two minutes of simulated video with one seed, F fluctuates: it shows whether
# training works, not how good the method is.
#
# You can interrupt the cell at any time. When you run it again, the run resumes from its last checkpoint.

# %%
import json
import time

from IPython.display import Image, clear_output, display
from matplotlib.figure import Figure
import numpy as np

RUN = FOLDER / "run"


def read_log():
  """Returns the complete lines of the run's log."""
  path = RUN / "log.jsonl"
  text = path.read_text(encoding="utf-8") if path.exists() else ""
  return text[: text.rfind("\n") + 1].splitlines()


def draw(lines):
  """Plots the total loss on training batches and F on validation so far, in place of the previous plot."""
  entries = [json.loads(line) for line in lines]
  figure = Figure(figsize=(10, 3), dpi=150, layout="constrained")
  curves = (
    ("train", "total", "total loss", 1, "training"),
    ("validation", "audio_visual_f", "F %", 100, "validation, audio-visual"),
    ("validation", "audio_f", "F %", 100, "validation, audio branch alone"),
  )
  axes = dict(zip(("train", "validation"), figure.subplots(1, 2), strict=True))
  for split, key, name, factor, label in curves:
    rows = [entry for entry in entries if entry["split"] == split]
    values = factor * np.array([entry[key] for entry in rows], float)
    axes[split].plot([entry["step"] for entry in rows], values, marker=".", label=label)
    axes[split].set_xlabel("step")
    axes[split].set_ylabel(name)
    axes[split].legend(frameon=False)
  figure.savefig(FOLDER / "curves.png")
  clear_output(wait=True)
  display(Image(FOLDER / "curves.png", width=900))
  print(f"step {entries[-1]['step']}")


def train_and_draw(num_epochs):
  """Trains or resumes in a separate program, and plots its log whenever it grows."""
  command = [sys.executable, "-m", "attavvad_jax", "train", f"--config={CONFIG}", f"--config.data={summary.path}"]
  command += [f"--config.num_epochs={num_epochs}", f"--workdir={RUN}"]
  messages = FOLDER / "messages.txt"
  print("started; compiling the network delays the first steps")
  with messages.open("w", encoding="utf-8") as stream:
    process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
    drawn = []
    try:
      running = True
      while running:
        running = process.poll() is None  # polled before the log is read, so that the last lines are plotted too
        lines = read_log()
        if lines and lines != drawn:
          draw(lines)
          drawn = lines
        if running:
          time.sleep(3)
    finally:
      process.terminate()  # stops the program if the cell was interrupted; no effect if it has ended
      process.wait()
  if process.returncode:
    raise RuntimeError(messages.read_text(encoding="utf-8")[-2000:])


train_and_draw(EPOCHS)

# %% [markdown]
# ## Resume
#
# The same command resumes from the run's last checkpoint, with bit-identical results; a finished run plots its curves
# and ends. On resuming, you may change `num_epochs`, the intervals of checkpoints and log lines, and `remat`. Any other
# change, of the data too, would be a different run, and training refuses it. The next cell trains the same run for some
# more epochs:

# %%
train_and_draw(MORE_EPOCHS)

# %% [markdown]
# ## Evaluate
#
# The next cell scores the kept checkpoint on the test split with the protocol `closed`, and gives the number of
# reference events beside every score. For simulated performances, these are a few minutes with one seed and no spread:
# they show an order of magnitude and prove nothing about real footage.

# %%
print(run_program("-m", "attavvad_jax", "evaluate", f"--checkpoint={RUN}", f"--data={summary.path}", "--split=test"))

# %% [markdown]
# ## Use the network
#
# Detection needs only the folder of the run: `attavvad detect VIDEO --checkpoint=RUN --to=html` in a terminal, or
# `CHECKPOINT` in `detect.ipynb`. `tensorboard --logdir RUN` shows each of the nine losses.

# %%
print(f"trained run: {RUN}")
