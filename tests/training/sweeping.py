"""Sweeps and runs for tests, also as a process of its own: one that is killed, or one that has two devices.

python sweeping.py DATA WORKDIR SETTINGS SEEDS [NAME]   is killed when the member NAME comes to save its second `last`
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

# Not a number from the third step on.
DIVERGES = f"{Path(__file__).stem}:diverges"


def diverges() -> LossWeights:
  return per_group(audio=lambda step: jnp.where(step < 7, 1.0, jnp.nan))


def config(data, **changes):
  """The tiny one with some augmentation, so that what is drawn for it is seen to be the same."""
  config = tiny_config(data, **changes)
  config.augmentation.update(dict(gain_db=6.0, mix_probability=0.5, shift_fraction=0.1))
  return config


def make_smooth(set_attribute) -> None:
  """Makes of training a smooth function of what is added up in another order.

  A ReLU whose input is rounding has a gradient or has none; and Adam makes whole steps of gradients that are nothing
  but rounding, such as those of biases that a normalization takes away again.
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
