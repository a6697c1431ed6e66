"""Evaluates weight functions at one step or over several."""

import jax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.loss_weights import Losses
from attavvad_jax.losses import TERMS

NO_LOSSES = Losses({})


def at(function, step, losses=NO_LOSSES):
  """The nine weights at a step, from the initial state, in the order of Eq. 2."""
  return as_list(function.update(jnp.asarray(step, jnp.int32), function.init(), losses)[0])


def follow(function, losses):
  """The weights at each step, [steps,9], with the i-th losses at the i-th step; and the final state."""
  update, state, rows = jax.jit(function.update), function.init(), []
  for step, step_losses in enumerate(losses):
    weights, state = update(jnp.asarray(step, jnp.int32), state, step_losses)
    rows.append(as_list(weights))
  return np.array(rows), state


def as_list(weights):
  return [float(weight) for weight in as_array(weights)]


def as_array(weights):
  """The weights in the order of Eq. 2, taken by name since jax sorts the keys of its results."""
  assert set(weights) == set(TERMS)
  return jnp.stack([weights[name] for name in TERMS])
