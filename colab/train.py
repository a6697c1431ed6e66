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
# # Train: videos with labels in, a trained detector out
#
# From a folder of your own videos, or from simulated performances, to a trained network and its scores on recordings
# that it has not seen. It takes the accelerator that there is, a TPU or a GPU, and else the CPU; its curves are drawn
# while it runs, and a run that was interrupted goes on where it was. On simulated performances the whole notebook takes
# less than five minutes on two CPU cores.

# %%
import os
from pathlib import Path
import subprocess

if not Path("../setup.py").exists():  # Colab brings this notebook alone
  if not Path("attavvad_jax").exists():
    address = "https://github.com/attavvad-jax/attavvad_jax"
    clone = subprocess.run(["git", "clone", "-q", "--depth", "1", address], capture_output=True, text=True)
    if clone.returncode:
      raise RuntimeError(f"{address} could not be fetched: {clone.stderr.strip()}")
  os.chdir("attavvad_jax/colab")

# %% [markdown]
# What is missing is installed beside what is there; versions that fit stay as they are, under a kernel that has some of
# them in memory. Should pip say below that it replaced one which had been imported, restart the kernel once.

# %%
# %pip install -e "..[simulation]"

# %%
import sys

sys.path.insert(0, "..")  # for the package, which a kernel that is running does not see yet

from attavvad_jax.machine import prepare_xla

prepare_xla()  # before jax is imported, and for the programs started below: faster convolutions on CPUs

# %% [markdown]
# ## The machine
#
# Everything that computes runs as a program of its own from here on, as it would from a terminal. A TPU belongs to one
# program at a time, and on a GPU the first one takes most of the memory: so the notebook itself must not touch them,
# not even to ask which there are. On Colab, jax and its plugin for a GPU or a TPU are there already; elsewhere, install
# it as [jax's documentation](https://docs.jax.dev/en/latest/installation.html) says.

# %%
import shutil

ROOT = Path("..").resolve()


def run_program(*arguments):
  """Runs Python with arguments at the root of the repository and gives what it prints."""
  done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(done.stderr[-2000:])
  return done.stdout.strip()


PLATFORM, devices = run_program("-c", "import jax; print(jax.default_backend()); print(jax.devices())").split("\n", 1)
print(f"{PLATFORM}: {devices}")
if PLATFORM == "cpu" and shutil.which("nvidia-smi"):
  print("There is a GPU, but jax does not see it: its plugin is missing, or not of jaxlib's version.")

# %% [markdown]
# ## Settings
#
# `VIDEOS` is a folder of videos, each with a label file of the same name beside it: `song_3.mp4` and `song_3.tsv`, say,
# with the columns `onset`, `offset` and `event_label`, whose events are `speech`, `singing`, `silence` and `others` of
# the performer on camera. The README lists the other formats. Clips of one recording (`song_1`, `song_2`) stay together
# when the recordings are shared out to training, validation and test: three recordings are the least.
#
# `FOLDER` receives all that is made. Name one that lasts, on Colab one of your Drive, and the run outlives the machine.
#
# On a CPU the network is small and sees face images of 64 x 64; on an accelerator it has the paper's number of filters
# and sees 112 x 112.

# %%
import tempfile

from attavvad_jax.configs import demo
from attavvad_jax.experiments.plan import BUDGETS

QUICK = "ATTAVVAD_QUICK" in os.environ  # the tests' short form
VIDEOS = None  # the path of your videos, or None for simulated performances
FOLDER = Path(tempfile.mkdtemp()).resolve()
FOLDER.mkdir(parents=True, exist_ok=True)
SEED = 1  # of the simulation, or of the split of your recordings
if QUICK:
  MINUTES = {"train": 0.5, "validation": 0.5, "test": 0.5}  # to simulate
  EPOCHS = 1
else:
  MINUTES = {"train": 8.0, "validation": 1.5, "test": 2.5}
  EPOCHS = 4 if PLATFORM == "cpu" else 20
MORE_EPOCHS = EPOCHS + (1 if QUICK else EPOCHS // 2)

if QUICK or PLATFORM == "cpu":
  budget = BUDGETS["smoke" if QUICK else "small"]
  SIZES = {"crop": budget.crop, "model": budget.models["att_avvad"], "batch_size": 16}
else:
  SIZES = {"batch_size": 64}  # of the config demo, but for these

# %% [markdown]
# A configuration is a Python file; this one is the shipped config `demo` with the sizes from above. All its keys are explained
# in the config `att_avvad` (`attavvad config att_avvad --source`).

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
# Videos are decoded, the performer's face is found and followed, and everything is cut into blocks: three a second,
# each with 352 ms of sound and three face images. What could not be used is listed with its reason. Preparation that is
# interrupted goes on where it stopped. For many videos, `attavvad prepare` with `--workers` uses all cores.
#
# Simulated performances are rendered straight to blocks. No voice, face, tune or place is in two splits.

# %%
from attavvad_jax import config as config_lib
from attavvad_jax.datasets.prepare import prepare_folder, prepare_simulated

DATA = FOLDER / "data"
config = demo.get_config()
config.update(SIZES)
spec = config_lib.data_spec(config)
# What an earlier run of this notebook prepared is kept, as long as it was made of the same.
if VIDEOS is not None:
  summary = prepare_folder(VIDEOS, DATA, spec, seed=SEED, keep=True)
else:
  summary = prepare_simulated(DATA, spec, "live", MINUTES, seed=SEED, keep=True)
print(summary)

# %% [markdown]
# ## Train
#
# The loss is Eq. 2 of the paper: nine binary cross-entropies, here all with weight 1. Every now and then the network is
# tried on the validation split, and the best one is kept. F is event-based, counting onsets only, with a collar of
# 0.5 s and short gaps closed. On a minute or two of one seed's simulation it may jump about, and says whether
# training works, not how good the method is.
#
# Interrupt the cell whenever you like. Run it again, and the run goes on from its last checkpoint.

# %%
import json
import time

from IPython.display import Image, clear_output, display
from matplotlib.figure import Figure
import numpy as np

RUN = FOLDER / "run"


def read_log():
  """The finished lines of the run's log, as text."""
  path = RUN / "log.jsonl"
  text = path.read_text(encoding="utf-8") if path.exists() else ""
  return text[: text.rfind("\n") + 1].splitlines()


def draw(lines):
  """The total loss on training batches and F on validation so far, in place of what was drawn before."""
  entries = [json.loads(line) for line in lines]
  figure = Figure(figsize=(10, 3), dpi=150, layout="constrained")
  curves = (
    ("train", "total", "total loss", 1, "training"),
    ("validation", "audio_visual_f", "F %", 100, "validation, audio-visual"),
    ("validation", "audio_f", "F %", 100, "validation, audio branch alone"),
  )
  axes = dict(zip(("train", "validation"), figure.subplots(1, 2), strict=True))
  for split, key, name, factor, label in curves:
    found = [entry for entry in entries if entry["split"] == split]
    values = factor * np.array([entry[key] for entry in found], float)
    axes[split].plot([entry["step"] for entry in found], values, marker=".", label=label)
    axes[split].set_xlabel("step")
    axes[split].set_ylabel(name)
    axes[split].legend(frameon=False)
  figure.savefig(FOLDER / "curves.png")
  clear_output(wait=True)
  display(Image(FOLDER / "curves.png", width=900))
  print(f"step {entries[-1]['step']}")


def train_and_draw(num_epochs):
  """Trains, or goes on, in a program of its own, and draws its log whenever that has grown."""
  command = [sys.executable, "-m", "attavvad_jax", "train", f"--config={CONFIG}", f"--config.data={summary.path}"]
  command += [f"--config.num_epochs={num_epochs}", f"--workdir={RUN}"]
  messages = FOLDER / "messages.txt"
  print("started; the first steps wait for the network to be compiled")
  with messages.open("w", encoding="utf-8") as stream:
    process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
    drawn = []
    try:
      running = True
      while running:
        running = process.poll() is None  # asked first, so that the last lines are drawn, too
        lines = read_log()
        if lines and lines != drawn:
          draw(lines)
          drawn = lines
        if running:
          time.sleep(3)
    finally:
      process.terminate()  # ends with this cell, if that was interrupted; means nothing to a program that has ended
      process.wait()
  if process.returncode:
    raise RuntimeError(messages.read_text(encoding="utf-8")[-2000:])


train_and_draw(EPOCHS)

# %% [markdown]
# ## Go on
#
# Started again, the same command goes on from the run's last checkpoint, bit for bit as if it had never stopped; a run
# that is finished draws its curves and ends. What may be changed on the way are `num_epochs`, how often there is a
# checkpoint or a line in the log, and `remat`; anything else, other data too, would make it another run, and is refused.
# So the same run for some epochs more:

# %%
train_and_draw(MORE_EPOCHS)

# %% [markdown]
# ## Evaluate
#
# The kept network on the test split, by the protocol `closed`, with the number of reference events beside every figure.
# For simulated performances that is a few minutes of one seed, with no spread: an order of magnitude, which proves
# nothing about real footage.

# %%
print(run_program("-m", "attavvad_jax", "evaluate", f"--checkpoint={RUN}", f"--data={summary.path}", "--split=test"))

# %% [markdown]
# ## Use it
#
# The folder of the run is all that detection needs: `attavvad detect VIDEO --checkpoint=RUN --to=html` in a terminal,
# or `CHECKPOINT` in `detect.ipynb`. `tensorboard --logdir RUN` shows each of the nine losses.

# %%
print(f"trained: {RUN}")
