import numpy as np
import pytest
from tiny import tiny_config

from attavvad_jax.models import Outputs, build
from attavvad_jax.reports import embeddings
from attavvad_jax.reports.embeddings import Alignment, Separation, figure_3, figure_4, sides, silhouette
from attavvad_jax.reports.samples import Network
from attavvad_jax.timeline import EVENTS, Clock
from attavvad_jax.training import loop


def test_silhouette_by_hand():
  # Points 0, 1 | 5 have (5 - 1) / 5, (4 - 1) / 4, and 0 for the single point of its label.
  points, labels = np.array([[0.0], [1.0], [5.0]]), np.array(["speech", "speech", "singing"])
  assert silhouette(points, labels) == pytest.approx((4 / 5 + 3 / 4 + 0) / 3)


@pytest.mark.parametrize("labels", [["speech"] * 3, ["speech", "singing", "others"]])
def test_silhouette_needs_events_with_points(labels):
  with pytest.raises(ValueError, match=r"3 blocks of \d events; expected several blocks"):
    silhouette(np.eye(3), np.array(labels))


def test_sides_gives_fractions_of_visual_vectors_nearest_to_voices():
  labels = np.array(["speech", "singing", "others", "silence"])
  acoustic = np.array([[0.0, 0], [2, 0], [10, 0], [10, 2]])
  # One of the two vocalizing blocks is nearest to a voice, and neither of the other two.
  visual = np.array([[1.9, 0.0], [9, 0], [9, 1.5], [10, 0]])
  assert sides(acoustic, visual, labels) == (0.5, 0.0)
  vocalizing, not_vocalizing = sides(acoustic[:2], visual[:2], labels[:2])
  assert vocalizing == 1.0
  assert np.isnan(not_vocalizing)


def test_captions_name_events_with_too_few_blocks():
  blocks = {"silence": 0, "speech": 7, "singing": 7, "others": 3}
  for result in (Separation(0.1, 0.25, blocks, 7), Alignment(0.1, 0.25, blocks, 7)):
    assert str(result).endswith(
      "Blocks: 0 silence, 7 speech, 7 singing, 3 others; the split has fewer than 7 of silence, others."
    )
  assert str(Separation(0.1, 0.25, dict.fromkeys(EVENTS, 7), 7)).endswith("7 others.")


def _points(axis):
  """Returns the points of each legend entry, [points,2], by its text."""
  return {part.get_label(): np.asarray(part.get_offsets()) for part in axis.collections}


@pytest.mark.slow
def test_figures_of_a_checkpoint(prepared_path, tmp_path):
  loop.train(tiny_config(prepared_path, num_epochs=3, checkpoint_every_steps=18, log_every_steps=18), tmp_path)
  figure, separation = figure_3(tmp_path, prepared_path, blocks_per_event=8)
  assert separation.blocks == dict.fromkeys(EVENTS, 8)
  for axis in figure.axes:
    assert {name: len(points) for name, points in _points(axis).items()} == {f"{event} (8)": 8 for event in EVENTS}
  assert f"{separation.before:.2f}" in figure.axes[0].get_title()
  assert f"{separation.after:.2f}" in figure.axes[1].get_title()

  again, same = figure_3(tmp_path, prepared_path, blocks_per_event=8)
  assert same == separation
  for name, points in _points(figure.axes[0]).items():
    np.testing.assert_array_equal(points, _points(again.axes[0])[name])

  # The split has 2 recordings with 6 blocks of each event.
  figure, alignment = figure_4(tmp_path, prepared_path, "validation", blocks_per_event=50)
  assert alignment.blocks == dict.fromkeys(EVENTS, 12)
  assert {name: len(points) for name, points in _points(figure.axes[0]).items()} == {
    **{f"{event} (12)": 12 for event in EVENTS},
    "visual, vocalizing (24)": 24,
    "visual, not vocalizing (24)": 24,
  }


@pytest.mark.parametrize("draw", [figure_3, figure_4])
def test_a_model_without_the_vectors_is_named(draw, monkeypatch):
  blocks = [{"label": np.int32(0)}] * 2
  monkeypatch.setattr(Network, "outputs", lambda self, blocks: Outputs(visual_embedding=np.zeros((2, 8))))
  network = Network("visual_only, step 6", build("visual_only"), {}, Clock())
  monkeypatch.setattr(embeddings, "draw_blocks", lambda *args: (network, blocks))
  with pytest.raises(ValueError, match=r"visual_only, step 6: .*Figure \d needs att_avvad"):
    draw("checkpoint", "data")
