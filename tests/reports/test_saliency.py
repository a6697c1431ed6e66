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

# One convolution deep: what is tested does not depend on how many there are.
SMALL = dict(filters=3, embedding_dim=4, visual_strides=((3, 3),))
GATED = dict(visual_kernel_sizes=((3, 3),), visual_strided_kernel_sizes=((3, 3),))
MODELS = {
  "att_avvad": dict(**SMALL, **GATED, gru_units=2, audio_kernel_sizes=((3, 3),)),
  "visual_only": dict(**SMALL, **GATED),
  "base_av": dict(**SMALL, gru_units=2, visual_kernel_sizes=((3, 3),)),
}


class ByHand(nn.Module):
  """Two maps, x and -2x, of the first image; the logit is 3 times the mean of the one less that of the other."""

  @nn.compact
  def __call__(self, log_mel, images, image_mask, *, train):
    maps = nn.Conv(2, (1, 1), name="maps")(images.transpose(0, 2, 3, 1))
    mean = maps.mean(axis=(1, 2))
    return Outputs(visual_logit=3 * mean[:, 0] - mean[:, 1])


# Compiled whole, which is many times faster than one operation after another.
grad_cam = jax.jit(saliency.grad_cam, static_argnums=(0, 3))


@functools.partial(jax.jit, static_argnums=(0, 1))
def init(model, seed, given):
  return model.init(jax.random.key(seed), *given, train=False)


@functools.partial(jax.jit, static_argnums=0, static_argnames="capture_intermediates")
def apply(model, variables, *given, capture_intermediates=False):
  """Outputs, and what every layer gave."""
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
  # Weights 3 / P and -1 / P for P pixels: 3 x / P + 2 x / P.
  want = np.broadcast_to(5 * given[1][:, :1] / 12**2, cam.shape) * np.asarray(given[2])[..., None, None]
  np.testing.assert_allclose(cam, want, rtol=1e-5)
  # Evidence against a voice is none for it.
  variables["params"]["maps"]["kernel"] = -kernel
  assert not grad_cam(ByHand(), variables, given, "maps").any()


def test_grad_cam_weighs_maps_by_the_gradient_of_the_layer():
  """Against the last layers by themselves: from the maps on, the visual branch is layers that can be called alone."""
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
  # Of x y from (0, 0) to (2, 3): half of 6 each. The midpoint rule is exact for what is linear along the line.
  found = saliency.integrated_gradients(lambda x: x[:, 0] * x[:, 1], jnp.array([[2.0, 3.0], [1.0, -4.0]]), num_steps=1)
  np.testing.assert_allclose(found, [[3, 3], [-2, -2]], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["att_avvad", "visual_only", pytest.param("base_av", marks=pytest.mark.slow)])
def test_every_model_that_sees_is_explained(name):
  """Attributions add up to what the images change, and blocks do not depend on each other."""
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
def test_last_maps_are_those_after_the_activation(name, last):
  assert list(saliency.feature_maps(build(name, filters=2), inputs()))[-1] == last


def test_an_unknown_layer_is_refused_with_those_there_are():
  model = build("att_avvad", **MODELS["att_avvad"])
  with pytest.raises(ValueError, match=r"no feature maps 'audio/block_0'; expected one of visual/block_0/gated_conv"):
    saliency.grad_cam(model, {}, inputs(), "audio/block_0")


@pytest.mark.parametrize("name", ["audio_only", "base_a"])
def test_a_model_that_does_not_see_is_named(name, monkeypatch, prepared):
  blocks = [to_example(prepared.source("test")[0], prepared.spec)]
  network = Network(f"{name}, step 6", build(name, filters=2), {}, prepared.spec.clock)
  monkeypatch.setattr(saliency, "draw_blocks", lambda *args: (network, blocks))
  monkeypatch.setattr(saliency, "network_inputs", jax.jit(saliency.network_inputs, static_argnums=1))
  with pytest.raises(ValueError, match=f"{name}, step 6: does not look at images"):
    saliency.figure("checkpoint", "data")


def test_a_model_without_a_visual_output_is_explained_by_its_voices():
  logits = jnp.array([[0.0, 1.0, 1.0, 9.0]])
  found = saliency.vocalizing_logit(Outputs(audio_visual_logits=logits))
  np.testing.assert_allclose(found, [1 + np.log(2)], rtol=1e-6)


@pytest.mark.slow
def test_figure_of_a_checkpoint(prepared_path, tmp_path):
  loop.train(tiny_config(prepared_path, num_epochs=1, checkpoint_every_steps=6, log_every_steps=6), tmp_path)
  figure = saliency.figure(tmp_path, prepared_path, blocks=4)
  events = [axis.get_title().split("\n")[0] for axis in figure.axes[:4]]
  assert [event in VOCAL_EVENTS for event in events] == [True, True, False, False]
  assert len(figure.axes) == 3 * 4
  with pytest.raises(ValueError, match="1 blocks asked for; expected 2 or more"):
    saliency.figure(tmp_path, prepared_path, blocks=1)
