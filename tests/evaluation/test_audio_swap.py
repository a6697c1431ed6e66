"""Audio swaps, with a detector whose decisions are predictable."""

import contextlib
import types

import numpy as np
import pytest

from attavvad_jax.blocks import Block, Crop, DataSpec
from attavvad_jax.evaluation import audio_swap
from attavvad_jax.predict import BlockScores
from attavvad_jax.timeline import EVENTS, Clock, Smoothing

CLOCK = Clock()


def _blocks(levels, faces):
  """Returns blocks with constant audio of the given levels, and images of the given grays."""
  return [
    Block(i, np.full(CLOCK.block_samples, level, np.int16), np.full((3, 2, 2), face, np.uint8), np.ones(3, bool), None)
    for i, (level, face) in enumerate(zip(levels, faces, strict=True))
  ]


class ByFace:
  """A detector that decides speech if the face is bright, else others, whatever the audio."""

  spec = DataSpec(CLOCK, Crop(2, 2))
  smoothing = Smoothing(mean_blocks=1, min_duration_s=0.0)

  def score(self, blocks):
    labels = [EVENTS.index("speech" if block.images.max() > 100 else "others") for block in blocks]
    return BlockScores(audio=None, visual=None, audio_visual=np.eye(4)[labels], attention=None)


@pytest.fixture
def files(monkeypatch):
  files = {
    "still.mp4": _blocks([0, 0, 0], [10, 10, 10]),
    "talking.mp4": _blocks([9000, 0, 9000, 9000], [200, 200, 10, 200]),
    "voice.wav": _blocks([5000, 5000, 20, 5000, 5000, 5000, 5000], [0] * 7),
  }
  monkeypatch.setattr(audio_swap, "read_blocks", lambda path, clock, crop, detect: iter(files[path]))
  monkeypatch.setattr(audio_swap, "FaceDetector", lambda: contextlib.nullcontext(types.SimpleNamespace()))
  return files


def test_fractions_are_of_the_audible_blocks(files):
  rows = list(audio_swap.swap_audio(ByFace(), ["still.mp4", "talking.mp4"], ["voice.wav"]))
  assert [(row.face, row.audio, row.blocks) for row in rows] == [
    ("still.mp4", "its own", 0),
    ("still.mp4", "voice.wav", 6),
    ("talking.mp4", "its own", 3),
    ("talking.mp4", "voice.wav", 6),
  ]
  assert np.isnan(rows[0].fractions).all()
  assert rows[1].fractions == (0, 0, 0, 1)
  assert rows[2].fractions == pytest.approx((0, 2 / 3, 0, 1 / 3))
  # The images repeat from the beginning: blocks 0, 1, 3, 4 and 5 of the voice have a bright face, block 6 has not.
  assert rows[3].fractions == pytest.approx((0, 5 / 6, 0, 1 / 6))


def test_blocks_keep_the_audio_and_its_order_and_repeat_the_faces(files):
  swapped = list(audio_swap.replace_audio(files["talking.mp4"], files["voice.wav"]))
  assert [block.index for block in swapped] == list(range(7))
  assert [block.waveform[0] for block in swapped] == [5000, 5000, 20, 5000, 5000, 5000, 5000]
  assert [block.images.max() for block in swapped] == [200, 200, 10, 200, 200, 200, 10]


def test_table_has_a_row_for_each_swap_and_a_dash_without_audible_blocks(files):
  lines = audio_swap.swap_table(list(audio_swap.swap_audio(ByFace(), ["still.mp4"], ["voice.wav"]))).splitlines()
  assert lines[0] == "| face | audio | blocks | silence % | speech % | singing % | others % |"
  assert lines[2:] == ["| still.mp4 | its own | 0 | – | – | – | – |", "| still.mp4 | voice.wav | 6 | 0 | 0 | 0 | 100 |"]
