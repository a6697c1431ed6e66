"""docs/seams.md: the package uses every custom part by its name, as the page shows."""

from pathlib import Path
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax import config as config_lib
from attavvad_jax.annotations import Reading, read, write
from attavvad_jax.configs import load
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.datasets.prepare import prepare_own
from attavvad_jax.losses import TERMS
from attavvad_jax.media import VideoWriter
from attavvad_jax.models import Outputs
from attavvad_jax.timeline import EVENTS, Clock, Event, Smoothing, Timeline, scores_to_timeline
from attavvad_jax.timeline.incremental import lookahead_blocks
from attavvad_jax.training.optimizer import learning_rate, optimizer
from attavvad_jax.training.setup import plain

PAGE = Path(__file__).parents[1] / "docs" / "seams.md"
BLOCKS = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
  """Writes the modules of the page to a folder on Python's path."""
  monkeypatch.syspath_prepend(tmp_path)
  for name, code in BLOCKS.items():
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.delitem(sys.modules, name, raising=False)
  yield
  for name in BLOCKS:
    sys.modules.pop(name, None)


def _options(text):
  """Returns the command-line options of the page that contain a text."""
  return [word for word in re.findall(r"--config\.\S+?=[\w:.]+", PAGE.read_text()) if text in word]


def _rounded(scores, clock):
  return np.round(scores)


def _run(config, train):
  """Returns the shapes of the outputs and of the variables of the config's model."""
  model = config_lib.model(config)
  inputs = (jnp.zeros((2, 15, 64)), jnp.zeros((2, 3, 24, 20)), jnp.ones((2, 3), bool))
  keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
  return jax.eval_shape(lambda: model.init_with_output(keys, *inputs, train=train))


def test_each_part_has_at_most_twenty_lines():
  assert len(BLOCKS) == len(re.findall("^```python", PAGE.read_text(), re.MULTILINE)) == 7
  assert all(len([line for line in code.splitlines() if line]) <= 20 for code in BLOCKS.values())


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("part", ["my_fusion:", "my_backbone:"])
def test_parts_of_a_network(part, train):
  (option,) = _options(part)
  outputs, variables = _run(load("att_avvad_small", [option, "--config.model.embedding_dim=12"]), train)
  assert isinstance(outputs, Outputs)
  assert outputs.audio_visual_logits.shape == (2, 4)
  assert outputs.visual_embedding.shape == (2, 12)
  assert ("conv_0" in variables["params"]["visual"]) == (part == "my_backbone:")
  assert set(variables["params"]) == {"audio", "visual", "fusion"}


def test_optimizer_and_schedule():
  config = plain(load("att_avvad_small", [*_options("my_training:"), "--config.num_epochs=1"]))
  rate = learning_rate(config, num_blocks=32 * 10)
  np.testing.assert_allclose([rate(0), rate(10)], [1e-3, 1e-5], rtol=1e-5)
  own = optimizer(config, num_blocks=32 * 10)
  params = {"kernel": jnp.ones((2, 2))}
  changes, _ = own.update(params, own.init(params), params)
  assert float(optax.global_norm(changes)) > 0


def test_optimizers_and_schedules_of_optax_are_config_keys():
  options = [word for word in re.findall(r"--config\.optimizer\.\S+?=[\w.]+", PAGE.read_text()) if "my_" not in word]
  assert len(options) == 5
  config = plain(load("att_avvad_small", options))
  assert len(optimizer(config, num_blocks=320).init({"kernel": jnp.ones((2, 2))})) == 2


def test_loss_weights():
  (option,) = _options("my_weights:")
  weights = config_lib.loss_weights(load("att_avvad_small", [option]))
  values, _ = weights.update(jnp.asarray(500), weights.init(), None)
  assert [float(values[name]) for name in TERMS] == [1.0] * 4 + [0.5] + [0.25] * 4


def test_smoothing():
  (option,) = _options("my_smoothing:")
  smoothing = config_lib.smoothing(load("att_avvad_small", [option]))
  scores = np.zeros((9, len(EVENTS)))
  scores[:, 1], scores[4:, 2] = 0.5, 0.8
  scores[1, 3] = 1.0  # a single block, which a median removes
  timeline = scores_to_timeline(scores, Clock(), 3.0, smoothing)
  assert [(event.label, round(event.onset_s, 2)) for event in timeline] == [(EVENTS[1], 0.0), (EVENTS[2], 1.33)]
  assert "function" in smoothing.to_dict()
  # The keys of earlier versions, so that their results are recognized.
  assert set(Smoothing().to_dict()) == {"mean_blocks", "min_duration_s"}
  with pytest.raises(ValueError, match=r"smoothing\.function.*my_smoothing:median.*(recording|stream)"):
    lookahead_blocks(smoothing, Clock())
  with pytest.raises(ValueError, match=r"test_docs:_rounded.*0 to 3"):
    scores_to_timeline(scores, Clock(), 3.0, Smoothing(function="test_docs:_rounded"))


def test_label_format(tmp_path):
  (tmp_path / "a.cues").write_text("00:01.5-00:04.0 singing\n01:00.0-01:02.5 speech\n")
  name = re.search(r"--label-format=(\S+?)`", PAGE.read_text())[1]
  timeline = read(tmp_path / "a.cues", 70.0, **vars(Reading.parse([], format=name)))
  assert timeline == Timeline([Event(1.5, 4.0, "singing"), Event(60.0, 62.5, "speech")], 70.0)
  assert Reading(format=name).suffixes == (".cues",)
  with pytest.raises(ValueError, match=r"my_labels:FORMAT.*writ"):
    write(timeline, tmp_path / "b.cues", name)


def test_data_set(tmp_path):
  for split in ("train", "test"):
    for folder in ("video", "labels"):
      (tmp_path / "clips" / split / folder).mkdir(parents=True)
    with VideoWriter(tmp_path / "clips" / split / "video" / f"{split}_a.mp4", 64, 48, 6, 16000) as writer:
      writer.write_samples(np.zeros(16000, np.float32))
      for _ in range(6):
        writer.write_frame(np.full((48, 64, 3), 90, np.uint8))
    (tmp_path / "clips" / split / "labels" / f"{split}_a.tsv").write_text("0.2\t0.7\tsinging\n")
  name = re.search(r"--dataset=(\S+)", PAGE.read_text())[1]
  spec = config_lib.data_spec(load("att_avvad_small"))
  summary = prepare_own(name, tmp_path / "clips", tmp_path / "data", spec)
  data = PreparedData(summary.path)
  assert {split: len(data.source(split)) for split in data.splits} == {"train": 3, "test": 3}
  assert "clips" in str(summary.path)
