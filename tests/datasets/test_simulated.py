"""Simulated performances as a data set, with stand-ins for the rendered scenes."""

import dataclasses

from prepared import AUDIO_TIMELINE, SPEC, TIMELINE, drawn_blocks
import pytest

from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.datasets.prepare import prepare_simulated
from attavvad_jax.datasets.records import conditions
from attavvad_jax.simulation import blocks, scenes


@dataclasses.dataclass
class _Scene:
  name: str
  conditions: dict
  timeline = TIMELINE
  audio_timeline = AUDIO_TIMELINE


@pytest.fixture
def drawn(monkeypatch):
  """The requested scenes: seed, index, split, duration, preset, folder of sounds."""
  asked = []

  def draw_scene(*arguments):
    asked.append(arguments)
    seed, index, split, _, preset, _ = arguments
    return _Scene(f"{split}{index}{seed}", {"preset": preset})

  monkeypatch.setattr(scenes, "draw_scene", draw_scene)
  monkeypatch.setattr(blocks, "render_blocks", lambda scene, clock, crop: drawn_blocks(scene.name))
  return asked


def test_minutes_become_scenes_with_both_label_sets(drawn, tmp_path):
  summary = prepare_simulated(tmp_path, SPEC, "hard", {"train": 1.1, "test": 0.5}, seed=7)
  assert summary.path == tmp_path / "simulated" / "default" / "2.0.0"
  assert drawn == [(7, *where, 30.0, "hard", None) for where in ((0, "train"), (1, "train"), (2, "train"), (0, "test"))]
  data = PreparedData(summary.path)
  assert data.splits == ["train", "test"]
  assert data.spec.label_sets == ("audio_visual", "audio")
  assert sorted(data.recordings("train")) == ["train_00000", "train_00001", "train_00002"]
  assert conditions(data.source("test")[0]) == {"preset": "hard"}
  assert summary.num_events["test"]["audio"]["singing"] == 2


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"preset": "easy"}, "unknown preset 'easy'; expected one of unaccompanied, clean, live, hard"),
    ({"minutes": {"dev": 1.0}}, "no such split: dev; expected train, validation, test"),
    ({"minutes": {"train": -1.0}}, "expected 0 or more for each split"),
    ({"minutes": {"train": 0.0}}, "more than 0 in total"),
    ({"minutes": {"train": float("nan")}}, "expected 0 or more for each split"),
    ({"seed": -1}, "seed is -1; expected 0 or more"),
    ({"workers": 0}, "workers is 0; expected 1 or more"),
  ],
)
def test_unusable_arguments_are_refused(tmp_path, changes, message):
  arguments = {"preset": "live", "minutes": {"train": 1.0}, **changes}
  with pytest.raises(ValueError, match=message):
    prepare_simulated(tmp_path, SPEC, **arguments)
  assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_rendered_scenes_are_the_same_for_the_same_seed(tmp_path):
  pytest.importorskip("espeakng_loader")
  files = []
  for workers in (1, 2):
    summary = prepare_simulated(
      tmp_path / str(workers), SPEC, "live", {"train": 0.5, "test": 0.5}, seed=3, workers=workers
    )
    assert not summary.left_out
    assert summary.blocks == {"train": 90, "test": 90}
    files.append({path.name: path.read_bytes() for path in summary.path.iterdir()})
  assert files[0] == files[1]
