import sys
import types

from following import at
import pytest

from attavvad_jax.loss_weights import TABLE_1, LossWeights, from_name, per_group


@pytest.fixture
def module(monkeypatch):
  module = types.ModuleType("my_weights")
  module.rising = lambda: per_group(visual=lambda step: step / 10)
  module.number = lambda: 3.0
  module.with_argument = lambda steps: per_group()
  module.not_a_function = 3.0
  monkeypatch.setitem(sys.modules, "my_weights", module)
  return module


def test_rows_of_table_1():
  # The rows of the paper's table: audio, visual, audio-visual.
  rows = [(1, 1, 0.5), (1, 0.5, 1), (0.5, 1, 1), (1, 1, 1), (0.5, 0.5, 1), (0.5, 0.5, 0.5)]
  for name, (audio, visual, audio_visual) in zip(TABLE_1, rows, strict=True):
    assert at(from_name(name), 0) == [audio] * 4 + [visual] + [audio_visual] * 4


def test_any_three_weights_can_be_given():
  assert at(from_name("0/2/0.25"), 9) == [0.0] * 4 + [2.0] + [0.25] * 4


@pytest.mark.parametrize("name", ["uncertainty", "dynamic_average", "grad_norm"])
def test_adaptive_weights_have_names(name):
  assert isinstance(from_name(name), LossWeights)
  assert from_name(name).uses_gradient_norms == (name == "grad_norm")


def test_a_users_own_function_can_be_named(module):
  assert at(from_name("my_weights:rising"), 5) == [1.0] * 4 + [0.5] + [1.0] * 4


def test_a_function_that_has_moved_is_found_by_its_old_name(monkeypatch):
  monkeypatch.setitem(sys.modules, "configs", None)  # as in an installed wheel
  weights = from_name("configs.curriculum:audio_then_visual_then_joint")
  assert at(weights, 0) == [1.0] * 4 + [0.0] * 5


@pytest.mark.parametrize("text", ["uncertain", "1/1", "1/1/1/1", "1/x/1", "", {"audio": 1.0}, None])
def test_unknown_names_are_refused_with_the_known_ones(text):
  with pytest.raises(ValueError, match=r"loss_weights.*three weights.*uncertainty, dynamic_average, grad_norm"):
    from_name(text)


@pytest.mark.parametrize("text", ["1/-1/1", "1/nan/1", "inf/1/1"])
def test_negative_and_infinite_weights_are_refused(text):
  with pytest.raises(ValueError, match=r"loss_weights.*finite numbers of 0 or more"):
    from_name(text)


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("no_such_module:f", "No module named 'no_such_module'"),
    ("my_weights:falling", "no attribute 'falling'"),
    ("my_weights:with_argument", "missing a required argument: 'steps'"),
    ("my_weights:not_a_function", r"3\.0 is not a callable"),
    ("my_weights:number", "float.*LossWeights"),
  ],
)
def test_an_invalid_function_is_refused_with_the_reason(module, text, message):
  with pytest.raises(ValueError, match=message):
    from_name(text)
