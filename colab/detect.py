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
# # Detect: from a video to its timeline
#
# When does the performer on camera speak or sing, when are they silent, and when does the audio have another source?
# This notebook takes your video, or a simulated performance, and shows its timeline as text, as a table, as a figure
# and as an annotated video. It runs in one to two minutes on two CPU cores.

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

prepare_xla()  # before importing jax: faster convolutions on CPUs, and a cache of compiled programs

# %% [markdown]
# ## Settings
#
# `VIDEO` may be any file with audio that FFmpeg reads. On Colab, `"upload"` asks for a file; a mounted Drive makes its
# files available by path. `CHECKPOINT` may be the folder of a run that you trained, for example with `train.ipynb`. The
# weights of the package were trained on simulated performances only: their [model
# card](https://github.com/attavvad-jax/attavvad_jax/blob/main/attavvad_jax/weights/README.md) says what to expect on
# real footage.

# %%
import tempfile

QUICK = "ATTAVVAD_QUICK" in os.environ  # set by the tests
VIDEO = None  # a path, "upload", or None for a simulated performance
CHECKPOINT = "shipped"  # or a path
CLIP_S = 8.0 if QUICK else 30.0  # duration of the simulated performance
SEED = 1
FOLDER = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The video
#
# The simulated performance comes from the test split: no other split contains its voice, face, tune or place. The next
# cell writes it as an mp4 file with a label file, so the rest of the notebook reads it like any other video.

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
size = f"{info.width_px} x {info.height_px}" if info.has_video else "no video track"
print(f"{Path(VIDEO).name}: {size}, audio at {info.sample_rate_hz} Hz")

# %% [markdown]
# ## The timeline
#
# Three times a second, the network decides from 1.4 s of audio and from the shape of the performer's lips. The
# decisions are smoothed and joined to events. mediapipe detects the faces; its models are downloaded once, and it
# reports usage statistics to its maker when the machine is online. The output below also reports damaged or missing
# parts of the file. The timeline is written to TSV and JSON files named after the video.
#
# `attavvad detect VIDEO --to=tsv,json,mp4` does the same in a terminal.

# %%
from attavvad_jax.inference.run import detect_file

to = ("tsv", "json", "mp4") if info.has_video else ("tsv", "json")
detection = detect_file(VIDEO, CHECKPOINT, FOLDER / "detection", to=to)

# %% [markdown]
# This table lists the events. The score of an event is the mean of the network's probabilities over its blocks. Scores
# are not calibrated.

# %%
from IPython.display import Markdown, display

from attavvad_jax.timeline.text import format_time

rows = ["| from | to | event | score |", "| ---: | ---: | :--- | ---: |"]
for event in detection.timeline:
  rows.append(f"| {format_time(event.onset_s)} | {format_time(event.offset_s)} | {event.label} | {event.score:.2f} |")
display(Markdown("\n".join(rows)))

# %% [markdown]
# ## As a figure
#
# The figure shows frames from the middle of the longest events, the events, and the scores of all blocks. If labels
# are known, as for a simulated performance, they appear above as the reference.

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
  timed = zip(times_s, read_frames(annotated, times_s), strict=True)
  frames = [(time_s, frame.rgb) for time_s, frame in timed if frame is not None]
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
# The video shows the current event with its scores at the top left, and a box around the tracked face. A video of more
# than 20 MB is not embedded: it stays in the folder printed above.

# %%
from IPython.display import Video

if annotated.exists() and annotated.stat().st_size < 20_000_000:
  display(Video(str(annotated), embed=True, width=640))
