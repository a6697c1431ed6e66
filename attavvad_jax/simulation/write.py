"""Writes simulated performances as a folder of video files with labels, in the form of users' own data."""

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
from attavvad_jax.simulation.cast import SPLITS
from attavvad_jax.simulation.recorded import find_sounds
from attavvad_jax.simulation.scenes import check_sounds, draw_scene, render_audio, render_frame
from attavvad_jax.simulation.synthesizer import check_installed
from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ
from attavvad_jax.timeline import Timeline

MANIFEST = "manifest.tsv"
SETTINGS = "simulation.json"


@dataclasses.dataclass(frozen=True)
class Clip:
  """One video to write: its files, its scene and its format."""

  folder: Path
  split: str
  index: int
  seed: int
  duration_s: float
  preset: str
  sounds: str | None
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
    """Conditions of the scene; written last."""
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
  sounds: str | None = None,
  clip_s: float = 30.0,
  frames_per_second: float = 25.0,
  size: tuple[int, int] = (480, 360),
  workers: int = 1,
) -> Path:
  """Writes mp4 files with labels and conditions, and a manifest; the same arguments give the same files.

  Each clip is a separate recording with its own performer, place and song. For each video there are the performer's
  events (`labels/NAME.tsv`), the events of any voice (`NAME.audio.tsv`) and the conditions (`NAME.conditions.json`). An
  incomplete folder is completed and its finished clips are kept. The manifest is written last, so a folder with a
  manifest is complete.

  Args:
    folder: output folder; created if missing.
    minutes: minutes of each of the splits train, validation and test; rounded up to whole clips.
    seed: seed of all randomness.
    preset: difficulty, a name of `difficulty.PRESETS`.
    sounds: folder of recorded voices and music, for presets that use them.
    clip_s: duration of a clip.
    frames_per_second: frame rate of the videos.
    size: width and height of the videos in pixels, both even.
    workers: number of processes that render in parallel.

  Returns:
    The path of the manifest. Its header is video, labels, recording, split, audio_labels, conditions; its paths are
    relative to the folder.

  Raises:
    ValueError: an argument is out of range, the folder contains another simulation, or the synthesizer is missing.
    OSError: the folder is not writable.
  """
  folder = Path(folder)
  unknown = sorted(set(minutes) - set(SPLITS))
  if unknown:
    raise ValueError(f"no such split: {', '.join(unknown)}; expected {', '.join(SPLITS)}")
  if not all(math.isfinite(amount) and amount >= 0 for amount in minutes.values()) or not sum(minutes.values()) > 0:
    raise ValueError(f"minutes are {minutes}; expected 0 or more for each split, and a positive total")
  if not 2 <= clip_s <= 600:
    raise ValueError(f"clip_s is {clip_s}; expected 2 to 600 s")
  if any(side < 64 or side % 2 for side in size):
    raise ValueError(f"size is {size[0]}x{size[1]}; expected an even width and height of 64 pixels or more")
  if not 1 <= frames_per_second <= 120:
    raise ValueError(f"frames_per_second is {frames_per_second}; expected 1 to 120")
  if workers < 1:
    raise ValueError(f"workers is {workers}; expected 1 or more")
  check_sounds(preset, sounds)
  check_installed()
  settings = {
    "seed": seed,
    "preset": preset,
    "clip_s": clip_s,
    "frames_per_second": frames_per_second,
    "size": list(size),
    **({"sounds": find_sounds(sounds).digest} if sounds is not None else {}),
  }
  (folder / "videos").mkdir(parents=True, exist_ok=True)
  (folder / "labels").mkdir(exist_ok=True)
  _claim(folder, settings)
  clips = [
    Clip(folder, split, index, seed, clip_s, preset, sounds, frames_per_second, *size)
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

  scene = draw_scene(clip.seed, clip.index, clip.split, clip.duration_s, clip.preset, clip.sounds)
  with VideoWriter(clip.video, clip.width_px, clip.height_px, clip.frames_per_second, SAMPLE_RATE_HZ) as writer:
    for frame, samples in _frames_and_samples(clip, render_audio(scene)):
      writer.write_samples(samples)
      writer.write_frame(render_frame(scene, frame / clip.frames_per_second, clip.width_px, clip.height_px))
  _write_labels(clip.labels, scene.timeline)
  _write_labels(clip.audio_labels, scene.audio_timeline)
  write_text(clip.conditions, json.dumps(scene.conditions, indent=2) + "\n")


def _frames_and_samples(clip: Clip, waveform: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
  """Yields the number of each frame with the samples of its duration."""
  count = math.ceil(round(clip.duration_s * clip.frames_per_second, 6))
  edges = [round(frame * SAMPLE_RATE_HZ / clip.frames_per_second) for frame in range(count)] + [len(waveform)]
  for frame in range(count):
    yield frame, waveform[edges[frame] : edges[frame + 1]]


def _claim(folder: Path, settings: dict) -> None:
  """Records the settings in the folder, or checks that the folder has the same settings."""
  path = folder / SETTINGS
  text = json.dumps(settings, indent=2) + "\n"
  if path.is_file():
    if path.read_text(encoding="utf-8") != text:
      raise ValueError(f"{folder} contains another simulation (see {SETTINGS}); delete it or choose another folder")
    return
  if any((folder / "videos").iterdir()):
    raise ValueError(f"{folder} contains videos but no {SETTINGS}; choose another folder")
  write_text(path, text)


def _write_labels(path: Path, timeline: Timeline) -> None:
  rows = [(f"{event.onset_s:.3f}", f"{event.offset_s:.3f}", event.label) for event in timeline]
  _write_table(path, ("onset", "offset", "event_label"), rows)


def _write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
  text = io.StringIO()
  csv.writer(text, delimiter="\t", lineterminator="\n").writerows([header, *rows])
  write_text(path, text.getvalue())
