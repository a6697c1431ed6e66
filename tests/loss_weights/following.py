"""Runs a weight function over some steps."""

import jax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.loss_weights import Losses
from attavvad_jax.losses import TERMS

NO_LOSSES = Losses({})


def at(function, step, losses=NO_LOSSES):
  """The nine weights at a step, from a fresh state, in the order of Eq. 2."""
  return as_list(function.update(jnp.asarray(step, jnp.int32), function.init(), losses)[0])


def follow(function, losses):
  """The weights at each step, [steps,9], where the i-th step finds the i-th losses; and the state after."""
  update, state, rows = jax.jit(function.update), function.init(), []
  for step, found in enumerate(losses):
    weights, state = update(jnp.asarray(step, jnp.int32), state, found)
    rows.append(as_list(weights))
  return np.array(rows), state


def as_list(weights):
  return [float(weight) for weight in as_array(weights)]


def as_array(weights):
  """By name: jax sorts the keys of what it has transformed."""
  assert set(weights) == set(TERMS)
  return jnp.stack([weights[name] for name in TERMS])
