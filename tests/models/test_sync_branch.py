"""The branch that compares lips and audio: by itself, in ATT-AVVAD, and its loss term."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attavvad_jax import config as config_lib
from attavvad_jax.configs import load
from attavvad_jax.losses import SYNC_TERM, TERMS, binary_cross_entropies, total_loss
from attavvad_jax.models import Outputs, build
from attavvad_jax.models.sync import SyncBranch, _interpolation

BRANCH = SyncBranch(embedding_dim=8, filters=8, mel_strides=(4, 4), max_lag=3, dropout_rate=0.0)
FIELDS = dict(
  visual="lips", embedding_dim=6, filters=4, gru_units=3, audio_kernel_sizes=((3, 5),), audio_strides=((1, 2),)
)
SILENCE, SPEECH, SINGING, OTHERS = range(4)


@pytest.fixture(scope="module")
def inputs():
  rng = np.random.default_rng(0)
  mask = np.ones((4, 12), bool)
  mask[0] = False
  mask[1, 3:6] = False
  log_mel = jnp.asarray(rng.normal(size=(4, 20, 16)), jnp.float32)
  return log_mel, jnp.asarray(rng.random((4, 12, 1, 18)), jnp.float32), jnp.asarray(mask)


@pytest.fixture(scope="module")
def variables(inputs):
  return jax.jit(lambda: BRANCH.init(jax.random.key(0), *inputs, train=False))()


def test_shapes_and_a_block_without_images(inputs, variables):
  vector, logit = BRANCH.apply(variables, *inputs, train=False)
  assert (vector.shape, logit.shape) == ((4, 8), (4,))
  assert not np.asarray(vector)[0].any()


def test_masked_images_change_nothing(inputs, variables):
  log_mel, images, mask = inputs
  other = jnp.where(mask[:, :, None, None], images, 0.7)
  for x, y in zip(*(BRANCH.apply(variables, log_mel, i, mask, train=False) for i in (images, other)), strict=True):
    np.testing.assert_allclose(x, y, atol=1e-6)


def test_products_are_the_means_over_seen_images_at_each_lag():
  rng = np.random.default_rng(1)
  audio, lips = rng.normal(size=(2, 2, 7, 5)).astype(np.float32)
  mask = np.array([[True] * 7, [True, True, False, True, True, False, True]])
  found = BRANCH._products(jnp.asarray(audio), jnp.asarray(lips), jnp.asarray(mask))
  for block in range(2):
    for place, lag in enumerate(range(-3, 4)):
      pairs = [audio[block, i] @ lips[block, i + lag] for i in range(7) if 0 <= i + lag < 7 and mask[block, i + lag]]
      assert found[block, place] == pytest.approx(sum(pairs) / mask[block].sum(), abs=1e-5)


def test_frames_are_interpolated_to_the_times_of_the_images():
  weights = _interpolation(60, 32)
  frame_s, image_s = (np.arange(60) + 0.5) / 45, (np.arange(32) + 0.5) / 24
  np.testing.assert_allclose(weights @ frame_s, image_s, atol=1e-6)
  np.testing.assert_allclose(_interpolation(5, 5), np.eye(5), atol=1e-6)
  np.testing.assert_allclose(_interpolation(4, 9).sum(axis=1), 1, atol=1e-6)


def test_its_onnx_program_gives_the_same():
  onnxruntime = pytest.importorskip("onnxruntime")
  from attavvad_jax.export.to_onnx import to_onnx

  model = build("att_avvad", sync="lips", sync_mel_strides=(4, 4), **FIELDS)
  rng = np.random.default_rng(0)
  batch = {
    "log_mel": rng.normal(size=(3, 20, 16)).astype(np.float32),
    "images": rng.random((3, 12, 1, 18)).astype(np.float32),
    "image_mask": rng.uniform(size=(3, 12)) < 0.8,
  }
  variables = jax.jit(lambda: model.init(jax.random.key(0), *batch.values(), train=False))()

  def program(batch):
    inputs = (batch[name] for name in ("log_mel", "images", "image_mask"))
    return {"logits": model.apply(variables, *inputs, train=False).audio_visual_logits}

  (blocks,) = jax.export.symbolic_shape("blocks")
  shapes = {name: jax.ShapeDtypeStruct((blocks, *value.shape[1:]), value.dtype) for name, value in batch.items()}
  (found,) = onnxruntime.InferenceSession(to_onnx(program, shapes)).run(None, batch)
  np.testing.assert_allclose(found, jax.jit(program)(batch)["logits"], atol=1e-5)


def test_it_learns_whether_lips_follow_the_level():
  """Lips that open with the level of the audio, and lips of another block: told apart on blocks it has not seen."""
  rng = np.random.default_rng(2)

  def blocks(count):
    level = np.cumsum(rng.normal(size=(count, 44)), axis=1)
    level -= level.mean(axis=1, keepdims=True)
    level /= level.std(axis=1, keepdims=True)
    fits = rng.uniform(size=count) < 0.5
    opening = np.where(fits[:, None], level, np.roll(level, 1, axis=0))
    log_mel = level[:, :40, None] + 0.3 * rng.normal(size=(count, 40, 16))
    images = np.repeat(0.5 + 0.1 * opening[:, 0:40:2, None, None], 18, axis=3)
    values = (log_mel, images, np.ones((count, 20), bool), fits)
    return tuple(jnp.asarray(value, bool if value.dtype == bool else jnp.float32) for value in values)

  optimizer = optax.adam(5e-3)
  first = blocks(64)
  variables = BRANCH.init(jax.random.key(0), *first[:3], train=False)

  @jax.jit
  def step(variables, state, log_mel, images, mask, fits):
    def loss(params):
      (_, logit), updates = BRANCH.apply(
        {**variables, "params": params}, log_mel, images, mask, train=True, mutable=["batch_stats"]
      )
      return optax.sigmoid_binary_cross_entropy(logit, fits.astype(jnp.float32)).mean(), updates

    (_, updates), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
    changes, state = optimizer.update(gradient, state)
    return {"params": optax.apply_updates(variables["params"], changes), **updates}, state

  state = optimizer.init(variables["params"])
  for _ in range(150):
    variables, state = step(variables, state, *blocks(64))
  *new, fits = blocks(200)
  _, logit = BRANCH.apply(variables, *new, train=False)
  assert np.mean((np.asarray(logit) > 0) == np.asarray(fits)) > 0.85


def test_without_the_branch_a_model_has_neither_its_parameters_nor_its_term(inputs):
  models = [build("att_avvad", **FIELDS), build("att_avvad", sync="lips", sync_mel_strides=(4, 4), **FIELDS)]
  params, terms = [], []
  for model in models:
    variables = jax.jit(lambda model=model: model.init(jax.random.key(0), *inputs, train=False))()
    params.append(set(variables["params"]))
    outputs = model.apply(variables, *inputs, train=False)
    losses = binary_cross_entropies(outputs, jnp.array([0, 1, 2, 3]), inputs[2], jnp.ones(4, bool))
    terms.append(set(losses.sums))
  assert params[1] - params[0] == {"sync"}
  assert terms == [set(TERMS), {*TERMS, SYNC_TERM}]


def test_the_term_counts_audible_voices_under_faces():
  logit = jnp.array([2.0, -1.0, 0.5, 3.0, 1.0])
  labels = jnp.array([SPEECH, OTHERS, OTHERS, SINGING, SILENCE])
  any_voice = jnp.array([SPEECH, SINGING, OTHERS, SINGING, SILENCE])
  mask = jnp.array([[True], [True], [True], [False], [True]])
  terms = binary_cross_entropies(Outputs(sync_logit=logit), labels, mask, jnp.ones(5, bool), audio_labels=any_voice)
  # The performer's speech under a face, and somebody else's singing under one; the others do not count.
  assert terms.counts[SYNC_TERM] == 2
  assert terms.sums[SYNC_TERM] == pytest.approx(np.log1p(np.exp(-2.0)) + np.log1p(np.exp(-1.0)), abs=1e-6)
  assert total_loss(terms, {SYNC_TERM: 0.5}) == pytest.approx(0.25 * float(terms.sums[SYNC_TERM]))


def falling():
  return lambda step: 1.0 / (1 + step)


def test_its_weight_is_a_number_or_a_schedule():
  assert config_lib.sync_weight({"sync_weight": 0.5})(jnp.int32(7)) == 0.5
  assert config_lib.sync_weight({"sync_weight": f"{__name__}:falling"})(jnp.int32(1)) == 0.5
  for value in (-1, float("nan"), "high", True):
    with pytest.raises(ValueError, match=r"config\.sync_weight is"):
      config_lib.sync_weight({"sync_weight": value})


def test_it_gets_audio_and_images_of_the_same_time():
  options = ["--config.model.sync=lips"]
  with pytest.raises(ValueError, match=r"45 audio frames \(frames_before\) are 3 blocks, and 28 images .* are 3\.5;"):
    config_lib.model(load("detector", options))
  assert config_lib.model(load("detector", [*options, "--config.clock.images_before=24"])).sync.filters == 16
