"""Weights that ship with the package: used only as they left."""

import hashlib

import pytest

from attavvad_jax.detection.weights import default_checkpoint


@pytest.fixture
def shipped(tmp_path):
  """A folder as it ships; the digests are those of another program's making."""
  (tmp_path / "meta").mkdir()
  files = {"meta/metadata": b"{}", "variables.bin": b"\x00\x01"}
  for name, content in files.items():
    (tmp_path / name).write_bytes(content)
  lines = [f"{hashlib.new('sha256', content).hexdigest()}  {name}\n" for name, content in files.items()]
  (tmp_path / "SHA256SUMS").write_text("".join(lines))
  return tmp_path


def test_whole_weights_are_the_checkpoint(shipped):
  assert default_checkpoint(shipped) == shipped


def test_damaged_file_is_named(shipped):
  (shipped / "variables.bin").write_bytes(b"\x00\x02")
  with pytest.raises(ValueError, match=r"variables\.bin: its sha256 is not the one in SHA256SUMS.*install the package"):
    default_checkpoint(shipped)


def test_missing_file_is_named(shipped):
  (shipped / "meta" / "metadata").unlink()
  with pytest.raises(ValueError, match=r"metadata: missing from the weights"):
    default_checkpoint(shipped)


def test_without_weights_a_checkpoint_is_asked_for(tmp_path):
  with pytest.raises(ValueError, match=r"no trained weights ship .*--checkpoint="):
    default_checkpoint(tmp_path)
