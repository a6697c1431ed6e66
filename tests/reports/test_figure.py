import numpy as np
import pytest

from attavvad_jax.reports.figure import write_figure
from attavvad_jax.timeline import Event, Timeline
from attavvad_jax.timeline.palette import EVENT_COLORS

ESTIMATE = Timeline([Event(0, 2, "speech"), Event(2, 3, "singing")], 4)
REFERENCE = Timeline([Event(0, 2, "silence")], 4)


def pixels(path):
  from matplotlib.image import imread

  return (imread(path)[..., :3] * 255).round().astype(int)


def fraction_of(image, label):
  """Returns the fraction of the figure above the legend that has the color of an event."""
  image = image[: -image.shape[0] // 4]
  return float((image == EVENT_COLORS[label]).all(axis=-1).mean())


def test_events_are_drawn_in_their_colors_to_scale(tmp_path):
  write_figure(tmp_path / "p.png", ESTIMATE)
  image = pixels(tmp_path / "p.png")
  assert fraction_of(image, "others") == 0
  assert fraction_of(image, "speech") == pytest.approx(2 * fraction_of(image, "singing"), rel=0.02)


def test_reference_is_drawn_above_the_estimate(tmp_path):
  write_figure(tmp_path / "p.png", ESTIMATE, reference=REFERENCE)
  image = pixels(tmp_path / "p.png")
  rows = {label: np.nonzero((image == EVENT_COLORS[label]).all(-1).sum(1) > 300)[0] for label in ("silence", "speech")}
  assert rows["silence"].max() < rows["speech"].min()


def test_frames_and_curves_are_added_above_and_below(tmp_path):
  write_figure(tmp_path / "small.png", ESTIMATE)
  scores = np.random.default_rng(0).random((12, 4))
  frames = [(time_s, np.full((20, 30, 3), (9, 99, 199), np.uint8)) for time_s in (0.5, 1.5)]
  write_figure(tmp_path / "large.png", ESTIMATE, scores=scores, frames=frames)
  small, large = pixels(tmp_path / "small.png"), pixels(tmp_path / "large.png")
  assert large.shape[0] > small.shape[0] + 300
  assert (large[: large.shape[0] // 2] == (9, 99, 199)).all(-1).sum() > 10_000


def test_only_the_figure_is_left(tmp_path):
  write_figure(tmp_path / "p.png", ESTIMATE)
  assert [p.name for p in tmp_path.iterdir()] == ["p.png"]


@pytest.mark.parametrize(
  ("estimate", "scores", "message"),
  [(Timeline([], 0), None, "lasts 0.0 s"), (ESTIMATE, np.zeros((12, 3)), r"expected \[blocks, 4\]")],
)
def test_empty_timeline_and_wrong_scores_are_errors(tmp_path, estimate, scores, message):
  with pytest.raises(ValueError, match=message):
    write_figure(tmp_path / "p.png", estimate, scores=scores)


def test_timeline_is_plotted_on_given_axes():
  from matplotlib.figure import Figure

  axes = Figure().subplots()
  assert ESTIMATE.plot(axes) is axes
  (speech, singing) = [lane for lane in axes.collections if lane.get_paths()]
  assert speech.get_paths()[0].get_extents().intervalx.tolist() == [0, 2]
  assert singing.get_paths()[0].get_extents().intervalx.tolist() == [2, 3]
  assert axes.get_xlim() == (0, 4)


def test_timeline_is_plotted_on_a_new_figure_with_a_legend():
  from matplotlib import pyplot

  axes = ESTIMATE.plot()
  try:
    assert pyplot.gcf() is axes.figure
    assert len(axes.figure.legends) == 1
  finally:
    pyplot.close(axes.figure)


def test_timeline_without_length_cannot_be_plotted():
  with pytest.raises(ValueError, match="expected more than 0"):
    Timeline([], 0).plot()
