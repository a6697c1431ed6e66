"""From a config of plain values to the objects it describes; the keys are the fields of `settings.Config`."""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any, TypeVar

from flax import linen as nn

from attavvad_jax.blocks import Crop, DataSpec
from attavvad_jax.loss_weights import LossWeights, from_name
from attavvad_jax.models import build
from attavvad_jax.registry import is_own, resolve
from attavvad_jax.settings import Augmentation, Config, Model, Optimizer, Transfer, to_dict
from attavvad_jax.timeline import Clock, Smoothing

KEYS = tuple(field.name for field in dataclasses.fields(Config))

# Between validations there are so many steps where an epoch is shorter, and a run has at least so many of them.
_FEWEST_STEPS, _FEWEST_CHECKPOINTS = 20, 5

# Whose voice the audio branch learns to tell: the performer's (Section 2.1), or whoever's is heard.
PERFORMER, ANY_VOICE = "performer", "any_voice"

# Keys of stored configs that have another name today, by their group.
_RENAMED = {
  "augmentation": {
    "dub_probability": "swap_audio_probability",
    "drop_sound_probability": "drop_audio_probability",
  },
}

T = TypeVar("T")


def fill(config: Mapping[str, Any]) -> dict[str, Any]:
  """Fills a stored config with today's default for each key that it lacks, at every level, and renames its old keys.

  A key of a group such as `smoothing` gets the default of the group's own class.
  """
  default = Config()
  filled = {**to_dict(default), **config}
  groups: dict[str, Any] = {key: type(value) for key, value in vars(default).items() if dataclasses.is_dataclass(value)}
  for key, group in groups.items():
    if isinstance(config.get(key), Mapping):
      renamed = _RENAMED.get(key, {})
      filled[key] = {**to_dict(group()), **{renamed.get(name, name): value for name, value in config[key].items()}}
  return filled


def check_keys(config: Mapping[str, Any]) -> None:
  """Refuses a config with keys that nothing reads.

  Raises:
    ValueError: names them.
  """
  if unknown := sorted(set(config) - set(KEYS)):
    raise ValueError(f"config: unknown key {', '.join(unknown)}; expected {', '.join(KEYS)}")


def data_spec(config: Mapping[str, Any]) -> DataSpec:
  """Clock and crop."""
  return DataSpec(_fill(Clock, config["clock"], "clock"), _fill(Crop, config["crop"], "crop"))


def smoothing(config: Mapping[str, Any]) -> Smoothing:
  """How scores become a timeline."""
  return _fill(Smoothing, config["smoothing"], "smoothing")


def model(config: Mapping[str, Any]) -> nn.Module:
  """The network that `config.model` names, with those of its fields that are not None."""
  fields = {name: value for name, value in config["model"].items() if value is not None}
  name = fields.pop("name")
  if is_own(name):
    # Defaults that are of the package's networks; one of the user's own may lack these fields.
    own, defaults = getattr(resolve(name, {}, "model"), "__dataclass_fields__", {}), vars(Model())
    fields = {key: value for key, value in fields.items() if key in own or value != defaults.get(key)}
  return build(name, **fields)


def num_steps(config: Mapping[str, Any], num_blocks: int, epochs: float) -> int:
  """So many batches that every one of the blocks is taken `epochs` times at least: the last may reach into one more."""
  # Rounded first, so that what floating point adds to a whole number is no step.
  batch_size: int = config["batch_size"]
  return math.ceil(round(epochs * num_blocks / batch_size, 6))


def checkpoint_interval(config: Mapping[str, Any], num_blocks: int) -> int:
  """Steps from one validation and checkpoint to the next.

  `config.checkpoint_every_steps` where it is set. Else `config.checkpoint_every_epochs`: but of short epochs as many as
  have 20 steps, and never so many that the run has less than five validations.

  Raises:
    ValueError: a value is not above 0.
  """
  steps: int | None = config["checkpoint_every_steps"]
  epochs: float = config["checkpoint_every_epochs"]
  batch_size: int = config["batch_size"]
  for name, value in (("steps", steps), ("epochs", epochs)):
    if value is not None and not value > 0:
      raise ValueError(f"config.checkpoint_every_{name} is {value}; expected more than 0")
  if steps is not None:
    return steps
  wanted = max(round(epochs * num_blocks / batch_size), _FEWEST_STEPS)
  return max(1, min(wanted, num_steps(config, num_blocks, config["num_epochs"]) // _FEWEST_CHECKPOINTS))


def loss_weights(config: Mapping[str, Any]) -> LossWeights:
  """The function that gives the nine weights."""
  try:
    return from_name(config["loss_weights"])
  except ValueError as error:
    raise ValueError(f"config.{error}") from error


def augmentation(config: Mapping[str, Any]) -> Augmentation:
  """What training changes in its batches."""
  return _fill(Augmentation, config["augmentation"], "augmentation")


def optimizer(config: Mapping[str, Any]) -> Optimizer:
  """What changes the parameters."""
  return _fill(Optimizer, config["optimizer"], "optimizer")


def audio_targets(config: Mapping[str, Any]) -> str:
  """`PERFORMER` or `ANY_VOICE`."""
  value: str = config["audio_targets"]
  if value not in (PERFORMER, ANY_VOICE):
    raise ValueError(f"config.audio_targets is {value!r}; expected {PERFORMER} or {ANY_VOICE}")
  return value


def check_batch(config: Mapping[str, Any]) -> None:
  """Refuses a batch size, and values of what saves memory, that cannot be.

  Raises:
    ValueError: names them.
  """
  batch_size, num_parts = config["batch_size"], config["num_microbatches"]
  if not isinstance(batch_size, int) or batch_size < 1:
    raise ValueError(f"config.batch_size is {batch_size!r}; expected a whole number of 1 or more")
  if not isinstance(num_parts, int) or num_parts < 1 or batch_size % num_parts:
    raise ValueError(
      f"config.num_microbatches is {num_parts!r}; expected a whole number that divides config.batch_size, {batch_size}"
    )
  if not isinstance(config["remat"], bool):
    raise ValueError(f"config.remat is {config['remat']!r}; expected True or False")


def transfer(config: Mapping[str, Any]) -> Transfer:
  """What a run starts from."""
  found = _fill(Transfer, config["transfer"], "transfer")
  if isinstance(found.freeze, str):
    raise ValueError(f"config.transfer.freeze is {found.freeze!r}; expected a tuple of paths")
  return found


def _fill(cls: type[T], values: Mapping[str, Any], where: str) -> T:
  names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
  unknown = sorted(set(values) - set(names))
  if unknown:
    raise ValueError(f"config.{where}: unknown key {', '.join(unknown)}; expected {', '.join(names)}")
  return cls(**values)
