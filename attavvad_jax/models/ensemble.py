"""Several networks that decide together.

Axes: M members, B blocks, T audio frames, F mel bands, N images, H, W height and width, D embedding.
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

  The members run one after another in a loop, so that the program is traced and compiled for one of them.

  Attributes:
    member: the network; its parameters are below "member", with the members along their first axis.
    count: number of members.
  """

  member: nn.Module
  count: int

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
    def run(member: nn.Module, carry: None, _: None) -> tuple[None, Outputs]:
      return carry, member(log_mel, images, image_mask, train=train, rows=rows)

    members = nn.scan(
      run,
      variable_axes={"params": 0, "batch_stats": 0},
      split_rngs={"params": True, "dropout": True},
      length=self.count,
    )
    _, outputs = members(self.member, None, None)
    joined = {
      field.name: _side_by_side(value) if field.name in _EMBEDDINGS else value.mean(axis=0)
      for field in dataclasses.fields(Outputs)
      if (value := getattr(outputs, field.name)) is not None
    }
    return Outputs(**joined)


def _side_by_side(embeddings: jax.Array) -> jax.Array:
  """Joins the members' embeddings. [M,...,D] -> [...,M x D]."""
  return jnp.concatenate(list(embeddings), axis=-1)
