"""Runs steps on several devices in a separate program, because jax fixes the number of devices when it starts.

python devices.py OUTPUT NAMES   writes the results of a step for each of NAMES, a JSON list of CASES, and for
  "collectives" the collective operations of the first case's compiled step; set JAX_NUM_CPU_DEVICES
"""

import dataclasses
import json
import pickle
import sys

from flax import linen as nn
import jax
import numpy as np
import optax
from prepared import SPEC

from attavvad_jax.features.augmentation import Augmentation
from attavvad_jax.loss_weights import grad_norm, per_group
from attavvad_jax.models import MODELS, build, with_fields
from attavvad_jax.training.placement import AXIS, MESH, PLACEMENTS, shared_out
from attavvad_jax.training.step import create_state, train_step
from tools.benchmarks.collectives import collectives, describe

SMALL = dict(filters=4, gru_units=4, dropout_rate=0.3)
VISUAL = dict(visual_kernel_sizes=((5, 13),), visual_strided_kernel_sizes=((5, 5),), visual_strides=((3, 3),))
AUDIO = dict(audio_kernel_sizes=((3, 7),))
FIELDS = {
  "att_avvad": dict(**SMALL, **VISUAL, **AUDIO, embedding_dim=8),
  "audio_only": dict(**SMALL, **AUDIO, embedding_dim=8),
  "visual_only": dict(filters=4, dropout_rate=0.3, **VISUAL, embedding_dim=8),
  # Without pooling: when most of XLA's optimizations are off, the gradient of a maximum is NaN (jaxlib 0.10.2).
  "base_a": dict(**SMALL, kernel_sizes=((3, 3),), pool_bands=(1,), embedding_dim=8),
  "base_av": dict(**SMALL, visual_kernel_sizes=((5, 5),), visual_strides=((3, 3),), embedding_dim=8),
}
assert set(FIELDS) == set(MODELS)
ALONE = Augmentation(gain_db=6.0, shift_fraction=0.1, drop_images_probability=0.2, mask_bands=9)
# Blocks exchange voices and background.
AMONG = dataclasses.replace(ALONE, swap_audio_probability=0.5, mix_probability=0.5)
# Every case has dropout, augmentation and blocks without a face. 8 devices do not divide 29 blocks, which are enough to
# keep rounding errors small; the gradient of a bias before a normalization consists of nothing else. The case
# "processes" simulates four processes of two devices by the data that each would put on its devices.
CASES = {
  "att_avvad": dict(model="att_avvad", num_blocks=16, augmentation=ALONE),
  **{f"{name} padded": dict(model=name, num_blocks=29) for name in FIELDS},
  "grad_norm": dict(model="att_avvad", num_blocks=16, loss_weights=grad_norm()),
  "microbatches": dict(model="att_avvad", num_blocks=32, num_microbatches=2),
  "remat": dict(model="att_avvad", num_blocks=16, remat=True),
  "processes": dict(model="att_avvad", num_blocks=20, num_processes=4, num_microbatches=2),
  "few": dict(model="visual_only", num_blocks=5),
}
# Cases that also run under pmap; for the others it would show nothing new.
BY_PMAP = ("att_avvad padded", "microbatches")


def batch(num_blocks):
  """Returns blocks of noise, some without images, so that the terms have different counts, unequal over the devices.

  One device has no images at all, and one block has one of three images.
  """
  rng = np.random.default_rng(0)
  clock, crop = SPEC.clock, SPEC.crop
  image_mask = np.repeat((np.arange(num_blocks) % 5 != 1)[:, None], 3, axis=1)
  image_mask[2:4] = False
  image_mask[-1, 1:] = False
  return {
    "waveform": rng.integers(-3000, 3000, (num_blocks, clock.block_samples)).astype(np.int16),
    "images": rng.integers(0, 256, (num_blocks, 3, crop.height_px, crop.width_px)).astype(np.uint8),
    "image_mask": image_mask,
    "label": rng.integers(0, 4, num_blocks).astype(np.int32),
    "audio_label": rng.integers(0, 4, num_blocks).astype(np.int32),
    "block_mask": np.ones(num_blocks, bool),
  }


def case(model, num_blocks, loss_weights=None, augmentation=AMONG, num_processes=1, **options):
  """Returns the state, the step and the batch of a case; its optimizer is plain SGD, which exposes the gradients."""
  network, optimizer, data = build(model, **FIELDS[model]), optax.sgd(1.0), batch(num_blocks)
  weights = loss_weights or per_group()
  state = create_state(network, optimizer, weights, data, SPEC.clock, seed=0)

  def step(state, batch, seed, axis_name=None, has_padding=False):
    return train_step(
      state,
      batch,
      model=with_fields(network, axis_name=axis_name),
      optimizer=optimizer,
      loss_weights=weights,
      clock=SPEC.clock,
      seed=seed,
      augmentation=augmentation,
      axis_name=axis_name,
      has_padding=has_padding,
      **options,
    )

  return state, step, data


def alone(name):
  """Returns the new state and the step's log on one device, without a placement."""
  state, step, data = case(**CASES[name])
  return jax.device_get(jax.jit(step)(state, data, np.uint32(3)))


def mapped(name, placement):
  """Returns the compiled step and its arguments."""
  state, step, data = case(**CASES[name])
  num_processes, num_parts = (CASES[name].get(key, 1) for key in ("num_processes", "num_microbatches"))
  shares = [
    shared_out(
      {key: np.split(value, num_processes)[index] for key, value in data.items()},
      placement.num_devices // num_processes,
      num_parts,
      (index, num_processes),
    )
    for index in range(num_processes)
  ]
  filled = {key: np.concatenate([share[key] for share in shares]) for key in shares[0]}
  has_padding = not filled["block_mask"].all()
  advance = placement.map_step(lambda *args: step(*args, axis_name=AXIS, has_padding=has_padding))
  return advance, (placement.replicate(state), placement.put(filled), np.uint32(3))


def calls(name):
  """Returns the collectives of a case's compiled step, and the sizes to compare them with."""
  advance, arguments = mapped(name, PLACEMENTS[MESH]())
  operations = collectives(advance.lower(*arguments).compile().as_text(), jax.device_count())
  norms = jax.tree.leaves(arguments[0].batch_stats)
  return {
    "calls": operations,
    "description": describe(operations),
    "num_norms": len(norms) // 2,
    "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(arguments[0].params)),
  }


def main(output, names):
  nn.relu = nn.softplus  # at a kink, rounding decides the gradient
  results = {}
  for name in names:
    if name == "collectives":
      results[name] = calls(next(iter(CASES)))
      continue
    results[name] = {"alone": alone(name)}
    for kind, make in PLACEMENTS.items():
      if kind == MESH or name in BY_PMAP:
        advance, arguments = mapped(name, make())
        results[name][kind] = jax.device_get(advance(*arguments))
  with open(output, "wb") as file:
    pickle.dump(results, file)


if __name__ == "__main__":
  main(sys.argv[1], json.loads(sys.argv[2]))
