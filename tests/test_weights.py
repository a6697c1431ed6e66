"""The shipped weights are used only if every file is intact."""

import hashlib

import pytest

from attavvad_jax.weights import shipped_checkpoint
from tools.pack import pack


@pytest.fixture
def shipped(tmp_path):
  """Returns a folder as it ships; its digests do not come from the code under test."""
  (tmp_path / "meta").mkdir()
  files = {"meta/metadata": b"{}", "variables.bin": b"\x00\x01"}
  for name, content in files.items():
    (tmp_path / name).write_bytes(content)
  lines = [f"{hashlib.new('sha256', content).hexdigest()}  {name}\n" for name, content in files.items()]
  (tmp_path / "SHA256SUMS").write_text("".join(lines))
  return tmp_path


def test_intact_weights_are_the_checkpoint(shipped):
  assert shipped_checkpoint(shipped) == shipped


def test_damaged_file_is_named(shipped):
  (shipped / "variables.bin").write_bytes(b"\x00\x02")
  with pytest.raises(ValueError, match=r"variables\.bin: its sha256 differs .* SHA256SUMS; install the package"):
    shipped_checkpoint(shipped)


def test_missing_file_is_named(shipped):
  (shipped / "meta" / "metadata").unlink()
  with pytest.raises(ValueError, match=r"metadata: missing from the weights"):
    shipped_checkpoint(shipped)


def test_error_without_weights_names_the_checkpoint_option(tmp_path):
  with pytest.raises(ValueError, match=r"no trained weights .*--checkpoint="):
    shipped_checkpoint(tmp_path)


def test_packed_weights_are_intact_and_without_the_optimizer(shipped, tmp_path):
  checkpoint = tmp_path / "step"
  for item in ("meta", "variables", "optimizer"):
    (checkpoint / item / "d").mkdir(parents=True)
    (checkpoint / item / "d" / "file").write_bytes(item.encode())
    (checkpoint / item / "commit_success.txt").write_text("Checkpoint commit was successful to /home/somebody/step")
  (shipped / "README.md").write_text("The card.")
  pack(checkpoint, shipped)
  assert shipped_checkpoint(shipped) == shipped
  assert (shipped / "variables" / "d" / "file").read_bytes() == b"variables"
  assert not (shipped / "meta" / "metadata").exists()  # a file of the replaced weights
  assert not (shipped / "optimizer").exists()
  assert not list((shipped / "meta").rglob("commit_success.txt"))
  assert (shipped / "README.md").read_text() == "The card."


@pytest.mark.slow
def test_shipped_weights_detect_in_performances_that_they_were_not_trained_on():
  """The performances are simulated scenes of the test split."""
  import numpy as np

  from attavvad_jax.inference.detector import Detector
  from attavvad_jax.simulation import draw_scene
  from attavvad_jax.simulation.blocks import render_blocks
  from attavvad_jax.timeline import block_labels

  pytest.importorskip("espeakng_loader", reason="the simulation's synthesizer is not installed")
  detector = Detector("shipped")
  right = []
  for number in range(3):
    scene = draw_scene(77, number, "test", 20.0, "live")
    blocks = list(render_blocks(scene, detector.spec.clock, detector.spec.crop))
    decided = detector.score(blocks).decision.argmax(axis=1)
    right.append(decided == block_labels(scene.timeline, detector.spec.clock, len(blocks)))
  # Always answering "others" would be right in a fifth of the blocks.
  assert np.concatenate(right).mean() > 0.75
