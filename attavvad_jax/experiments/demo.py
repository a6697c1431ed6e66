"""The complete pipeline of `make demo`: simulate, prepare, train, evaluate, detect."""

from collections.abc import Mapping
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

from attavvad_jax import __version__
from attavvad_jax import config as config_lib
from attavvad_jax.annotations import read as read_annotation
from attavvad_jax.datasets.manifest import Item, read_folder
from attavvad_jax.datasets.prepare import prepare_folder
from attavvad_jax.evaluation.run import evaluate_checkpoint
from attavvad_jax.files import write_text
from attavvad_jax.inference.detector import Detection
from attavvad_jax.inference.run import detect_file
from attavvad_jax.media import read_frames
from attavvad_jax.notes import note
from attavvad_jax.reports.figure import write_figure
from attavvad_jax.simulation import write_folder
from attavvad_jax.timeline import Clock
from attavvad_jax.training.loop import train

# File with the settings of the demo in a workdir; its finished stages belong to these settings.
SETTINGS = "demo.json"
# Shares of the demo's minutes, with enough test data for a meaningful score.
_SHARES = {"train": 0.72, "validation": 0.08, "test": 0.20}


def run_demo(config: Mapping[str, Any], workdir: str | Path, minutes: float) -> None:
  """Runs every unfinished stage and prints the results.

  Args:
    config: the config for `training.loop.train`; its `data` is filled in.
    workdir: folder that receives videos/, data/, run/ and detection/.
    minutes: duration of simulated video over all splits.

  Raises:
    ValueError: the workdir holds another demo, or a stage found unusable input.
  """
  workdir = Path(workdir)
  _claim(workdir, {"minutes": minutes, "version": __version__})
  started_s = time.monotonic()
  spec = config_lib.data_spec(config)

  _headline("1/5 simulating performances")
  videos = workdir / "videos"
  minutes_of = {split: share * minutes for split, share in _SHARES.items()}
  write_folder(videos, minutes=minutes_of, seed=config["seed"], workers=os.cpu_count() or 1)

  _headline("2/5 preparing them: decoding, faces, blocks")
  prepared = prepare_folder(videos, workdir / "data", spec, keep=True)
  print(prepared)
  path = prepared.path

  _headline("3/5 training")
  config = {**config, "data": str(path)}
  train(config, workdir / "run")

  _headline("4/5 evaluating on held-out recordings: other voices, faces and tunes")
  evaluation = evaluate_checkpoint(workdir / "run", path, "test", "paper")

  _headline("5/5 detecting on one of them")
  held_out = [item for item in read_folder(videos) if item.split == "test"]
  item = max(held_out, key=lambda item: len(read_annotation(item.labels)))  # the one with the most events
  annotated, picture = (workdir / "detection" / f"{item.video.stem}{suffix}" for suffix in (".annotated.mp4", ".png"))
  detection = detect_file(item.video, workdir / "run", workdir / "detection", to=("tsv", "json", "mp4"))
  _draw(picture, item, detection, annotated, spec.clock)

  _headline(f"done in {(time.monotonic() - started_s) / 60:.1f} minutes")
  print(evaluation)
  fused, audio = (100 * evaluation.scores[o].event_based["overall"].f_score for o in ("audio_visual", "audio"))
  print(f"""
Event-based F: {fused:.1f} % with audio and video, {audio:.1f} % with audio alone ({fused - audio:+.1f} points).
Annotated video: {annotated}
Its timeline beside the reference: {picture}
Next steps:
  attavvad detect YOUR_VIDEO --checkpoint {workdir / "run"} --to html,mp4
  attavvad prepare --input=YOUR_VIDEOS_WITH_LABELS --output=data
  tensorboard --logdir {workdir / "run"}
This network was trained on {minutes:.0f} minutes of simulation only: expect little of it on real footage.""")


def _claim(workdir: Path, settings: Mapping[str, Any]) -> None:
  """Records the settings of the demo in the workdir; refuses a workdir with other settings."""
  path = workdir / SETTINGS
  if path.is_file() and (before := path.read_text(encoding="utf-8")) != json.dumps(settings):
    raise ValueError(f"{workdir}: holds a demo of {before}, not of {json.dumps(settings)}; choose another --workdir")
  workdir.mkdir(parents=True, exist_ok=True)
  write_text(path, json.dumps(settings))


def _draw(path: Path, item: Item, detection: Detection, annotated: Path, clock: Clock) -> None:
  """Draws the timeline beside the labels, with annotated frames from the middle of the longest events."""
  reference = read_annotation(item.labels, detection.report.duration_s)
  longest = sorted(detection.timeline, key=lambda event: -event.duration_s)[:5]
  times_s = sorted((event.onset_s + event.offset_s) / 2 for event in longest)
  found = zip(times_s, read_frames(annotated, times_s), strict=True)
  frames = [(time_s, frame.rgb) for time_s, frame in found if frame is not None]
  write_figure(path, detection.timeline, reference=reference, scores=detection.decision, clock=clock, frames=frames)


def _headline(text: str) -> None:
  note(f"\n== {text}", sys.stdout)
