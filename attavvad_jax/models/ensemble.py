"""Several networks that decide together.

Axes: B blocks, T audio frames, F mel bands, N images, H, W height and width.
"""

import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from attavvad_jax.models.layers import EVERY_ROW, Rows
from attavvad_jax.models.outputs import Outputs
from attavvad_jax.shapes import Array, Bool, Float

_EMBEDDINGS = ("audio_embeddings", "visual_embedding", "fused_embeddings")


class Ensemble(nn.Module):
  """Networks of one kind, whose logits and attention are averaged; their embeddings stand side by side.

  Networks that differ only in their seed make different errors on recordings unlike those of their training
  (Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using deep ensembles", 2017). The
  members are best trained one by one and joined afterwards (`python -m tools.join`); trained together, they learn the
  mean of their logits.

  Attributes:
    members: networks with one call signature; their parameters are below "members_0", "members_1", and so on.
  """

  members: tuple[nn.Module, ...]

  @nn.compact
  def __call__(
    self,
    log_mel: Float[Array, "B T F"],
    images: Float[Array, "B N H W"],
    image_mask: Bool[Array, "B N"],
    *,
    train: bool,
    rows: Rows = EVERY_ROW,
  ) -> Outputs:
    outputs = [member(log_mel, images, image_mask, train=train, rows=rows) for member in self.members]

    def join(name: str) -> jax.Array | None:
      values = [getattr(each, name) for each in outputs]
      if values[0] is None:
        return None
      return jnp.concatenate(values, axis=-1) if name in _EMBEDDINGS else sum(values) / len(values)

    return Outputs(**{field.name: join(field.name) for field in dataclasses.fields(Outputs)})
