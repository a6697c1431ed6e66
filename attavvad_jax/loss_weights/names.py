"""Weight functions by the one string that a config has for them."""

from collections.abc import Callable
import importlib
import inspect
import math

from attavvad_jax.loss_weights.adaptive import dynamic_average, grad_norm, uncertainty
from attavvad_jax.loss_weights.base import LossWeights
from attavvad_jax.loss_weights.static import per_group

# The rows of Table 1 as the paper writes them: weights of the groups audio/visual/audio-visual.
TABLE_1 = ("1/1/.5", "1/.5/1", ".5/1/1", "1/1/1", ".5/.5/1", ".5/.5/.5")

ADAPTIVE: dict[str, Callable[[], LossWeights]] = {
  "uncertainty": uncertainty,
  "dynamic_average": dynamic_average,
  "grad_norm": grad_norm,
}

# Functions that have moved: a stored config may have the old name.
_MOVED = {
  "configs.curriculum:audio_then_visual_then_joint": "attavvad_jax.configs.curriculum:audio_then_visual_then_joint"
}

_EXPECTED = (
  f'three weights as "1/1/.5" (audio/visual/audio-visual), {", ".join(ADAPTIVE)}, or "package.module:function"'
)


def from_name(text: str) -> LossWeights:
  """The weight function of a config's `loss_weights`.

  Args:
    text: three numbers as in Table 1, a name of `ADAPTIVE`, or "package.module:function": a function without arguments
      that gives a `LossWeights`.

  Raises:
    ValueError: it is none of these, or what it names gives something else.
  """
  if not isinstance(text, str):
    raise ValueError(f"loss_weights is {text!r}; expected {_EXPECTED}")
  if text in ADAPTIVE:
    return ADAPTIVE[text]()
  if ":" in text:
    return _call(text)
  try:
    audio, visual, audio_visual = (float(part) for part in text.split("/"))
  except ValueError as error:
    raise ValueError(f"loss_weights is {text!r}; expected {_EXPECTED}") from error
  if not all(math.isfinite(value) and value >= 0 for value in (audio, visual, audio_visual)):
    raise ValueError(f"loss_weights is {text!r}; expected three finite numbers of 0 or more")
  return per_group(audio, visual, audio_visual)


def current_name(text: str) -> str:
  """The name of today for one that a stored config has."""
  return _MOVED.get(text, text)


def _call(text: str) -> LossWeights:
  """What a "package.module:function" gives."""
  module_name, _, name = current_name(text).partition(":")
  try:
    function = getattr(importlib.import_module(module_name), name)
    inspect.signature(function).bind()
  except (ImportError, AttributeError, TypeError, ValueError) as error:
    raise ValueError(
      f"loss_weights is {text!r}, which cannot be called ({error}); expected a function without arguments in a module "
      "that python -m finds from here"
    ) from error
  result = function()
  if not isinstance(result, LossWeights):
    raise ValueError(f"loss_weights is {text!r}, which gives a {type(result).__name__}; expected a LossWeights")
  return result
