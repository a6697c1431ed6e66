"""A run, a data set and a label file that an earlier version wrote are still read.

files_of_before.zip was made on 30 November 2026 by the version in which modules had other names and models had no
branches. It contains the data set of `prepared.py` with three blocks of random numbers, a run of three steps on it by
`tiny.py` with few filters, its scores of a batch of consecutive numbers, and two events.
"""

import json
from pathlib import Path
import zipfile

import jax
import numpy as np
import pytest
from tiny import tiny_config

from attavvad_jax.annotations import read
from attavvad_jax.checkpoints import restore_item
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.timeline import Event
from attavvad_jax.trained import TrainedModel
from attavvad_jax.training.checkpoints import Checkpoints
from attavvad_jax.training.setup import set_up
from attavvad_jax.training.workdir import check_workdir


@pytest.fixture(scope="module")
def before(tmp_path_factory):
  folder = tmp_path_factory.mktemp("before")
  with zipfile.ZipFile(Path(__file__).with_name("files_of_before.zip")) as archive:
    archive.extractall(folder)
  (folder / "run" / "checkpoints" / "best").mkdir(exist_ok=True)
  return folder


def test_a_data_set_is_read(before):
  data = PreparedData(before / "data" / "drawn" / "default" / "2.0.0")
  assert len(data.source("train")) == 3
  assert data.digest("train") is not None


def test_a_checkpoint_gives_the_same_scores(before):
  trained = TrainedModel(before / "run")
  assert trained.meta["step"] == 3
  assert trained.meta["config"]["optimizer"]["name"] == "adam"
  samples = trained.spec.clock.block_samples
  batch = {
    "waveform": (np.arange(2 * samples).reshape(2, -1) % 501 - 250).astype(np.int16),
    "images": (np.arange(2 * 3 * 32 * 32).reshape(2, 3, 32, 32) % 251).astype(np.uint8),
    "image_mask": np.ones((2, 3), bool),
  }
  expected = np.array(json.loads((before / "scores.json").read_text()))
  np.testing.assert_allclose(trained.predict(batch).audio_visual, expected, atol=1e-6)


def test_a_run_resumes(before):
  """The run's config lacks the keys that later versions added."""
  config = tiny_config(
    before / "data" / "drawn" / "default" / "2.0.0",
    batch_size=1,
    num_epochs=1,
    log_every_steps=1,
    learning_rate_decay_epochs=1.0,
  )
  config.model.update(dict(filters=2, embedding_dim=3, gru_units=2))
  setup = set_up(config)
  check_workdir(before / "run", setup)
  batches = setup.open_batches()
  state = setup.create_state(next(batches))
  checkpoints = Checkpoints(before / "run")
  restored = checkpoints.restore_last(state, batches)
  checkpoints.close()
  assert int(restored.step) == 3
  stored = restore_item(before / "run" / "checkpoints" / "last" / "3", "optimiser")["optimiser"][0]
  assert jax.tree.all(jax.tree.map(np.array_equal, stored["mu"], restored.optimizer[0].mu))
  assert jax.tree.all(jax.tree.map(np.array_equal, stored["nu"], restored.optimizer[0].nu))
  assert any(np.any(leaf) for leaf in jax.tree.leaves(stored["mu"]))
  config.optimizer.clip_norm = 1.0
  with pytest.raises(ValueError, match=r"other values .*optimizer"):
    check_workdir(before / "run", set_up(config))


def test_a_label_file_is_read(before):
  timeline = read(before / "events.json")
  assert list(timeline) == [Event(0.5, 1.25, "speech", 0.875), Event(1.25, 2.0, "singing")]
  assert timeline.duration_s == 2.5
