"""Transfer learning: a run starts from another run's parameters, some of which may be frozen.

All arrays that match by name and shape are loaded, whatever the checkpoint's model: Base-A's target task takes all of
its source task, and ATT-AVVAD takes the audio branch of `audio_only`.
"""

from collections.abc import Iterable, Sequence
import dataclasses
from pathlib import Path
from typing import Any

import jax
import optax

from attavvad_jax.checkpoints import (
  find_checkpoint,
  leaf_name,
  leaf_shapes,
  read_meta,
  restore_variables,
  stored_variables,
)
from attavvad_jax.training.step import TrainState

Shapes = dict[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Transfer:
  """The result of a transfer: leaves by names such as "params/audio/gru/input_kernel", with their shapes.

  A leaf whose shapes in the state and in the checkpoint differ is both new and left over.

  Attributes:
    checkpoint: the folder that was read.
    loaded: leaves of the state that were loaded from the checkpoint.
    new: leaves of the state that keep their initial values.
    left_over: leaves of the checkpoint that were not used, with their shapes there.
  """

  checkpoint: Path
  loaded: Shapes
  new: Shapes
  left_over: Shapes


def load_matching(state: TrainState, checkpoint: str | Path) -> tuple[TrainState, Transfer]:
  """Replaces parameters and batch statistics with a checkpoint's arrays of the same name and shape.

  The step and the optimizer's state stay those of the new run.

  Args:
    state: a fresh state from `create_state`.
    checkpoint: a path or name for `find_checkpoint`.

  Returns:
    The state with the loaded arrays, whose shapes, dtypes and placement do not change, and the transfer.

  Raises:
    ValueError: there is no checkpoint, or none of its parameters fits.
  """
  path = find_checkpoint(checkpoint)
  stored = stored_variables(path)
  have, want = leaf_shapes(stored), leaf_shapes(state.variables)
  matching = {name for name, shape in want.items() if have.get(name) == shape}
  if not any(name.startswith("params/") for name in matching):
    raise ValueError(
      f"{path}: no parameter has the name and shape of one of this model's: for example, the model has {_first(want)}, "
      f"the checkpoint {_first(have)}{_advice(path)}"
    )
  values = {leaf_name(key): leaf for key, leaf in _leaves(restore_variables(path, stored))}

  def choose(key: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
    name = leaf_name(key)
    return jax.device_put(values[name].astype(leaf.dtype), leaf.sharding) if name in matching else leaf

  fresh = {"params": state.params, "batch_stats": state.batch_stats}
  variables = jax.tree_util.tree_map_with_path(choose, fresh)
  transfer = Transfer(
    path,
    loaded={name: shape for name, shape in want.items() if name in matching},
    new={name: shape for name, shape in want.items() if name not in matching},
    left_over={name: shape for name, shape in have.items() if name not in matching},
  )
  return dataclasses.replace(state, params=variables["params"], batch_stats=variables["batch_stats"]), transfer


def _advice(checkpoint: Path) -> str:
  """Returns how to start from an ensemble; nothing for other checkpoints."""
  # Older checkpoints lack the key, and those of other programs the config.
  members = read_meta(checkpoint).get("config", {}).get("model", {}).get("members", 1)
  return f", which averages {members} networks: add --config.model.members={members}" if members > 1 else ""


def freeze(optimizer: optax.GradientTransformation, prefixes: Sequence[str]) -> optax.GradientTransformation:
  """Returns an optimizer that does not change the parameters below some paths and keeps no state for them.

  Batch statistics below a frozen path still follow the training data, as they do not depend on the optimizer.

  Args:
    optimizer: optimizer of the other parameters.
    prefixes: paths of parameters or modules, such as "audio/block_0"; without any, the optimizer is returned unchanged.

  Returns:
    The optimizer. Its `init` raises a ValueError that lists the modules if a prefix matches nothing or nothing is left
    to train.
  """
  if not prefixes:
    return optimizer

  def labels(params: Any) -> Any:
    frozen = frozen_parameters(params, prefixes)
    return jax.tree_util.tree_map_with_path(lambda key, _: "frozen" if leaf_name(key) in frozen else "trained", params)

  return optax.partition({"trained": optimizer, "frozen": optax.set_to_zero()}, labels)


def frozen_parameters(params: Any, prefixes: Iterable[str]) -> Shapes:
  """Returns the parameters at or below some paths, with their shapes.

  Raises:
    ValueError: a prefix matches no parameter, or all parameters are matched; the message lists the modules.
  """
  shapes = leaf_shapes(params)
  frozen: Shapes = {}
  for prefix in prefixes:
    below = {name: shape for name, shape in shapes.items() if f"{name}/".startswith(f"{prefix.strip('/')}/")}
    if not below:
      raise ValueError(
        f"config.transfer.freeze: no parameter is at or below {prefix!r}; expected one of {_modules(shapes)}"
      )
    frozen |= below
  if frozen and len(frozen) == len(shapes):
    raise ValueError(f"config.transfer.freeze: leaves nothing to train; expected some of {_modules(shapes)}")
  return frozen


def describe(transfer: Transfer, frozen: Iterable[str] = ()) -> str:
  """Returns a text with a line each for loaded, new, left-over and frozen leaves, with their number.

  Args:
    transfer: the result of `load_matching`.
    frozen: names of the parameters that `frozen_parameters` returned.
  """
  state, checkpoint = [*transfer.loaded, *transfer.new], [*transfer.loaded, *transfer.left_over]
  reshaped = [
    f"{_without_collection(name)} is {transfer.left_over[name]} in the checkpoint, {shape} here"
    for name, shape in transfer.new.items()
    if name in transfer.left_over
  ]
  parameters = [f"params/{name}" for name in frozen]
  lines = [
    f"transfer from {transfer.checkpoint}",
    _line("loaded", transfer.loaded, state),
    _line("new", transfer.new, state),
    _line("left over", transfer.left_over, checkpoint),
    _line("frozen", parameters, [name for name in state if name.startswith("params/")]),
  ]
  return "\n  ".join([*lines, *reshaped])


def _line(title: str, names: Iterable[str], of: Iterable[str]) -> str:
  """Returns the number of leaves and the largest subtrees that contain only such leaves."""
  # A module's parameters and statistics count as one subtree.
  chosen = list(names)
  inside = sorted(set(map(_without_collection, chosen)))
  outside = {_without_collection(name) for name in of} - set(inside)
  subtrees: list[str] = []
  for name in inside:
    parts = name.split("/")
    paths = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    subtree = next(path for path in paths if not any(f"{other}/".startswith(f"{path}/") for other in outside))
    if subtree not in subtrees:
      subtrees.append(subtree)
  return f"{title}: {len(chosen)}" + (f" ({', '.join(subtrees)})" if subtrees else "")


def _without_collection(name: str) -> str:
  return name.partition("/")[2]


def _modules(shapes: Shapes) -> str:
  return ", ".join(sorted({name.rpartition("/")[0] for name in shapes}))


def _first(shapes: Shapes) -> str:
  name = min(name for name in shapes if name.startswith("params/"))
  return f"{_without_collection(name)} {shapes[name]}"


def _leaves(tree: Any) -> list[tuple[tuple[Any, ...], jax.Array]]:
  return jax.tree_util.tree_flatten_with_path(tree)[0]
