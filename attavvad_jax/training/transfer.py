"""Transfer learning: a run that starts from another run's parameters, some of which may stay as they are.

A checkpoint gives what fits by name and shape, whatever model it is of: Base-A's target task takes all of its source
task, ATT-AVVAD the audio branch of `audio_only`.
"""

from collections.abc import Iterable, Sequence
import dataclasses
from pathlib import Path
from typing import Any

import jax
import optax

from attavvad_jax.checkpoints import find_checkpoint, leaf_name, leaf_shapes, restore_variables, stored_variables
from attavvad_jax.training.step import TrainState

Shapes = dict[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Transfer:
  """What became of the leaves of a checkpoint and of a fresh state, by names such as "params/audio/gru/input_kernel".

  A leaf of one name and two shapes is both new and left over.

  Attributes:
    checkpoint: the folder that was read.
    loaded: leaves of the state that the checkpoint gave, with their shapes.
    new: those that stay as they were drawn.
    left_over: leaves of the checkpoint that went nowhere, with their shapes there.
  """

  checkpoint: Path
  loaded: Shapes
  new: Shapes
  left_over: Shapes


def load_matching(state: TrainState, checkpoint: str | Path) -> tuple[TrainState, Transfer]:
  """Puts a checkpoint's parameters and batch statistics in the place of those of the same name and shape.

  Step and optimizer are the state's own: the new run counts and adapts from its start.

  Args:
    state: as `create_state` gives it.
    checkpoint: what `find_checkpoint` takes.

  Returns:
    The state with what fits, shaped, typed and placed like before; and what that was.

  Raises:
    ValueError: there is no checkpoint, or nothing of it fits.
  """
  path = find_checkpoint(checkpoint)
  stored = stored_variables(path)
  have, want = leaf_shapes(stored), leaf_shapes(state.variables)
  matching = {name for name, shape in want.items() if have.get(name) == shape}
  if not any(name.startswith("params/") for name in matching):
    raise ValueError(
      f"{path}: no parameter has the name and shape of one of this model, such as {_first(want)}; the checkpoint has "
      f"{_first(have)}"
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


def freeze(optimizer: optax.GradientTransformation, prefixes: Sequence[str]) -> optax.GradientTransformation:
  """An optimizer that leaves alone the parameters below some paths, and keeps no state for them.

  Batch statistics have no gradient and are no business of an optimizer: those below a frozen path go on following the
  data that are trained on.

  Args:
    optimizer: what changes the other parameters.
    prefixes: paths of parameters or of modules, such as "audio/block_0"; none leaves the optimizer as it is.

  Returns:
    The optimizer. Its `init` raises a ValueError that names what there is where a prefix matches nothing, and where
    nothing is left to train.
  """
  if not prefixes:
    return optimizer

  def labels(params: Any) -> Any:
    frozen = frozen_parameters(params, prefixes)
    return jax.tree_util.tree_map_with_path(lambda key, _: "frozen" if leaf_name(key) in frozen else "trained", params)

  return optax.partition({"trained": optimizer, "frozen": optax.set_to_zero()}, labels)


def frozen_parameters(params: Any, prefixes: Iterable[str]) -> Shapes:
  """The parameters that are at or below some paths, with their shapes.

  Raises:
    ValueError: a prefix matches none, or all are matched; names what there is.
  """
  shapes = leaf_shapes(params)
  frozen: Shapes = {}
  for prefix in prefixes:
    below = {name: shape for name, shape in shapes.items() if f"{name}/".startswith(f"{prefix.strip('/')}/")}
    if not below:
      raise ValueError(f"config.transfer.freeze: no parameter is at or below {prefix!r}; there are {_modules(shapes)}")
    frozen |= below
  if frozen and len(frozen) == len(shapes):
    raise ValueError(f"config.transfer.freeze: leaves nothing to train; there are {_modules(shapes)}")
  return frozen


def describe(transfer: Transfer, frozen: Iterable[str] = ()) -> str:
  """A line each for what was loaded, new, left over and frozen, with the number of leaves.

  Args:
    transfer: what `load_matching` did.
    frozen: names of parameters, as `frozen_parameters` gives them.
  """
  state, checkpoint = [*transfer.loaded, *transfer.new], [*transfer.loaded, *transfer.left_over]
  reshaped = [
    f"{_without_collection(name)} is {transfer.left_over[name]} there, {shape} here"
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
  """How many leaves, and the largest subtrees of which all leaves are among them."""
  # A module's parameters and statistics are one thing here.
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
