"""ATT-AVVAD in flax's own modules: reference for tests of the batched form and its peer in the benchmark.

It has two convolutions for every gated one, an `nn.RNN(GRUCell)` for every GRU, a head for every event, and autodiff.
Axes as in `attavvad_jax.models.att_avvad`.
"""

from collections.abc import Mapping
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.models.att_avvad import AttAvvad
from attavvad_jax.models.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM
from attavvad_jax.models.outputs import Outputs


class SeparateForm(nn.Module):
  """The network of `config`, without dropout and in float32. It is called like `AttAvvad`."""

  config: AttAvvad

  @nn.compact
  def __call__(self, log_mel: jax.Array, images: jax.Array, image_mask: jax.Array, *, train: bool) -> Outputs:
    config = self.config
    filters = config.audio.filters

    seen = image_mask.any(axis=1)

    def norm(x: jax.Array, name: str, counted: jax.Array | None = None) -> jax.Array:
      layer = nn.BatchNorm(
        use_running_average=not train,
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=BATCH_NORM_EPSILON,
        use_fast_variance=False,
        name=name,
      )
      return layer(x, mask=None if counted is None else counted.reshape(-1, *[1] * (x.ndim - 1)))

    def last_state(x: jax.Array, name: str) -> jax.Array:
      states: Any = nn.RNN(nn.GRUCell(config.audio.gru_units, name=name))(x)
      return states[:, -1]

    def block(
      x: jax.Array,
      kernel_size: Any,
      strided_kernel_size: Any,
      strides: Any,
      name: str,
      counted: jax.Array | None = None,
    ) -> jax.Array:
      linear = norm(nn.Conv(filters, kernel_size, name=f"{name}_linear")(x), f"{name}_linear_norm", counted)
      gates = norm(nn.Conv(filters, kernel_size, name=f"{name}_gate")(x), f"{name}_gate_norm", counted)
      x = nn.Conv(filters, strided_kernel_size, strides, name=f"{name}_strided")(linear * nn.sigmoid(gates))
      return nn.relu(norm(x, f"{name}_strided_norm", counted))

    x = log_mel[..., None]
    for i, kernel_size in enumerate(config.audio.kernel_sizes):
      x = block(x, kernel_size, (3, 3), (1, 2), f"audio_{i}")
    x = x.reshape(*x.shape[:2], -1)
    events, audio_logits = [], []
    for e in range(config.audio.num_events):
      linear = last_state(x, f"gru_{e}_linear")
      gates = last_state(x, f"gru_{e}_gate")
      state = norm(linear, f"gru_{e}_linear_norm") * nn.sigmoid(norm(gates, f"gru_{e}_gate_norm"))
      dense = nn.Dense(config.audio.embedding_dim, name=f"audio_embedding_{e}")(state)
      events.append(nn.sigmoid(norm(dense, f"audio_embedding_{e}_norm")))
      audio_logits.append(nn.Dense(1, name=f"audio_logit_{e}")(events[-1])[:, 0])

    x = jnp.where(image_mask[:, :, None, None], images, 0.0).transpose(0, 2, 3, 1)
    sizes = zip(config.visual.kernel_sizes, config.visual.strided_kernel_sizes, config.visual.strides, strict=True)
    for i, size in enumerate(sizes):
      x = block(x, *size, f"visual_{i}", seen)
    dense = nn.Dense(config.audio.embedding_dim, name="visual_embedding")(x.reshape(len(x), -1))
    visual = nn.sigmoid(norm(dense, "visual_embedding_norm", seen))
    visual = jnp.where(seen[:, None], visual, 0.0)
    visual_logit = nn.Dense(1, name="visual_logit")(visual)[:, 0]

    scores = [jnp.sum(event * visual, axis=-1) / config.audio.embedding_dim**0.5 for event in events]
    attention = nn.softmax(jnp.stack(scores, axis=-1))
    fused = [event * attention[:, e, None] for e, event in enumerate(events)]
    fused_logits = []
    for e, event in enumerate(fused):
      dense = nn.relu(norm(nn.Dense(config.audio.embedding_dim, name=f"fusion_{e}")(event), f"fusion_{e}_norm"))
      fused_logits.append(nn.Dense(1, name=f"fusion_logit_{e}")(dense)[:, 0])
    return Outputs(
      audio_logits=jnp.stack(audio_logits, axis=1),
      visual_logit=visual_logit,
      audio_visual_logits=jnp.stack(fused_logits, axis=1),
      audio_embeddings=jnp.stack(events, axis=1),
      visual_embedding=visual,
      attention=attention,
      fused_embeddings=jnp.stack(fused, axis=1),
    )


def separate_variables(config: AttAvvad, variables: Mapping[str, Any]) -> dict[str, Any]:
  """Converts variables of `AttAvvad` to those of `SeparateForm`, so that both compute the same.

  GRUCell has one bias for each of the reset and update gates: the sum of the batched GRU's two.
  """
  variables = jax.tree.map(np.asarray, dict(variables))
  params: dict[str, Any] = {}
  stats: dict[str, Any] = {}

  def norm(source: tuple[str, ...], target: str, part: Any) -> None:
    weights, running = _at(variables["params"], source), _at(variables["batch_stats"], source)
    params[target] = {name: value[part] for name, value in weights.items()}
    stats[target] = {name: value[part] for name, value in running.items()}

  for branch, kernel_sizes in (("audio", config.audio.kernel_sizes), ("visual", config.visual.kernel_sizes)):
    for i in range(len(kernel_sizes)):
      source, target = variables["params"][branch][f"block_{i}"], f"{branch}_{i}"
      for half, name in enumerate(("linear", "gate")):
        part: Any = np.s_[..., half * config.audio.filters : (half + 1) * config.audio.filters]
        params[f"{target}_{name}"] = {key: value[part] for key, value in source["gated_conv"].items()}
        norm((branch, f"block_{i}", "gated_norm"), f"{target}_{name}_norm", part)
      params[f"{target}_strided"] = source["strided_conv"]
      norm((branch, f"block_{i}", "strided_norm"), f"{target}_strided_norm", ...)

  def dense(source: tuple[str, ...], target: str, part: Any) -> None:
    params[target] = {name: value[part] for name, value in _at(variables["params"], source).items()}

  for e in range(config.audio.num_events):
    for half, name in enumerate(("linear", "gate")):
      params[f"gru_{e}_{name}"] = _gru_cell(variables["params"]["audio"]["gru"], 2 * e + half)
      part = np.s_[e, half * config.audio.gru_units : (half + 1) * config.audio.gru_units]
      norm(("audio", "gru_norm"), f"gru_{e}_{name}_norm", part)
    dense(("audio", "embedding"), f"audio_embedding_{e}", e)
    norm(("audio", "embedding_norm"), f"audio_embedding_{e}_norm", e)
    dense(("audio", "logits"), f"audio_logit_{e}", e)
    dense(("fusion", "hidden"), f"fusion_{e}", e)
    norm(("fusion", "norm"), f"fusion_{e}_norm", e)
    dense(("fusion", "logits"), f"fusion_logit_{e}", e)
  dense(("visual", "embedding"), "visual_embedding", ...)
  norm(("visual", "embedding_norm"), "visual_embedding_norm", ...)
  dense(("visual", "logit"), "visual_logit", ...)
  return {"params": params, "batch_stats": stats}


def _gru_cell(batched: Mapping[str, np.ndarray], index: int) -> dict[str, Any]:
  """Converts one GRU of a `BatchedGru` to parameters of flax's GRUCell: gates reset, update, new."""
  cut = {name: np.split(value[index], 3, axis=-1) for name, value in batched.items()}
  cell: dict[str, Any] = {}
  for i, gate in enumerate("rzn"):
    cell[f"i{gate}"] = {"kernel": cut["input_kernel"][i], "bias": cut["input_bias"][i]}
    cell[f"h{gate}"] = {"kernel": cut["recurrent_kernel"][i]}
    if gate == "n":
      cell["hn"]["bias"] = cut["recurrent_bias"][i]
    else:
      cell[f"i{gate}"]["bias"] = cut["input_bias"][i] + cut["recurrent_bias"][i]
  return cell


def _at(tree: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
  for name in path:
    tree = tree[name]
  return tree
