"""Steps on several devices, as a program of its own, since the number of devices is settled when jax starts.

python devices.py OUTPUT NAMES   with JAX_NUM_CPU_DEVICES set, NAMES of CASES as JSON: what a step of each gives; for
  "collectives", what the compiled step of the first says between devices
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
  # Without pooling: where most of XLA's optimizations are off, the gradient of a maximum is NaN (jaxlib 0.10.2).
  "base_a": dict(**SMALL, kernel_sizes=((3, 3),), pool_bands=(1,), embedding_dim=8),
  "base_av": dict(**SMALL, visual_kernel_sizes=((5, 5),), visual_strides=((3, 3),), embedding_dim=8),
}
assert set(FIELDS) == set(MODELS)
ALONE = Augmentation(gain_db=6.0, shift_fraction=0.1, drop_images_probability=0.2, mask_bands=9)
# Blocks give each other voices and background.
AMONG = dataclasses.replace(ALONE, swap_audio_probability=0.5, mix_probability=0.5)
# Each has dropout, augmentation and blocks without a face; 29 blocks do not divide by 8 devices, and are so many that
# rounding stays small, which is all there is in the gradient of a bias before a normalization. Four processes of two
# devices each, with five blocks of the batch, are told by what they put on their devices.
CASES = {
  "att_avvad": dict(model="att_avvad", num_blocks=16, augmentation=ALONE),
  **{f"{name} padded": dict(model=name, num_blocks=29) for name in FIELDS},
  "grad_norm": dict(model="att_avvad", num_blocks=16, loss_weights=grad_norm()),
  "microbatches": dict(model="att_avvad", num_blocks=32, num_microbatches=2),
  "remat": dict(model="att_avvad", num_blocks=16, remat=True),
  "processes": dict(model="att_avvad", num_blocks=20, num_processes=4, num_microbatches=2),
  "few": dict(model="visual_only", num_blocks=5),
}
# Under pmap too; the others would say the same once more.
BY_PMAP = ("att_avvad padded", "microbatches")


def batch(num_blocks):
  """Noise; some blocks lack images, so that the terms count differently, and not evenly over the devices.

  A device has none with images, and one block has one of three.
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
  """The state, the step and the batch of a case; the step's optimizer is plain descent, so that it shows gradients."""
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
  """The step of one device without any placement: the new state, and what it found."""
  state, step, data = case(**CASES[name])
  return jax.device_get(jax.jit(step)(state, data, np.uint32(3)))


def mapped(name, placement):
  """The compiled step and its arguments."""
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
  """What a case's compiled step says between devices, and what it is to be held against."""
  advance, arguments = mapped(name, PLACEMENTS[MESH]())
  found = collectives(advance.lower(*arguments).compile().as_text(), jax.device_count())
  norms = jax.tree.leaves(arguments[0].batch_stats)
  return {
    "calls": found,
    "description": describe(found),
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
