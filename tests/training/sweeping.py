"""Sweeps and runs for tests, also as a separate process that kills itself or has two devices.

python sweeping.py DATA WORKDIR SETTINGS SEEDS [NAME]   kills itself before the member NAME saves its second `last`
"""

import functools
import os
from pathlib import Path
import signal
import sys

import flax.linen as nn
import jax.numpy as jnp
import optax
from tiny import tiny_config

from attavvad_jax.loss_weights import LossWeights, per_group
from attavvad_jax.training.checkpoints import Checkpoints
from attavvad_jax.training.sweep import Sweep, sweep

# A weight that becomes NaN.
DIVERGES = f"{Path(__file__).stem}:diverges"


def diverges() -> LossWeights:
  return per_group(audio=lambda step: jnp.where(step < 7, 1.0, jnp.nan))


def config(data, **changes):
  """Returns the tiny config with augmentation, so that tests notice different random draws."""
  config = tiny_config(data, **changes)
  config.augmentation.update(dict(gain_db=6.0, mix_probability=0.5, shift_fraction=0.1))
  return config


def make_smooth(set_attribute) -> None:
  """Makes training a smooth function of rounding errors, which depend on the order of sums.

  A rounding error decides whether a ReLU with an input near 0 has a gradient, and Adam makes full steps of gradients
  that are only rounding errors, such as those of biases that a normalization cancels.
  """
  set_attribute(nn, "relu", nn.softplus)
  set_attribute(optax, "adam", functools.partial(optax.adam, eps=1e-3))


def run(data, workdir, settings, seeds, **changes) -> Sweep:
  return sweep(config(data, **changes), workdir, settings, seeds)


def _die_before_second_last_of(member: str) -> None:
  save = Checkpoints.save

  def save_or_die(self, name, state, iterator, meta):
    config = meta["config"]
    if name == "last" and int(state.step) == 10 and f"{config['loss_weights']}, seed {config['seed']}" == member:
      os.kill(os.getpid(), signal.SIGKILL)
    save(self, name, state, iterator, meta)

  Checkpoints.save = save_or_die


if __name__ == "__main__":
  make_smooth(setattr)
  data, workdir, settings, seeds, *dies = sys.argv[1:]
  if dies:
    _die_before_second_last_of(dies[0])
  run(data, workdir, settings.split(","), [int(seed) for seed in seeds.split(",")])
