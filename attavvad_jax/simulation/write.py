"""Simulated performances as a folder of real video files with labels: what anybody's own data would look like."""

from collections.abc import Iterable, Iterator
import csv
import dataclasses
import io
import json
import math
import os
from pathlib import Path

import numpy as np

from attavvad_jax import pool
from attavvad_jax.files import write_text
from attavvad_jax.notes import progress_bar
from attavvad_jax.simulation import difficulty
from attavvad_jax.simulation.cast import SPLITS
from attavvad_jax.simulation.scenes import draw_scene, render_audio, render_frame
from attavvad_jax.simulation.synthesizer import check_installed
from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ
from attavvad_jax.timeline import Timeline

MANIFEST = "manifest.tsv"
SETTINGS = "simulation.json"


@dataclasses.dataclass(frozen=True)
class Clip:
  """One video to write: where, which scene, and how."""

  folder: Path
  split: str
  index: int
  seed: int
  duration_s: float
  preset: str
  frames_per_second: float
  width_px: int
  height_px: int

  @property
  def recording(self) -> str:
    return f"{self.split}_{self.index:04d}"

  @property
  def video(self) -> Path:
    return self.folder / "videos" / f"{self.recording}.mp4"

  @property
  def labels(self) -> Path:
    """Events of the performer."""
    return self.folder / "labels" / f"{self.recording}.tsv"

  @property
  def audio_labels(self) -> Path:
    """Events of any voice."""
    return self.folder / "labels" / f"{self.recording}.audio.tsv"

  @property
  def conditions(self) -> Path:
    """What is hard about it; written last."""
    return self.folder / "labels" / f"{self.recording}.conditions.json"

  @property
  def is_complete(self) -> bool:
    return all(path.is_file() for path in (self.video, self.labels, self.audio_labels, self.conditions))


def write_folder(
  folder: str | os.PathLike[str],
  *,
  minutes: dict[str, float],
  seed: int = 0,
  preset: str = "live",
  clip_s: float = 30.0,
  frames_per_second: float = 25.0,
  size: tuple[int, int] = (480, 360),
  workers: int = 1,
) -> Path:
  """Writes mp4 files, labels and a description of each, and a manifest; the same files for the same arguments.

  Each clip is a recording of its own: another performer, place and song. Beside its video lie the performer's events
  (`labels/NAME.tsv`), those of any voice (`NAME.audio.tsv`) and its conditions (`NAME.conditions.json`). A folder that
  was left half-written is completed, what is there is kept. The manifest comes last: a folder with one is complete.

  Args:
    folder: where to write; made where it is missing.
    minutes: how much of each of the splits train, validation and test; rounded up to whole clips.
    seed: of all randomness.
    preset: how hard, a name of `difficulty.PRESETS`.
    clip_s: seconds of a clip.
    frames_per_second: of the videos.
    size: width and height of the videos in pixels, even.
    workers: processes that render side by side.

  Returns:
    the manifest: header video, labels, recording, split, audio_labels, conditions; paths relative to the folder.

  Raises:
    ValueError: an argument is out of range, the folder holds another simulation, or the synthesizer is missing.
    OSError: the folder cannot be written to.
  """
  folder = Path(folder)
  unknown = sorted(set(minutes) - set(SPLITS))
  if unknown:
    raise ValueError(f"no such split: {', '.join(unknown)}; expected {', '.join(SPLITS)}")
  if not all(math.isfinite(amount) and amount >= 0 for amount in minutes.values()) or not sum(minutes.values()) > 0:
    raise ValueError(f"minutes are {minutes}; expected 0 or more for each split and something in all")
  if not 2 <= clip_s <= 600:
    raise ValueError(f"clip_s is {clip_s}; expected 2 to 600 s")
  if any(side < 64 or side % 2 for side in size):
    raise ValueError(f"size is {size[0]}x{size[1]}; expected an even width and height of 64 pixels or more")
  if not 1 <= frames_per_second <= 120:
    raise ValueError(f"frames_per_second is {frames_per_second}; expected 1 to 120")
  if workers < 1:
    raise ValueError(f"workers is {workers}; expected 1 or more")
  difficulty.preset(preset)
  check_installed()
  settings = {
    "seed": seed,
    "preset": preset,
    "clip_s": clip_s,
    "frames_per_second": frames_per_second,
    "size": list(size),
  }
  (folder / "videos").mkdir(parents=True, exist_ok=True)
  (folder / "labels").mkdir(exist_ok=True)
  _claim(folder, settings)
  clips = [
    Clip(folder, split, index, seed, clip_s, preset, frames_per_second, *size)
    for split in SPLITS
    for index in range(math.ceil(round(minutes.get(split, 0.0) * 60 / clip_s, 6)))
  ]
  missing = [clip for clip in clips if not clip.is_complete]
  done = len(clips) - len(missing)
  for _ in progress_bar(
    pool.each(write_clip, missing, workers), desc="rendering", unit="clip", initial=done, total=len(clips)
  ):
    pass
  header = ("video", "labels", "recording", "split", "audio_labels", "conditions")
  rows = []
  for clip in clips:
    paths = (clip.video, clip.labels, clip.audio_labels, clip.conditions)
    video, labels, audio_labels, conditions = (str(path.relative_to(folder)) for path in paths)
    rows.append((video, labels, clip.recording, clip.split, audio_labels, conditions))
  _write_table(folder / MANIFEST, header, rows)
  return folder / MANIFEST


def write_clip(clip: Clip) -> None:
  """Renders one scene to its mp4 file and, once that is complete, writes its labels and conditions."""
  from attavvad_jax.media.encode import VideoWriter

  scene = draw_scene(clip.seed, clip.index, clip.split, clip.duration_s, clip.preset)
  with VideoWriter(clip.video, clip.width_px, clip.height_px, clip.frames_per_second, SAMPLE_RATE_HZ) as writer:
    for frame, samples in _frames_and_samples(clip, render_audio(scene)):
      writer.write_samples(samples)
      writer.write_frame(render_frame(scene, frame / clip.frames_per_second, clip.width_px, clip.height_px))
  _write_labels(clip.labels, scene.timeline)
  _write_labels(clip.audio_labels, scene.audio_timeline)
  write_text(clip.conditions, json.dumps(scene.conditions, indent=2) + "\n")


def _frames_and_samples(clip: Clip, waveform: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
  """Each frame's number with the samples that sound while it is shown."""
  count = math.ceil(round(clip.duration_s * clip.frames_per_second, 6))
  edges = [round(frame * SAMPLE_RATE_HZ / clip.frames_per_second) for frame in range(count)] + [len(waveform)]
  for frame in range(count):
    yield frame, waveform[edges[frame] : edges[frame + 1]]


def _claim(folder: Path, settings: dict) -> None:
  """Notes in the folder what it is made of, or checks that it is made of the same."""
  path = folder / SETTINGS
  text = json.dumps(settings, indent=2) + "\n"
  if path.is_file():
    if path.read_text(encoding="utf-8") != text:
      raise ValueError(f"{folder} holds another simulation (see {SETTINGS}); delete it or choose another folder")
    return
  if any((folder / "videos").iterdir()):
    raise ValueError(f"{folder} holds videos but no {SETTINGS}; choose another folder")
  write_text(path, text)


def _write_labels(path: Path, timeline: Timeline) -> None:
  rows = [(f"{event.onset_s:.3f}", f"{event.offset_s:.3f}", event.label) for event in timeline]
  _write_table(path, ("onset", "offset", "event_label"), rows)


def _write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
  text = io.StringIO()
  csv.writer(text, delimiter="\t", lineterminator="\n").writerows([header, *rows])
  write_text(path, text.getvalue())
