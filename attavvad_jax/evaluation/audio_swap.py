"""Audio swaps measure how often a voice is assigned to a face that did not utter it.

Axes: B blocks, E events.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import itertools
from pathlib import Path

import numpy as np

from attavvad_jax.blocks import Block
from attavvad_jax.faces import FaceDetector
from attavvad_jax.inference.detector import Detector
from attavvad_jax.recordings import read_blocks
from attavvad_jax.timeline import EVENTS, block_labels, scores_to_timeline

# Blocks below this level are not counted, because a listener hears no voice in them.
HEARD_DBFS = -40.0
OWN = "its own"


@dataclasses.dataclass(frozen=True)
class AudioSwap:
  """The events detected in one video with one audio file.

  Attributes:
    face: name of the video.
    audio: name of the audio file, or `OWN`.
    blocks: number of blocks in which the audio is audible.
    fractions: the fraction of these blocks that got each of `EVENTS`; NaN if there are none.
  """

  face: str
  audio: str
  blocks: int
  fractions: tuple[float, ...]


def swap_audio(
  detector: Detector, faces: Sequence[str | Path], audio_files: Sequence[str | Path]
) -> Iterator[AudioSwap]:
  """Yields the events detected in every video with its own audio, then with each of the audio files instead.

  A video that is shorter than the audio is repeated from its beginning. The events come from the detector's smoothed
  timeline.

  Args:
    detector: the detector to measure.
    faces: videos with one face each.
    audio_files: files whose audio replaces that of the videos.

  Raises:
    ValueError: a file cannot be read.
  """
  with contextlib.ExitStack() as stack:
    find_faces = stack.enter_context(FaceDetector()) if faces else None
    read = lambda path: list(read_blocks(path, detector.spec.clock, detector.spec.crop, detect=find_faces))  # noqa: E731
    named_audio = [(Path(path).name, read(path)) for path in audio_files]
    for path in faces:
      video = read(path)
      for name, audio in [(OWN, video), *named_audio]:
        yield AudioSwap(Path(path).name, name, *_event_fractions(detector, list(replace_audio(video, audio))))


def replace_audio(faces: Sequence[Block], audio: Sequence[Block]) -> Iterator[Block]:
  """Yields the blocks of `audio` with the images of `faces`, repeated from the beginning as needed."""
  for audio_block, face_block in zip(audio, itertools.cycle(faces), strict=False):
    yield dataclasses.replace(face_block, index=audio_block.index, waveform=audio_block.waveform)


def _event_fractions(detector: Detector, blocks: Sequence[Block]) -> tuple[int, tuple[float, ...]]:
  clock = detector.spec.clock
  scores = np.asarray(detector.score(blocks).decision)
  timeline = scores_to_timeline(scores, clock, clock.start_s(len(blocks)), detector.smoothing)
  labels = block_labels(timeline, clock, len(blocks))
  # 0 dBFS is int16 at full scale; the small addend keeps the logarithm of digital silence finite.
  power = np.mean([np.square(block.waveform[clock.samples_before :] / 32768.0) for block in blocks], axis=1)
  labels = labels[10 * np.log10(power + 1e-12) > HEARD_DBFS]
  counts = np.bincount(labels, minlength=len(EVENTS))
  return len(labels), tuple(float(count) / len(labels) if len(labels) else np.nan for count in counts)


def swap_table(swaps: Sequence[AudioSwap]) -> str:
  """Returns a Markdown table with a row for each video and audio: the percentage of audible blocks per event."""
  header = ("face", "audio", "blocks", *(f"{event} %" for event in EVENTS))
  rows = [(row.face, row.audio, str(row.blocks), *(_percent(value) for value in row.fractions)) for row in swaps]
  rule = "|".join(["", " --- ", " --- ", *([" ---: "] * (len(header) - 2)), ""])
  return "\n".join([f"| {' | '.join(header)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def _percent(fraction: float) -> str:
  return "–" if np.isnan(fraction) else f"{100 * fraction:.0f}"
