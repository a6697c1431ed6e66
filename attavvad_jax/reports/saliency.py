"""Saliency of faces: the parts of a face that indicate a voice, by Grad-CAM and integrated gradients.

Axes: B blocks, N images, H, W height and width, h, w those of a layer's maps, C channels.
"""

from collections.abc import Callable
import functools
from pathlib import Path
from typing import Any

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.datasets.loader import batches_in_order
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.models import Outputs
from attavvad_jax.reports.samples import draw_blocks
from attavvad_jax.timeline import EVENTS, VOCAL_EVENTS

# Log-mel [B,T,F], images [B,N,H,W] and image_mask [B,N], as returned by `network_inputs`.
Inputs = tuple[jax.Array, jax.Array, jax.Array]

_DPI = 150
_WIDTH_IN = 10.0
# Standard deviation of the blur of integrated gradients in the figure, as a fraction of the image's width.
_BLUR = 0.02
# Red, green, blue in 0 to 1; distinguishable with every kind of color blindness.
_FOR, _AGAINST = (1.0, 0.5, 0.0), (0.4, 0.2, 0.8)


def figure(checkpoint: str | Path, data: str | Path, split: str = "test", blocks: int = 8, seed: int = 0) -> Any:
  """Draws faces with both maps over them; in the first half of the blocks the performer vocalizes, in the rest not.

  For each block it shows the middle image, the true event and the logit that the maps explain. Grad-CAM explains the
  last layer of `feature_maps`; integrated gradients are blurred. Each map has one scale for all faces.

  Args:
    checkpoint: a checkpoint or workdir that training wrote.
    data: a prepared data set with the checkpoint's clock and crop.
    split: a split of the data set. Blocks without any image are left out.
    blocks: number of blocks, at least 2; fewer are drawn if the split does not have as many.
    seed: seed of the draw.

  Returns:
    A matplotlib figure.

  Raises:
    ValueError: the model does not use images, or uses measures of the lips, or does not fit the data, or there are no
      blocks.
  """
  if blocks < 2:
    raise ValueError(f"{blocks} blocks requested; expected 2 or more")
  groups = [VOCAL_EVENTS, [event for event in EVENTS if event not in VOCAL_EVENTS]]
  network, examples = draw_blocks(checkpoint, data, split, groups, blocks // 2, seed)
  if examples[0]["images"].shape[1] == 1:
    raise ValueError(f"{network.name}: sees measures of the lips, not images; saliency needs a model of images")
  inputs = network_inputs(next(batches_in_order(examples, len(examples))), network.clock)
  layers = list(feature_maps(network.model, inputs))
  if not layers:
    raise ValueError(f"{network.name}: does not use images; saliency of faces needs a model with a visual branch")

  maps = jax.jit(functools.partial(explain, network.model, layers[-1]))(network.variables, inputs)
  scores, cams, gradients = (np.asarray(array) for array in maps)
  rows = np.arange(len(examples))
  middle = np.array([seen[len(seen) // 2] for seen in map(np.flatnonzero, np.asarray(inputs[2]))])
  faces, cams, gradients = (np.asarray(array)[rows, middle] for array in (inputs[1], cams, gradients))
  titles = [f"{EVENTS[block['label']]}\nlogit {score:+.1f}" for block, score in zip(examples, scores, strict=True)]
  note = f"Grad-CAM of {layers[-1]}: bright indicates a voice. Integrated gradients: orange is for, purple against."
  return _draw(f"{network.name}, {split} split", titles, faces, cams, gradients, note)


def vocalizing_logit(outputs: Outputs) -> jax.Array:
  """Returns the quantity that the maps explain, [B]: the visual branch's logit that the performer vocalizes.

  For a model without that output, it is the soft maximum (log-sum-exp) of the decision's logits of speech and singing.
  """
  if outputs.visual_logit is not None:
    return outputs.visual_logit
  logits = outputs.audio_visual_logits
  if logits is None:
    raise ValueError("the model has neither a visual nor an audio-visual output; expected a model that uses images")
  return jax.nn.logsumexp(logits[:, jnp.asarray([EVENTS.index(event) for event in VOCAL_EVENTS])], axis=1)


def feature_maps(model: nn.Module, inputs: Inputs) -> dict[str, tuple[int, ...]]:
  """Returns the shapes of a model's feature maps of the images, by path such as "visual/block_3", in computation order.

  Feature maps are layer outputs with four axes, [B,h,w,C] or [B x N,h,w,C], that grow with the images. Only shapes are
  evaluated. The dict is empty if the model does not use images.
  """

  def shapes(images: jax.ShapeDtypeStruct) -> dict[str, tuple[int, ...]]:
    maps = {}

    def keep(call, args, kwargs, context):
      result = call(*args, **kwargs)
      if context.method_name == "__call__" and getattr(result, "ndim", 0) == 4:
        maps[_path(context.module)] = result.shape
      return result

    with nn.intercept_methods(keep):
      jax.eval_shape(functools.partial(model.init, train=False), jax.random.key(0), log_mel, images, mask)
    return maps

  log_mel, images, mask = inputs
  *lengths, height, width = images.shape
  actual = shapes(jax.ShapeDtypeStruct(images.shape, images.dtype))
  larger = shapes(jax.ShapeDtypeStruct((*lengths, 4 * height, 4 * width), images.dtype))
  return {path: shape for path, shape in actual.items() if larger[path] != shape}


def grad_cam(model: nn.Module, variables: Any, inputs: Inputs, layer: str) -> jax.Array:
  """Gradient-weighted class activation maps (Selvaraju et al., ICCV 2017) of `vocalizing_logit`. Pure; [B,N,H,W], >= 0.

  Each channel of the layer's output is weighted by the mean over h, w of the logit's gradient with respect to it; the
  positive part of the weighted sum is upsampled bilinearly. Images that enter as channels share one map; maps of masked
  images are 0.

  Args:
    model: any model with a visual branch.
    variables: its parameters and statistics.
    inputs: inputs of a batch.
    layer: a path of `feature_maps`. The paper takes the last convolution with its activation.

  Raises:
    ValueError: the model has no such layer.
  """
  shapes = feature_maps(model, inputs)
  if layer not in shapes:
    raise ValueError(
      f"no feature maps {layer!r}; expected one of {', '.join(shapes) or 'none: the model does not use images'}"
    )

  def logit(shift: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the logits summed over the independent blocks, after a shift of the maps, and the maps."""
    kept = []

    def add_shift(call, args, kwargs, context):
      result = call(*args, **kwargs)
      if context.method_name != "__call__" or _path(context.module) != layer:
        return result
      kept.append(result)
      return result + shift

    with nn.intercept_methods(add_shift):
      outputs = model.apply(variables, *inputs, train=False)
    assert isinstance(outputs, Outputs)
    return vocalizing_logit(outputs).sum(), kept[0]

  _, images, mask = inputs
  gradient, maps = jax.grad(logit, has_aux=True)(jnp.zeros(shapes[layer]))
  cam = nn.relu(jnp.einsum("bhwc,bc->bhw", maps.astype(jnp.float32), gradient.mean(axis=(1, 2))))
  cam = jax.image.resize(cam, (len(cam), *images.shape[2:]), "bilinear")
  cam = jnp.broadcast_to(cam.reshape(len(images), -1, *images.shape[2:]), images.shape)
  return jnp.where(mask[:, :, None, None], cam, 0.0)


def integrated_gradients(logit: Callable[[jax.Array], jax.Array], images: jax.Array, num_steps: int = 32) -> jax.Array:
  """Attributions (Sundararajan et al., ICML 2017) along the straight line from black to the images. Pure; [B,...].

  They sum to logit(images) - logit(0) for each block up to the error of the midpoint rule, which was at most 0.02 with
  32 steps in a trained ATT-AVVAD.

  Args:
    logit: function from images [B,...] to [B], independent between blocks.
    images: [B,...] float. The networks also read masked images as black, 0.
    num_steps: number of gradients, computed one after another.
  """
  gradient = jax.grad(lambda images: logit(images).sum())

  def add(total: jax.Array, fraction: jax.Array) -> tuple[jax.Array, None]:
    return total + gradient(fraction * images), None

  fractions = (jnp.arange(num_steps) + 0.5) / num_steps
  total, _ = lax.scan(add, jnp.zeros_like(images), fractions)
  return images * total / num_steps


def explain(model: nn.Module, layer: str, variables: Any, inputs: Inputs) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Returns `vocalizing_logit` [B], its Grad-CAM at a layer, and its integrated gradients, both [B,N,H,W]. Pure."""
  log_mel, images, mask = inputs

  def logit(images: jax.Array) -> jax.Array:
    outputs = model.apply(variables, log_mel, images, mask, train=False)
    assert isinstance(outputs, Outputs)
    return vocalizing_logit(outputs)

  return logit(images), grad_cam(model, variables, inputs, layer), integrated_gradients(logit, images)


def _path(module: nn.Module) -> str:
  return "/".join(module.path)


def _draw(name: str, titles: list[str], faces: np.ndarray, cams: np.ndarray, gradients: np.ndarray, note: str) -> Any:
  """Draws a column for each face [B,H,W]: the face alone, under Grad-CAM, and under its integrated gradients."""
  import cv2

  # pyplot would open windows and keep every figure in memory.
  from matplotlib.figure import Figure

  # Signs alternate between neighboring pixels; their blurred sum is readable.
  gradients = np.stack([cv2.GaussianBlur(gradient, (0, 0), _BLUR * gradient.shape[1]) for gradient in gradients])
  side_in = _WIDTH_IN / (len(faces) + 0.5)
  height_in = 3 * side_in * faces.shape[1] / faces.shape[2] + 1.1
  figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
  axes = figure.subplots(3, len(faces), squeeze=False)
  strongest = cams.max() or 1.0
  # Scaling to the maximum would leave all but a few pixels pale.
  limit = np.percentile(np.abs(gradients), 99.5) or 1.0
  for column, title, face, cam, gradient in zip(axes.T, titles, faces, cams, gradients, strict=True):
    for axis in column:
      axis.imshow(face, cmap="gray", vmin=0, vmax=1)
      axis.set_xticks([])
      axis.set_yticks([])
    column[0].set_title(title, fontsize="small")
    # Opacity follows strength, so that the rest of the face remains visible.
    column[1].imshow(cam, cmap="plasma", vmin=0, vmax=strongest, alpha=0.8 * cam / strongest)
    column[2].imshow(_signed_colors(gradient / limit), interpolation="nearest")
  for axis, row in zip(axes[:, 0], ("face", "Grad-CAM", "integrated\ngradients"), strict=True):
    axis.set_ylabel(row, fontsize="small")
  figure.suptitle(f"Parts of a face that indicate a voice: {name}", fontsize="medium")
  figure.supxlabel(note, fontsize="small")
  return figure


def _signed_colors(values: np.ndarray) -> np.ndarray:
  """Maps values to orange above 0 and purple below, with opacity growing up to 1. [H,W] -> RGBA [H,W,4]."""
  colors = np.where(values[..., None] > 0, _FOR, _AGAINST)
  return np.concatenate([colors, 0.9 * np.minimum(np.abs(values), 1.0)[..., None]], axis=-1)
