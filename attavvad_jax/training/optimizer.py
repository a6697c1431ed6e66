"""Builds the optimizer and the learning rate of a config with optax."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import optax

from attavvad_jax import config as config_lib
from attavvad_jax import registry
from attavvad_jax.checkpoints import leaf_name
from attavvad_jax.settings import Optimizer

Rate: TypeAlias = float | optax.Schedule
# Each takes the learning rate and the optimizer's other settings.
OPTIMIZERS: dict[str, Callable[[Rate, Optimizer], optax.GradientTransformation]] = {
  "adam": lambda rate, settings: _added(settings, optax.adam(rate)),
  "adamw": lambda rate, settings: optax.adamw(rate, weight_decay=settings.weight_decay, mask=kernels),
  "sgd": lambda rate, settings: _added(settings, optax.sgd(rate, settings.momentum or None)),
  "lion": lambda rate, settings: optax.lion(rate, weight_decay=settings.weight_decay, mask=kernels),
}
# Each takes the learning rate and the number of steps over which it changes.
SCHEDULES: dict[str, Callable[[float, int], Rate]] = {
  "constant": lambda rate, steps: rate,
  "cosine": optax.cosine_decay_schedule,
}


def optimizer(config: Mapping[str, Any], num_blocks: int) -> optax.GradientTransformation:
  """Returns the optimizer of `config.optimizer`, with the learning rate of `learning_rate`.

  Its state contains only the parts in use: with the defaults, the state of `optax.adam`.

  Args:
    config: plain values.
    num_blocks: number of blocks of the training split, which determines the steps per epoch.

  Raises:
    ValueError: a value is invalid, or a name is unknown.
  """
  settings = config_lib.optimizer(config)
  rate, name = learning_rate(config, num_blocks), settings.name
  if registry.is_own(name):
    found = registry.call(name, {}, "config.optimizer.name", optax.GradientTransformation, rate)
  else:
    found = registry.resolve(name, OPTIMIZERS, "config.optimizer.name")(rate, settings)
  return optax.chain(optax.clip_by_global_norm(settings.clip_norm), found) if settings.clip_norm else found


def learning_rate(config: Mapping[str, Any], num_blocks: int) -> Rate:
  """Returns the learning rate: a number if it is constant, else a function of the step.

  Raises:
    ValueError: as `optimizer`.
  """
  settings = config_lib.optimizer(config)
  rate, decay_epochs = config["learning_rate"], config["learning_rate_decay_epochs"]
  if decay_epochs < 0:
    raise ValueError(f"config.learning_rate_decay_epochs is {decay_epochs}; expected 0 (constant) or more")
  name = settings.schedule or ("cosine" if decay_epochs else "constant")
  if decay_epochs and name != "cosine":
    raise ValueError(f"config.learning_rate_decay_epochs is {decay_epochs}; expected 0 with the schedule {name}")
  num_steps = config_lib.num_steps(config, num_blocks, decay_epochs or config["num_epochs"])
  found: Any = registry.call(name, SCHEDULES, "config.optimizer.schedule", object, rate, num_steps)
  if registry.is_own(name) and not callable(found):
    raise ValueError(
      f"config.optimizer.schedule is {name!r}, which gives a {type(found).__name__}; expected a function of the step"
    )
  if not settings.warmup_epochs:
    result: Rate = found
    return result
  warmup = config_lib.num_steps(config, num_blocks, settings.warmup_epochs)
  after = found if callable(found) else optax.constant_schedule(found)
  return optax.join_schedules([optax.linear_schedule(0.0, rate, warmup), after], [warmup])


def kernels(params: Any) -> Any:
  """Returns a tree of bools that marks the kernels, the parameters that weight decay applies to."""
  return jax.tree_util.tree_map_with_path(lambda path, _: leaf_name(path).endswith("kernel"), params)


def _added(settings: Optimizer, found: optax.GradientTransformation) -> optax.GradientTransformation:
  """Returns an optimizer that first adds weight decay to the gradient, if there is any."""
  decay = settings.weight_decay
  return optax.chain(optax.add_decayed_weights(decay, mask=kernels), found) if decay else found
