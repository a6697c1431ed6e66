import os
from pathlib import Path
import shutil
import types

import numpy as np
from prepared import TIMELINE, prepare
import pytest

from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.evaluation import PAPER, evaluate
from attavvad_jax.experiments import scores as scores_lib
from attavvad_jax.experiments.scores import score_run
from attavvad_jax.predict import BlockScores
from attavvad_jax.timeline import EVENTS, Smoothing


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return PreparedData(prepare(tmp_path_factory.mktemp("data"), {"test": 2}))


@pytest.fixture
def scored(monkeypatch, tmp_path):
  """The scored splits, with a network that is right on the first recording only, and its checkpoint."""
  seen = []
  checkpoint = tmp_path / "parameters"
  checkpoint.write_text("some")

  def detector(workdir):
    return types.SimpleNamespace(
      digest=checkpoint.read_text(),
      meta={"step": 4},
      predict=None,
      smoothing=Smoothing(mean_blocks=1, min_duration_s=0.0),
    )

  def score_recordings(predict, data, split, batch_size):
    seen.append(split)
    right = np.eye(4)[np.repeat(np.arange(4), 6)]
    wrong = np.eye(4)[np.full(24, EVENTS.index("others"))]
    return {
      name: (TIMELINE, BlockScores(wrong, None, answer, None)) for name, answer in (("test0", right), ("test1", wrong))
    }

  monkeypatch.setattr(scores_lib, "TrainedModel", detector)
  monkeypatch.setattr(scores_lib, "score_recordings", score_recordings)
  return seen, checkpoint


def test_counts_of_recordings_add_up_to_those_of_the_test_set(data, scored, tmp_path):
  found = score_run(Path("run"), data, tmp_path / "scores.json")
  assert (found.step, found.output) == (4, "audio_visual")
  # The first has four events and four hits. In the second, only the last event has its label, but not its onset.
  assert found.event_based().tolist()[0] == [4, 4, 4, 0]
  assert found.event_based()[1, :3].tolist() == [0, 4, 1]
  assert found.event_based("speech").tolist()[0] == [1, 1, 1, 0]
  pairs = [(TIMELINE, TIMELINE)]
  assert found.recordings["test0"] == evaluate(pairs, PAPER)
  assert found.segment_based().shape == (2, 4)


def test_stored_scores_are_reused_while_the_checkpoint_is_the_same(data, scored, tmp_path):
  seen, checkpoint = scored
  path = tmp_path / "deep" / "scores.json"
  first = score_run(Path("run"), data, path)
  assert score_run(Path("run"), data, path) == first
  assert seen == ["test"]
  os.utime(checkpoint, (1, 1))  # a copy is still the same checkpoint
  score_run(Path("run"), data, path)
  assert seen == ["test"]
  checkpoint.write_text("others")
  score_run(Path("run"), data, path)
  assert seen == ["test", "test"]


def test_new_data_at_the_same_path_are_scored_again(scored, tmp_path):
  seen, _ = scored
  folder, path = tmp_path / "data", tmp_path / "scores.json"
  score_run(Path("run"), PreparedData(prepare(folder, {"test": 1})), path)
  shutil.rmtree(folder)
  score_run(Path("run"), PreparedData(prepare(folder, {"test": 3})), path)
  assert seen == ["test", "test"]
  # The same test recordings keep their scores at another path and with other training recordings.
  score_run(Path("run"), PreparedData(prepare(tmp_path / "moved", {"train": 1, "test": 3})), path)
  assert seen == ["test", "test"]
