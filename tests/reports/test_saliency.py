import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny_config

from attavvad_jax.datasets.records import to_example
from attavvad_jax.models import Outputs, build
from attavvad_jax.reports import saliency
from attavvad_jax.reports.samples import Network
from attavvad_jax.timeline import VOCAL_EVENTS
from attavvad_jax.training import loop

# Models with one convolution, because the tests do not depend on the depth.
SMALL = dict(filters=3, embedding_dim=4, visual_strides=((3, 3),))
GATED = dict(visual_kernel_sizes=((3, 3),), visual_strided_kernel_sizes=((3, 3),))
MODELS = {
  "att_avvad": dict(**SMALL, **GATED, gru_units=2, audio_kernel_sizes=((3, 3),)),
  "visual_only": dict(**SMALL, **GATED),
  "base_av": dict(**SMALL, gru_units=2, visual_kernel_sizes=((3, 3),)),
}


class ByHand(nn.Module):
  """A model with two maps, x and -2x, of the first image; its logit is 3 mean(first) - mean(second)."""

  @nn.compact
  def __call__(self, log_mel, images, image_mask, *, train):
    maps = nn.Conv(2, (1, 1), name="maps")(images.transpose(0, 2, 3, 1))
    mean = maps.mean(axis=(1, 2))
    return Outputs(visual_logit=3 * mean[:, 0] - mean[:, 1])


# Compiled as a whole, which is many times faster than single operations.
grad_cam = jax.jit(saliency.grad_cam, static_argnums=(0, 3))


@functools.partial(jax.jit, static_argnums=(0, 1))
def init(model, seed, given):
  return model.init(jax.random.key(seed), *given, train=False)


@functools.partial(jax.jit, static_argnums=0, static_argnames="capture_intermediates")
def apply(model, variables, *given, capture_intermediates=False):
  """Returns the outputs, and those of every layer."""
  options = dict(capture_intermediates=capture_intermediates, mutable=["intermediates"])
  return model.apply(variables, *given, train=False, **options)


def inputs(num_blocks=2, size=12):
  rng = np.random.default_rng(0)
  return (
    jnp.asarray(rng.normal(size=(num_blocks, 15, 64)), jnp.float32),
    jnp.asarray(rng.random((num_blocks, 3, size, size)), jnp.float32),
    jnp.ones((num_blocks, 3), bool).at[1, 2].set(False),
  )


def test_grad_cam_by_hand():
  given = inputs()
  kernel = jnp.zeros((1, 1, 3, 2)).at[0, 0, 0].set(jnp.array([1.0, -2.0]))
  variables = {"params": {"maps": {"kernel": kernel, "bias": jnp.zeros(2)}}}
  cam = grad_cam(ByHand(), variables, given, "maps")
  # The weights are 3 / P and -1 / P for P pixels, so the map is 3 x / P + 2 x / P.
  want = np.broadcast_to(5 * given[1][:, :1] / 12**2, cam.shape) * np.asarray(given[2])[..., None, None]
  np.testing.assert_allclose(cam, want, rtol=1e-5)
  # Grad-CAM ignores evidence against a voice.
  variables["params"]["maps"]["kernel"] = -kernel
  assert not grad_cam(ByHand(), variables, given, "maps").any()


def test_grad_cam_weighs_maps_by_the_gradient_of_the_layer():
  """Compares with gradients through the layers after the maps, applied by hand."""
  model = build("visual_only", **MODELS["visual_only"])
  given = inputs()
  variables = init(model, 0, given)
  outputs, state = apply(model, variables, *given, capture_intermediates=True)
  (maps,) = state["intermediates"]["visual"]["block_0"]["__call__"]

  def logit(maps):
    part = variables["params"]["visual"]
    x = maps.reshape(len(maps), -1) @ part["embedding"]["kernel"] + part["embedding"]["bias"]
    norm, running = part["embedding_norm"], variables["batch_stats"]["visual"]["embedding_norm"]
    x = nn.sigmoid((x - running["mean"]) / jnp.sqrt(running["var"] + 1e-5) * norm["scale"] + norm["bias"])
    return (x @ part["logit"]["kernel"] + part["logit"]["bias"])[:, 0]

  np.testing.assert_allclose(jax.jit(logit)(maps), outputs.visual_logit, rtol=1e-5)
  weights = jax.jit(jax.grad(lambda maps: logit(maps).sum()))(maps).mean(axis=(1, 2))
  want = np.maximum(np.einsum("bhwc,bc->bhw", maps, weights), 0)
  want = jax.image.resize(want, (2, 12, 12), "bilinear")
  cam = grad_cam(model, variables, given, "visual/block_0")
  np.testing.assert_allclose(cam[:, 0], want, rtol=1e-4, atol=1e-9)
  assert cam.max() > 0


def test_integrated_gradients_by_hand():
  # For x y from (0, 0) to (2, 3), each attribution is half of 6. The midpoint rule is exact for linear gradients.
  result = saliency.integrated_gradients(lambda x: x[:, 0] * x[:, 1], jnp.array([[2.0, 3.0], [1.0, -4.0]]), num_steps=1)
  np.testing.assert_allclose(result, [[3, 3], [-2, -2]], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["att_avvad", "visual_only", pytest.param("base_av", marks=pytest.mark.slow)])
def test_every_model_with_images_is_explained(name):
  """Attributions sum to the change that the images cause, and blocks are independent."""
  model = build(name, **MODELS[name])
  given = inputs()
  variables = init(model, 1, given)
  layers = list(saliency.feature_maps(model, given))
  assert not any(layer.startswith("audio") for layer in layers)
  explain = jax.jit(functools.partial(saliency.explain, model, layers[-1]))
  logits, cams, gradients = explain(variables, given)
  black = saliency.vocalizing_logit(apply(model, variables, given[0], 0 * given[1], given[2])[0])
  np.testing.assert_allclose(gradients.sum(axis=(1, 2, 3)), logits - black, rtol=0.02, atol=1e-6)
  assert cams.shape == gradients.shape == given[1].shape
  assert (cams >= 0).all()
  assert not cams[1, 2].any()
  assert not gradients[1, 2].any()
  other_way = explain(variables, jax.tree.map(lambda array: array[::-1], given))
  for one, other in zip((logits, cams, gradients), other_way, strict=True):
    np.testing.assert_allclose(one, other[::-1], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("name", "last"), [("att_avvad", "visual/block_3"), ("base_av", "conv_3_norm")])
def test_last_feature_maps_follow_the_activation(name, last):
  assert list(saliency.feature_maps(build(name, filters=2), inputs()))[-1] == last


def test_an_unknown_layer_is_an_error_that_lists_the_layers():
  model = build("att_avvad", **MODELS["att_avvad"])
  with pytest.raises(ValueError, match=r"'audio/block_0'.*visual/block_0/gated_conv"):
    saliency.grad_cam(model, {}, inputs(), "audio/block_0")


@pytest.mark.parametrize("name", ["audio_only", "base_a"])
def test_a_model_without_images_is_named(name, monkeypatch, prepared):
  blocks = [to_example(prepared.source("test")[0], prepared.spec)]
  network = Network(f"{name}, step 6", build(name, filters=2), {}, prepared.spec.clock)
  monkeypatch.setattr(saliency, "draw_blocks", lambda *args: (network, blocks))
  monkeypatch.setattr(saliency, "network_inputs", jax.jit(saliency.network_inputs, static_argnums=1))
  with pytest.raises(ValueError, match=rf"{name}, step 6: .*images"):
    saliency.figure("checkpoint", "data")


def test_a_model_without_a_visual_output_is_explained_by_its_vocal_events():
  logits = jnp.array([[0.0, 1.0, 1.0, 9.0]])
  result = saliency.vocalizing_logit(Outputs(audio_visual_logits=logits))
  np.testing.assert_allclose(result, [1 + np.log(2)], rtol=1e-6)


@pytest.mark.slow
def test_figure_of_a_checkpoint(prepared_path, tmp_path):
  loop.train(tiny_config(prepared_path, num_epochs=1, checkpoint_every_steps=6, log_every_steps=6), tmp_path)
  figure = saliency.figure(tmp_path, prepared_path, blocks=4)
  events = [axis.get_title().split("\n")[0] for axis in figure.axes[:4]]
  assert [event in VOCAL_EVENTS for event in events] == [True, True, False, False]
  assert len(figure.axes) == 3 * 4
  with pytest.raises(ValueError, match=r"1 blocks.*2 or more"):
    saliency.figure(tmp_path, prepared_path, blocks=1)


def test_a_model_of_measures_is_named(monkeypatch):
  network, rows = Network("att_avvad, step 3", ByHand(), {}, None), {"images": np.zeros((3, 1, 18), np.uint8)}
  monkeypatch.setattr(saliency, "draw_blocks", lambda *_: (network, [rows]))
  with pytest.raises(ValueError, match=r"att_avvad, step 3: sees measures of the lips, not images"):
    saliency.figure("runs", "data")
