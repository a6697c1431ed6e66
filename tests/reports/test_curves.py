import json

import numpy as np
import pytest

from attavvad_jax.loss_weights import join, linear, per_event, per_group
from attavvad_jax.losses import TERMS
from attavvad_jax.reports.curves import plot_runs, plot_weights
from attavvad_jax.training.logs import RunLog


def _drawn(figure):
  """Returns the curves of each panel, [curves,S], by its title."""
  return {axis.get_title(): np.array([line.get_ydata() for line in axis.lines]) for axis in figure.axes}


def test_a_weight_function_is_drawn_group_by_group():
  function = join([per_event(speech=linear(0.0, 1.0, 2), vocalizing=3.0), per_group(audio=0.5)], [3])
  drawn = _drawn(plot_weights(function, 5))
  assert drawn["audio"].tolist() == [[1, 1, 1, 0.5, 0.5], [0, 0.5, 1, 0.5, 0.5], *[[1, 1, 1, 0.5, 0.5]] * 2]
  assert drawn["visual"].tolist() == [[3, 3, 3, 1, 1]]
  assert drawn["audio-visual"].tolist() == [[1, 1, 1, 1, 1], [0, 0.5, 1, 1, 1], *[[1, 1, 1, 1, 1]] * 2]


def test_a_run_is_drawn_as_it_was_logged(tmp_path):
  log = RunLog(tmp_path, 0)
  for step in (10, 20):
    log.write(step, "train", {f"weight_{name}": step + i for i, name in enumerate(TERMS)})
    log.write(step, "validation", {"f": 0.5})
  log.close()
  figure = plot_weights(tmp_path)
  assert figure.axes[0].lines[0].get_xdata().tolist() == [10, 20]
  assert _drawn(figure)["visual"].tolist() == [[14, 24]]
  assert _drawn(figure)["audio-visual"][:, 0].tolist() == [15, 16, 17, 18]


def test_figure_is_written_as_png(tmp_path):
  plot_weights(per_group(), 3, tmp_path / "weights.png")
  assert (tmp_path / "weights.png").read_bytes().startswith(b"\x89PNG")
  assert [path.name for path in tmp_path.iterdir()] == ["weights.png"]


def test_missing_steps_log_or_weights_are_errors(tmp_path):
  with pytest.raises(ValueError, match=r"num_steps.*None"):
    plot_weights(per_group())
  with pytest.raises(ValueError, match=r"log\.jsonl: no such file"):
    plot_weights(tmp_path)
  (tmp_path / "log.jsonl").write_text('{"step": 1, "split": "train", "total": 1.0}\n')
  with pytest.raises(ValueError, match="no loss weights"):
    plot_weights(tmp_path)


def _log(workdir, *lines):
  workdir.mkdir(parents=True)
  (workdir / "log.jsonl").write_text("".join(line + "\n" for line in lines))


def test_runs_are_drawn_in_common_panels(tmp_path):
  terms = {**dict.fromkeys(TERMS, 0.5), TERMS[0]: 0.1, TERMS[4]: None}  # nothing counted for the visual term
  weights = {f"weight_{name}": 1 + i for i, name in enumerate(TERMS)}
  line = {"step": 10, "split": "train", "total": 3.0, **terms, **weights}
  validation = {"step": 10, "split": "validation", "f": 0.5, "audio_visual_f": 0.5, "audio_f": None}
  _log(tmp_path / "sweep" / "a", json.dumps(line), json.dumps(validation), '{"step": 20, "spl')  # cut by a crash
  # A network of audio alone.
  few = {name: 0.2 for name in TERMS[:4]}
  _log(tmp_path / "alone", json.dumps({"step": 5, "split": "train", "total": 0.8, **few}))
  figure = plot_runs([tmp_path / "sweep", tmp_path / "alone"], tmp_path / "figures" / "runs.png")
  drawn = {axis.get_title(): [line.get_xydata().tolist() for line in axis.lines] for axis in figure.axes}
  assert drawn["total loss"] == [[[10, 3.0]], [[5, 0.8]]]
  assert drawn["F % on validation, audio-visual"] == [[[10, 50.0]]]
  assert drawn["F % on validation, audio branch alone"] == []
  assert drawn["loss, audio"] == [[[10, pytest.approx(0.4)]], [[5, pytest.approx(0.2)]]]
  assert drawn["loss, visual"] == []
  assert [curve[0][1] for curve in drawn["weights, audio-visual"]] == [6, 7, 8, 9]
  assert [text.get_text() for text in figure.legends[0].texts] == [
    str(tmp_path / "sweep" / "a"),
    str(tmp_path / "alone"),
  ]
  assert (tmp_path / "figures" / "runs.png").read_bytes().startswith(b"\x89PNG")


def test_folders_without_runs_are_named(tmp_path):
  with pytest.raises(ValueError, match=r"no run.*log\.jsonl"):
    plot_runs([tmp_path])
  _log(tmp_path / "run")
  with pytest.raises(ValueError, match="log is empty"):
    plot_runs([tmp_path / "run"])
