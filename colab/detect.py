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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/attavvad-jax/attavvad_jax/blob/main/colab/detect.ipynb)
#
# # Detect: a video in, its timeline out
#
# When does the performer on camera speak or sing, when are they silent, and when is what is heard not theirs? This
# notebook takes a video of yours, or a simulated performance, and gives its timeline: as text, as a table, as a picture
# and as an annotated video. From top to bottom it takes a minute or two on two CPU cores.

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

prepare_xla()  # before jax is imported: faster convolutions on CPUs, and compiled programs are kept

# %% [markdown]
# ## Settings
#
# `VIDEO` may be any file with sound that FFmpeg reads. On Colab, `"upload"` asks for one; a file on your Drive is named
# by its path once the Drive is mounted. `CHECKPOINT` may be the folder of a run that you have trained, for example by
# `train.ipynb`. The weights that ship with the package have learned from simulated performances alone: their
# [card](https://github.com/attavvad-jax/attavvad_jax/blob/main/attavvad_jax/weights/README.md) says what to expect of
# them on real footage.

# %%
import tempfile

QUICK = "ATTAVVAD_QUICK" in os.environ  # the tests' short form
VIDEO = None  # a path, "upload", or None for a simulated performance
CHECKPOINT = "shipped"  # or a path
CLIP_S = 8.0 if QUICK else 30.0  # of the simulated performance
SEED = 1
FOLDER = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The video
#
# The simulated performance comes from the test split: its voice, face, tune and place are in no other. It is written as
# an mp4 file with labels beside it, so that from here on it is read like any other video.

# %%
from attavvad_jax.datasets.manifest import read_folder
from attavvad_jax.media import probe
from attavvad_jax.simulation import write_folder

labels = None
if VIDEO == "upload":
  from google.colab import files

  VIDEO = next(iter(files.upload()), None)
if VIDEO is None:
  write_folder(FOLDER / "clip", minutes={"test": CLIP_S / 60}, clip_s=CLIP_S, seed=SEED)
  (clip,) = read_folder(FOLDER / "clip")
  VIDEO, labels = clip.video, clip.labels

info = probe(VIDEO)
size = f"{info.width_px} x {info.height_px}" if info.has_video else "no pictures"
print(f"{Path(VIDEO).name}: {size}, sound at {info.sample_rate_hz} Hz")

# %% [markdown]
# ## Its timeline
#
# Three times a second the network decides from 352 ms of sound and from drawings of the performer's lips; the decisions
# are smoothed and joined to events. Faces are found by mediapipe, whose models are fetched once; mediapipe reports usage
# figures to its maker when the machine is online. What is damaged or missing in the file is said here. The timeline is
# also written as TSV and JSON, under the video's name.
#
# `attavvad detect VIDEO --to=tsv,json,mp4` does the same in a terminal.

# %%
from attavvad_jax.inference.run import detect_file

to = ("tsv", "json", "mp4") if info.has_video else ("tsv", "json")
detection = detect_file(VIDEO, CHECKPOINT, FOLDER / "detection", to=to)

# %% [markdown]
# The events as a table. A score is the mean of the network's probabilities for the event over its blocks; nothing has
# been done to make it the chance of being right.

# %%
from IPython.display import Markdown, display

from attavvad_jax.timeline.text import format_time

rows = ["| from | to | event | score |", "| ---: | ---: | :--- | ---: |"]
for event in detection.timeline:
  rows.append(f"| {format_time(event.onset_s)} | {format_time(event.offset_s)} | {event.label} | {event.score:.2f} |")
display(Markdown("\n".join(rows)))

# %% [markdown]
# ## As a picture
#
# Frames from the middle of the longest events, the events, and the scores of all blocks under them. Where the labels
# are known, as those of the simulation are, they stand above as the reference.

# %%
from IPython.display import Image

from attavvad_jax.annotations import read
from attavvad_jax.inference.detector import Detector
from attavvad_jax.media import read_frames
from attavvad_jax.reports.figure import write_figure

annotated = FOLDER / "detection" / f"{Path(VIDEO).stem}.annotated.mp4"
frames = []
if info.has_video:
  longest = sorted(detection.timeline, key=lambda event: -event.duration_s)[:5]
  times_s = sorted((event.onset_s + event.offset_s) / 2 for event in longest)
  pictures = zip(times_s, read_frames(annotated, times_s), strict=True)
  frames = [(time_s, picture.rgb) for time_s, picture in pictures if picture is not None]
write_figure(
  FOLDER / "timeline.png",
  detection.timeline,
  reference=None if labels is None else read(labels, detection.report.duration_s),
  scores=detection.decision,
  clock=Detector(CHECKPOINT).spec.clock,
  frames=frames,
)
display(Image(FOLDER / "timeline.png", width=900))

# %% [markdown]
# ## As a video
#
# The state stands at the top left with its scores under it, and the face that was followed has a box round it. A video
# of more than 20 MB would make the notebook heavy: it stays in the folder that was printed above.

# %%
from IPython.display import Video

if annotated.exists() and annotated.stat().st_size < 20_000_000:
  display(Video(str(annotated), embed=True, width=640))
