"""Weight functions by the string that names them in a config."""

from collections.abc import Callable
import math

from attavvad_jax.loss_weights.adaptive import dynamic_average, grad_norm, uncertainty
from attavvad_jax.loss_weights.base import LossWeights
from attavvad_jax.loss_weights.static import per_group
from attavvad_jax.registry import call, is_own

# The rows of Table 1 as the paper writes them: the weights of the groups audio/visual/audio-visual.
TABLE_1 = ("1/1/.5", "1/.5/1", ".5/1/1", "1/1/1", ".5/.5/1", ".5/.5/.5")

ADAPTIVE: dict[str, Callable[[], LossWeights]] = {
  "uncertainty": uncertainty,
  "dynamic_average": dynamic_average,
  "grad_norm": grad_norm,
}

# Functions that have moved, since stored configs may have the old name.
_MOVED = {
  "configs.curriculum:audio_then_visual_then_joint": "attavvad_jax.configs.curriculum:audio_then_visual_then_joint"
}

_EXPECTED = (
  f'three weights as "1/1/.5" (audio/visual/audio-visual), {", ".join(ADAPTIVE)}, or "package.module:function"'
)


def from_name(text: str) -> LossWeights:
  """Returns the weight function that a config's `loss_weights` names.

  Args:
    text: three numbers as in Table 1, a key of `ADAPTIVE`, or "package.module:function" of a function without arguments
      that returns a `LossWeights`.

  Raises:
    ValueError: the text is none of these, or the function cannot be loaded or returns something else.
  """
  if not isinstance(text, str):
    raise ValueError(f"loss_weights is {text!r}; expected {_EXPECTED}")
  if text in ADAPTIVE:
    return ADAPTIVE[text]()
  if is_own(text):
    return call(current_name(text), {}, "loss_weights", LossWeights)
  try:
    audio, visual, audio_visual = (float(part) for part in text.split("/"))
  except ValueError as error:
    raise ValueError(f"loss_weights is {text!r}; expected {_EXPECTED}") from error
  if not all(math.isfinite(value) and value >= 0 for value in (audio, visual, audio_visual)):
    raise ValueError(f"loss_weights is {text!r}; expected three finite numbers of 0 or more")
  return per_group(audio, visual, audio_visual)


def current_name(text: str) -> str:
  """Returns today's name of a function that a stored config names."""
  return _MOVED.get(text, text)
